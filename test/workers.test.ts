// The add-on in worker threads: several at once, only there, and ended in the middle of things.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { program, run } from './support/program.js';
import { tempDir } from './support/temp.js';

const ends = async (args: string[], node: string[] = []) => {
  // AddressSanitizer would take the SIGBUS that the program sends itself.
  const env = { ASAN_OPTIONS: `${process.env['ASAN_OPTIONS'] ?? ''}:handle_sigbus=0` };
  const options = { node, env, watchdog: 120_000 };
  const { code, signal, stdout } = await run(program('workers'), args, options);
  return { code, signal, stdout };
};
const WELL = { code: 0, signal: null, stdout: 'well\n' };

test('twenty at once: each maps, writes and flushes', async () => {
  expect(await ends(['together', '20', tempDir()])).toEqual(WELL);
}, 120_000);

test('only in workers that end: the guard works in the next, and other signals end the process', async () => {
  const args = ['alone', join(tempDir(), 'file')];
  expect(await ends(args, ['--no-warnings'])).toEqual({
    code: null,
    signal: 'SIGBUS',
    stdout: 'well\n',
  });
});

test('terminated while a flush, a prefetch and a read into the mapping are pending', async () => {
  const rounds = process.env['MEMMAP_RUN'] === undefined ? '50' : '10';
  expect(await ends(['busy', rounds, tempDir()])).toEqual(WELL);
}, 120_000);
