// No wake-up is lost between processes: waits without a timeout, in turns, many at once, and on a cell that
// keeps its value. scripts/wake-ups.mjs has the same in its long form: ten million.

import { expect, test } from 'vitest';
import { program, run } from './support/program.js';

const scale = process.env['MEMMAP_LONG'] === '1' ? 30 : 1;

test('who waits is woken, by wait() and waitAsync(), in Node and in C', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const { code, signal, stdout, stderr } = await run(
    program('wake-ups'),
    [scale, seed].map(String),
    { watchdog: 280_000 },
  );
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  const parts = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { waits: number });
  expect(parts).toHaveLength(8);
  for (const part of parts) expect(part.waits).toBeGreaterThan(0);
}, 300_000);
