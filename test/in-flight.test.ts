// I/O that is using a mapping when it is unmapped, collected, or moved elsewhere: the process stays sound,
// and everybody is told the truth. The programs try every order of the steps; see there.
import { expect, test } from 'vitest';
import { program, run } from './support/program.js';
import { tempDir } from './support/temp.js';

// A thousand rounds; fewer where the suite runs a second time, under the sanitizers or another runtime.
const scale = process.env['MEMMAP_RUN'] === undefined ? 1 : 0.1;

test.each([
  ['in-flight', ['read', 'unmap'], 1000],
  ['in-flight', ['read', 'collect'], 200],
  ['in-flight', ['write', 'unmap'], 1000],
  ['in-flight', ['write', 'collect'], 200],
  ['in-flight-races', ['file-read'], 300],
  ['in-flight-races', ['file-write'], 300],
  ['in-flight-races', ['socket'], 100],
  ['in-flight-races', ['onread'], 100],
  ['in-flight-races', ['pool'], 100],
  ['in-flight-races', ['unguarded'], 100],
  ['byob', ['source', 'unmap'], 300],
  ['byob', ['source', 'collect'], 100],
  ['byob', ['file', 'unmap'], 300],
  ['byob', ['file', 'collect'], 100],
  ['transfer', ['unmap'], 300],
  ['transfer', ['collect'], 100],
  ['moved', ['in-flight'], 100],
  ['moved', ['ended'], 80],
])(
  '%s %j, %i rounds',
  async (name, how, full) => {
    const rounds = Math.ceil(full * scale);
    const { code, signal, stdout, stderr } = await run(
      program(name),
      [...how, tempDir(), `${rounds}`],
      { node: ['--expose-gc', '--no-warnings'], watchdog: 200_000 },
    );
    expect({ code, signal }, stderr).toEqual({ code: 0, signal: null });
    const ended = JSON.parse(stdout.trim()) as Record<string, number>;
    console.log(`${name} ${how.join(' ')}: ${JSON.stringify(ended)}`);
    // Every round, and nothing is left of any.
    expect(ended).toMatchObject({ rounds, ...('regions' in ended ? { regions: 0 } : {}) });
  },
  200_000,
);
