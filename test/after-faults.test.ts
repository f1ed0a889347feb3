// What a mapping says and does after faults, and where its window is empty: found by the model fuzz.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PAGE_SIZE as P } from 'memmap/posix';
import { expect, test } from 'vitest';
import { program, run } from './support/program.js';
import { tempDir } from './support/temp.js';

const fault = (kind: string, offset: number, length: number) => ({ kind, offset, length });
const truncated = { code: 'ERR_MAPPING_FAULT', faults: [fault('truncated', 3 * P, P)] };

const cases: [string, unknown][] = [
  [
    'flushElsewhere',
    { ranges: 'resolved', none: 'resolved', noRange: 'resolved', sync: 'returned', lost: true },
  ],
  ['mergedFaults', [fault('read-only', 0, P), fault('read-only', 2 * P, 2 * P)]],
  ['protectReadOnly', { protect: 'EACCES', slide: 4 * P, refresh: 4 * P, first: 1 }],
  ['slideEmpty', { length: P, first: 2 }],
  ['emptyBytes', [0, 0, true]],
  ['mremapLost', { moved: truncated, sync: truncated, kept: 9 }],
  ['mremapParts', { moved: 'EFAULT', faults: 1, bytes: [7, 8, 7] }],
  ['lockGivenUp', [true, true]],
  ['prefetchResized', 'resolved'],
];

test.each(cases)('%s', async (scenario, printed) => {
  const path = join(tempDir(), 'four.dat');
  writeFileSync(path, Buffer.concat([1, 2, 3, 4].map((n) => Buffer.alloc(P, n))));
  const { code, signal, stdout, stderr } = await run(program('after-faults'), [scenario, path], {
    node: ['--no-warnings'],
    env: { UV_THREADPOOL_SIZE: '1' },
  });
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  expect(JSON.parse(stdout)).toEqual(printed);
});
