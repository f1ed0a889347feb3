// A window that slides makes no garbage: the count comes from the runtime's own GC events.

import { truncateSync } from 'node:fs';
import { PAGE_SIZE } from 'memmap/posix';
import { expect, test } from 'vitest';
import { program, run } from './support/program.js';
import { tempFile } from './support/temp.js';

const TiB = 2 ** 40;
const WINDOWS = 10_000;

test('10,000 windows of 64 MiB over a sparse file of 1 TiB: no full collection', async () => {
  const path = tempFile(0);
  truncateSync(path, TiB);
  const { stdout, ...ended } = await run(program('slide-garbage'), [path, String(WINDOWS)], {
    node: ['--expose-gc'],
  });
  expect(ended).toEqual({ code: 0, signal: null, stderr: '' });
  const report = JSON.parse(stdout) as Record<string, number>;
  console.log(`full collections: ${report['caused']} caused, ${report['shown']} provoked and seen`);
  expect(report).toEqual({
    right: WINDOWS, // each shows what is there in the file
    caused: 0,
    shown: 1,
    after: 1,
    last: expect.any(Number),
    same: true,
  });
  // The windows lay over the whole file, not over its beginning.
  expect(report['last']).toBeGreaterThan(TiB - 2 ** 27 - WINDOWS * PAGE_SIZE);
});
