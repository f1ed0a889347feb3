// What the scripts around a program of test/programs/ have in common: its count and its seed.
//   COUNT  or --short, or --long (default)     --seed=N  default: a new one
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

/** The count that the arguments ask for, and the seed. */
export function size({ short, long }) {
  const args = process.argv.slice(2);
  const given = args.find((a) => a.startsWith('--seed='))?.slice('--seed='.length);
  return {
    count: Number(args.find((a) => /^\d+$/.test(a)) ?? (args.includes('--short') ? short : long)),
    seed: given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given),
  };
}

/** Runs the program; ends, with 1, if that does not end well. */
export function run(name, ...args) {
  const path = join(resolve(import.meta.dirname, '..'), 'out/test/programs', `${name}.js`);
  if (!existsSync(path)) {
    console.error(`${name}: ${relative('.', path)} is missing: run \`npm run build\` first`);
    process.exit(1);
  }
  const { status, signal } = spawnSync(process.execPath, [path, ...args.map(String)], {
    stdio: 'inherit',
  });
  const ended = status === 0 ? 'well' : `FAILED (${signal ?? `code ${status}`})`;
  console.log(`${name}: ${ended}`);
  if (status !== 0) process.exit(1);
}

/** Runs the program as `NAME COUNT SEED`. */
export function runLong(name, counts) {
  const { count, seed } = size(counts);
  console.log(`${name}: ${count}, --seed=${seed}`);
  run(name, count, seed);
}
