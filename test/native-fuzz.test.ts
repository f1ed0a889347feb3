// The native boundary under garbage: whatever the add-on's functions are called with, the process lives.

import { readdirSync, unlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import type { Report } from './programs/native-fuzz.js';
import { program, type Result, run } from './support/program.js';
import { tempDir } from './support/temp.js';

const addon = (
  createRequire(import.meta.url)('node-gyp-build') as (folder: string) => Record<string, unknown>
)(fileURLToPath(new URL('..', import.meta.url)));

async function fuzz(env: Record<string, string>): Promise<{ seed: string; report: Report }> {
  const cwd = tempDir();
  // Of a process that was killed.
  onTestFinished(() => {
    const names = readdirSync('/dev/shm').filter((name) => name.includes(basename(cwd)));
    for (const name of names) unlinkSync(`/dev/shm/${name}`);
  });
  const { code, signal, stdout, stderr }: Result = await run(program('native-fuzz'), [], {
    node: ['--expose-gc', '--no-warnings'],
    cwd,
    env,
    watchdog: 120_000,
  });
  const [first = '', last = ''] = stdout.trim().split('\n');
  const seed = /^seed (\d+)$/.exec(first)?.[1] ?? '';
  // What is shown when it fails says how to see it again.
  expect({ code, signal, stderr }, `again with MEMMAP_SEED=${seed}\n${stderr}`).toEqual({
    code: 0,
    signal: null,
    stderr: '',
  });
  return { seed, report: JSON.parse(last) as Report };
}

test('20,000 calls of every export with garbage: nothing ends the process, nothing is left', async () => {
  const { report } = await fuzz({});
  const functions = Object.keys(addon).filter((name) => typeof addon[name] === 'function');
  expect(functions.length).toBeGreaterThan(0);
  expect(report.exports).toEqual(functions);
  // What is no function has nothing to be called with.
  expect(report.others).toEqual(['constants']);

  for (const name of functions) {
    expect(report.calls[name], `${name} was called`).toBeGreaterThan(100);
    // Garbage that is all refused at the door tests the door: each call must get further at times. An
    // export without an entry in the program's table of what is expected fails here.
    expect(report.returned[name] ?? 0).toBeLessThanOrEqual(report.calls[name] ?? 0);
  }
  // One or two may have had no luck with this seed.
  const unlucky = functions.filter((name) => (report.returned[name] ?? 0) === 0);
  expect(unlucky.length, `never succeeded: ${unlucky.join(', ')}`).toBeLessThanOrEqual(2);
  const total = Object.values(report.calls).reduce((sum, n) => sum + n, 0);
  expect(total).toBeGreaterThanOrEqual(20_000);
  expect(report.faults).toBeGreaterThan(0); // the guard had work to do
  expect(report.left).toMatchObject({
    regions: 0,
    mappedBytes: 0,
    retiredBytes: 0,
    descriptors: 0,
  });
});

test('MEMMAP_SEED makes the same calls again', async () => {
  const options = { MEMMAP_CALLS: '1000' };
  const first = await fuzz(options);
  const again = await fuzz({ ...options, MEMMAP_SEED: first.seed });
  expect(again.seed).toBe(first.seed);
  expect(again.report.digest).toBe(first.report.digest);
  const other = await fuzz({ ...options, MEMMAP_SEED: String(Number(first.seed) + 1) });
  expect(other.report.digest).not.toBe(first.report.digest);
});
