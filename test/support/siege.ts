// Runs test/programs/siege.ts: a process under siege, so that a hang or a death is only its own.

import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { program, run } from './program.js';
import { tempDir } from './temp.js';

export const LOCKS: string = fileURLToPath(new URL('../programs/lock_ids.py', import.meta.url));
const SEED = '1';

/** What it saw, by name, and how often. It has ended in order, and left nothing. */
export async function besieged(what: string): Promise<Record<string, number>> {
  const directory = tempDir();
  copyFileSync(LOCKS, join(directory, 'lock_ids.py'));
  const options = { node: ['--expose-gc', '--no-warnings'], watchdog: 100_000 };
  const { stdout, ...ended } = await run(program('siege'), [what, directory, SEED], options);
  expect(ended).toEqual({ code: 0, signal: null, stderr: '' });
  const { seen, left } = JSON.parse(stdout);
  expect(left).toEqual({ regions: 0, descriptors: 0 });
  return seen;
}

/** Those that were not to be seen. */
export const others = (seen: object, known: string[]): string[] =>
  Object.keys(seen).filter((name) => !known.includes(name));
