// The example of a pool: that it does what it says. How fast it is, is not for a test.

import { expect, test } from 'vitest';
import { example, run } from './support/program.js';

test.each([
  [300, 16, 20, 2],
  [1000, 3, 9, 3],
])('%i rows of %i numbers, %i queries, %i workers', async (...numbers) => {
  const [rows, columns, queries] = numbers;
  const { stdout, ...ended } = await run(example('pool'), numbers.map(String));
  expect(ended).toEqual({ code: 0, signal: null, stderr: '' });
  const size = (count: number) => `${((4 * count) / 1e6).toFixed(1)} MB`;
  const [what, messages, channel, ratio, ...rest] = stdout.split('\n');
  expect(what).toBe(
    `${queries} queries, ${rows} rows of ${columns} numbers: a matrix of ${size(rows! * columns!)}, results of ${size(rows! * queries!)}`,
  );
  expect(messages).toMatch(/^Through process\.send: \d+ ms$/);
  expect(channel).toMatch(/^Through the channel: \d+ ms$/);
  expect(ratio).toMatch(/^Ratio: \d+\.\d\d$/);
  expect(rest).toEqual(['The results are equal.', '']);
});
