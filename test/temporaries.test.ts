// In the add-on a mapping is a number, which keeps nothing alive: that is for the object to which it belongs.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { program, run } from './support/program.js';
import { tempDir } from './support/temp.js';

test('a mapping that nothing else refers to is there until its call ends, and then gone', async () => {
  const args = [join(tempDir(), 'file'), '300'];
  const { stdout, ...ended } = await run(program('temporaries'), args, {
    node: ['--expose-gc', '--gc-interval=97', '--no-warnings'],
    watchdog: 100_000,
  });
  expect(ended).toEqual({ code: 0, signal: null, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({ calls: 300 * 13, errors: [] });
}, 120_000);
