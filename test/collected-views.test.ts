// What is left of memory whose worker has ended before it was told that views of it had been collected: addresses
// at the most, but no file and no page.
import { expect, test } from 'vitest';
import { program, run } from './support/program.js';

test('workers that end just after a collection leave no file and no memory', async () => {
  const node = ['--expose-gc', '--no-warnings'];
  const { stdout, ...ended } = await run(program('collected-views'), ['40'], {
    node,
    watchdog: 100_000,
  });
  expect(ended).toEqual({ code: 0, signal: null, stderr: '' });
  const { open, ...left } = JSON.parse(stdout);
  expect(left).toEqual({ mappedBytes: 0, ours: 0 });
  // The event loop and the inspector keep some for themselves.
  expect(open).toBeLessThan(10);
}, 120_000);
