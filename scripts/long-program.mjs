// What the scripts around a program of test/programs/ have in common: its count and its seed.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

/**
 * Runs the program as `NAME COUNT SEED`, and ends as it does.
 *   COUNT  or --short, or --long (default)     --seed=N  default: a new one
 */
export function runLong(name, { short, long }) {
  const args = process.argv.slice(2);
  const count = Number(
    args.find((a) => /^\d+$/.test(a)) ?? (args.includes('--short') ? short : long),
  );
  const given = args.find((a) => a.startsWith('--seed='))?.slice('--seed='.length);
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
  const path = join(resolve(import.meta.dirname, '..'), 'out/test/programs', `${name}.js`);
  if (!existsSync(path)) {
    console.error(`${name}: ${relative('.', path)} is missing: run \`npm run build\` first`);
    process.exit(1);
  }
  console.log(`${name}: ${count}, --seed=${seed}`);
  const { status, signal } = spawnSync(process.execPath, [path, count, seed].map(String), {
    stdio: 'inherit',
  });
  const ended = status === 0 ? 'well' : `FAILED (${signal ?? `code ${status}`})`;
  console.log(`${name}: ${ended}`);
  process.exit(status === 0 ? 0 : 1);
}
