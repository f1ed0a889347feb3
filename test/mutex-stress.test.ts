// One lock, four processes (one in C), ten threads: not one addition is lost, and no death of an owner.
// scripts/mutex-stress.mjs has the same in its long form.

import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { program, run } from './support/program.js';

async function stress(...args: (string | number)[]) {
  const watchdog = 240_000;
  const { code, signal, stdout, stderr } = await run(program('mutex-stress'), args.map(String), {
    watchdog,
  });
  expect({ code, signal }, stderr).toEqual({ code: 0, signal: null });
  return JSON.parse(stdout) as Record<string, number>;
}

/** Why no pid namespace can be made here; '' where it can. */
const refusal = spawnSync('unshare', ['--pid', '--fork', '--mount-proc', 'true'], {
  encoding: 'utf8',
});
const why = refusal.status === 0 ? '' : String(refusal.error ?? refusal.stderr);
const long = process.env['MEMMAP_LONG'] === '1';
const [times, deaths] = long ? [1_000_000, 60] : [5_000, 3];

describe.each(['one pid namespace', 'a pid namespace each'])('in %s', (where) => {
  const more = where === 'one pid namespace' ? [] : ['namespaces'];

  test('additions that are not atomic add up under the lock', async (context) => {
    if (more.length > 0 && why !== '') context.skip(why);
    expect(await stress('add', times, ...more)).toMatchObject({
      lives: 10,
      additions: 10 * times,
    });
  }, 250_000);

  test('owners are killed and workers terminated: each death is reported once, each addition explained', async (context) => {
    if (more.length > 0 && why !== '') context.skip(why);
    const seed = Math.floor(Math.random() * 2 ** 31);
    const { kills = 0, terminations = 0, ...rest } = await stress('kill', deaths, seed, ...more);
    expect(kills + terminations).toBe(deaths);
    expect(rest['reports']).toBeGreaterThanOrEqual(rest['holding']!);
    expect(rest['additions']).toBeGreaterThan(0);
  }, 250_000);
});
