// Every attack, one after the other, in the form that the arguments ask for; ends with the ones that failed.
//   node scripts/attack/all.mjs [--short | --long]
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const ATTACKS = [
  'power-cuts',
  'failing-disks',
  'fuzz',
  'threads',
  'leaks',
  'lifecycle',
  'soak',
  'runtimes',
  'arm64',
  'oldest',
];

const failed = [];
for (const name of ATTACKS) {
  console.log();
  const script = join(import.meta.dirname, `${name}.mjs`);
  const { status } = spawnSync(process.execPath, [script, ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  if (status !== 0) failed.push(name);
}
console.log(failed.length === 0 ? '\nall hold' : `\nFAILED: ${failed.join(', ')}`);
process.exit(failed.length === 0 ? 0 : 1);
