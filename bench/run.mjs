// All benchmarks, one group after the other, each in a process of its own: `npm run bench`. Writes the results, and
// from them the plots and the tables of docs/performance.md.
//   --only=a,b            these groups; the others' results stay
//   --rounds=N --scale=X  fewer rounds, smaller counts: to see that everything runs. Nothing is shown then.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine } from './harness.mjs';
import { read, resultsFile, shown, tried } from './results.mjs';
import { show } from './show.mjs';

const { values } = parseArgs({
  options: { only: { type: 'string' }, rounds: { type: 'string' }, scale: { type: 'string' } },
});
const root = fileURLToPath(new URL('..', import.meta.url));
const groups = readdirSync(new URL('groups/', import.meta.url)).map((file) =>
  file.replace('.mjs', ''),
);
const wanted = values.only?.split(',') ?? groups;
for (const group of wanted) {
  if (!groups.includes(group)) throw new Error(`no group ${group}: ${groups.join(', ')}`);
}

const versionOf = (name) => {
  const require = createRequire(import.meta.url);
  const folder = require.resolve
    .paths(name)
    .map((path) => join(path, name))
    .find(existsSync);
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version;
};
const peers = ['@riaskov/mmap-io', 'better-sqlite3', 'lmdb'];
const { runtime, ...hardware } = machine();
const head = {
  ...hardware,
  versions: [runtime, ...peers.map((name) => `${name} ${versionOf(name)}`)],
};
console.log(`${head.cpu}, ${head.cores} cores, Linux ${head.kernel}\n${head.versions.join(', ')}`);

function run(command, args) {
  const { status, signal } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${signal ?? status}`);
}

// Two processes of which only one has something to do, on one processor: another may run at another pace.
const TAKING_TURNS = ['calls', 'memory'];

const temp = mkdtempSync(join(tmpdir(), 'memmap-bench-'));
const smaller = ['rounds', 'scale'].filter((name) => values[name] !== undefined);
const measured = {};
try {
  for (const group of wanted) {
    const json = join(temp, `${group}.json`);
    const script = join(root, 'bench/groups', `${group}.mjs`);
    const options = [`--json=${json}`, ...smaller.map((name) => `--${name}=${values[name]}`)];
    console.log(`\n==== ${group}`);
    if (group === 'bun') run(process.execPath, ['scripts/fetch-runtimes.mjs', 'bun']);
    const command =
      group === 'bun'
        ? [join(root, '.runtimes/bun/bin/bun'), script, ...options]
        : // Faults that are survived on purpose are told of in warnings.
          [process.execPath, '--expose-gc', '--no-warnings', script, ...options];
    if (TAKING_TURNS.includes(group))
      command.unshift('taskset', '-c', `${availableParallelism() - 1}`);
    run(command[0], command.slice(1));
    const { machine: there, figures } = JSON.parse(readFileSync(json, 'utf8'));
    measured[group] = {
      runtime: there.runtime,
      measured: new Date().toISOString().slice(0, 10),
      figures,
    };
  }
} finally {
  rmSync(temp, { recursive: true });
}

// Smaller ones are only tried: all the way to the plots, but nothing that is shown changes.
const folder = smaller.length > 0 ? tried : shown;
mkdirSync(folder, { recursive: true });
const before = existsSync(resultsFile(folder)) ? read(folder).groups : {};
const results = { machine: head, groups: { ...before, ...measured } };
writeFileSync(resultsFile(folder), `${JSON.stringify(results, null, 1)}\n`);
await show(folder);
console.log(
  folder === shown
    ? '\nnpm run bench:check says which of the promised ratios hold.'
    : '\nOnly tried: nothing that is shown has changed.',
);
