// How processes and workers end in the middle of waits: at all, with the right code, and leaving nothing.

import { describe, expect, test } from 'vitest';
import { areasOf, blockedOn, maps } from './support/proc.js';
import { program, run, start } from './support/program.js';
import { until } from './support/until.js';

const long = process.env['MEMMAP_LONG'] === '1';
const ends = async (...args: string[]) => {
  const { stderr: _, ...ended } = await run(program('wait-lifecycle'), args, {
    node: ['--no-warnings'],
    watchdog: 60_000,
  });
  return ended;
};
const well = (...lines: unknown[]) => ({
  code: 0,
  signal: null,
  stdout: lines.map((line) => `${line}\n`).join(''),
});
/** Waits until the main thread of a program sleeps on the first word of its memory. */
async function sleeping(pid: number): Promise<void> {
  const word = areasOf('/memfd:lifecycle', maps(pid))[0]?.start ?? 0;
  await until('it sleeps', () => blockedOn(word, pid));
}

describe('a process', () => {
  test('lives as long as a wait is pending', async () => {
    expect(await ends('pending')).toEqual(well('timed-out', 'exit true'));
  });

  test('... however long', async () => {
    await using child = start(program('wait-lifecycle'), ['forever']);
    await child.line(/there/);
    expect(await Promise.race([child.ended, new Promise((r) => setTimeout(r, 300, 'alive'))])).toBe(
      'alive',
    );
    expect(await child.kill('SIGTERM')).toMatchObject({ code: null, signal: 'SIGTERM' });
  });

  test.each([
    ['settled', 'ok'],
    ['aborted', 'aborted'],
    ['late', 'timed-out'],
    ['closed', 'ERR_MAPPING_CLOSED'],
    ['locked', 'unlocked'],
  ])('ends by itself after a wait that is %s', async (scenario, line) => {
    expect(await ends(scenario)).toEqual(well(line));
  });

  const kinds = ['wait', 'waitTimeout', 'waitAsync', 'lock', 'lockSync'];
  test.each(kinds)('exits with the code given, while a worker is in %s', async (kind) => {
    expect(await ends('exit', kind)).toEqual({ code: 7, signal: null, stdout: '' });
  });

  test.each(kinds)('lives on after worker.terminate() in the middle of %s', async (kind) => {
    expect(await ends('terminate', kind)).toEqual(well(1));
  });

  test.each(['waitAsync', 'lock'])('a worker exits by itself with %s pending', async (kind) => {
    expect(await ends('exitInWorker', kind)).toEqual(well(5));
  });

  test.each(['wait', 'waitAsync'])('an uncaught exception, beside %s', async (kind) => {
    expect(await ends('throws', kind)).toEqual({ code: 1, signal: null, stdout: '' });
  });

  test('an uncaught rejection of a wait', async () => {
    expect(await ends('rejects')).toEqual({ code: 1, signal: null, stdout: '' });
  });

  test.each(['blocked', 'blockedInLock'])(
    'whose main thread is %s dies of SIGTERM',
    async (scenario) => {
      await using child = start(program('wait-lifecycle'), [scenario]);
      await child.line(/there/);
      await sleeping(child.pid);
      expect(await child.kill('SIGTERM')).toMatchObject({ code: null, signal: 'SIGTERM' });
    },
  );

  test('forks in the middle of waits: the children touch the memory and end', async () => {
    const child = JSON.stringify({ code: 0, signal: null });
    const children = Array.from({ length: 20 }, () => child);
    expect(await ends('fork')).toEqual(well(...children, 'ok', 'timed-out'));
  });
});

test('workers that end with waits pending leave no region, descriptor or thread', async () => {
  const { stdout, ...ended } = await ends('loop', long ? '200' : '50');
  expect(ended).toEqual({ code: 0, signal: null });
  const [counts = '{}', ...rest] = stdout.trim().split('\n');
  const { before, after } = JSON.parse(counts) as { before: object; after: object };
  expect(after).toEqual(before);
  expect(rest).toEqual(['true', 'ok']);
}, 120_000);

test('waiter threads have a name, and end when there is nothing to do', async () => {
  const lines = long ? [true, 'ended', 'ok'] : [true];
  expect(await ends('idle', long ? 'long' : 'short')).toEqual(well(...lines));
}, 90_000);
