// Every attack in the form that the arguments ask for, two at a time; ends with the ones that failed.
//   node scripts/attack/all.mjs [--short | --long]
import { spawn } from 'node:child_process';
import { join } from 'node:path';

// The longest first, so that the last ones end together.
const ATTACKS = [
  'arm64',
  'leaks',
  'musl',
  'runtimes',
  'lifecycle',
  'threads',
  'oldest',
  'fuzz',
  'soak',
  'failing-disks',
  'power-cuts',
];

const failed = [];
async function run(name) {
  const script = join(import.meta.dirname, `${name}.mjs`);
  const child = spawn(process.execPath, [script, ...process.argv.slice(2)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => output.push(chunk));
  }
  const code = await new Promise((resolve) => child.once('close', resolve));
  process.stdout.write(`\n${Buffer.concat(output)}`);
  if (code !== 0) failed.push(name);
}

const waiting = [...ATTACKS];
async function runNext() {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await run(name);
}
await Promise.all([runNext(), runNext()]);
console.log(failed.length === 0 ? '\nall hold' : `\nFAILED: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
