// One binary under every runtime there is here: this Node, and those of .runtimes/ (npm run fetch:runtimes --
// node22 node24 node26 bun deno). Runs every feature of test/conformance/ under each, and holds what comes
// of it against runtime-differences.mjs.
//
//   node scripts/attack/runtimes.mjs [--short | --long] [--write]
//
// --long runs the whole vitest suite under each Node as well, --write writes the tables of docs/runtimes.md.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { features, inParallel, runFeature } from './conformance.mjs';
import { RUNTIMES_MD, table, wanted, write } from './generated.mjs';
import { begin, root } from './report.mjs';
import { DIFFERENCES, expected } from './runtime-differences.mjs';

const fetched = (path) => join(root, '.runtimes', path);
const RUNTIMES = [
  { name: 'node20', command: [process.execPath, '--expose-gc'], title: 'Node' },
  ...['node22', 'node24', 'node26'].map((name) => ({
    name,
    command: [fetched(`${name}/bin/node`), '--expose-gc'],
    title: 'Node',
  })),
  { name: 'bun', command: [fetched('bun/bin/bun'), '--expose-gc'], title: 'Bun' },
  {
    name: 'deno',
    command: [fetched('deno/deno'), 'run', '-A', '--v8-flags=--expose-gc'],
    title: 'Deno',
  },
];

/** '22.23.3' of 'v22.23.3' and 'deno 2.9.6 (stable, ...)'. */
function versionOf({ command }) {
  const { stdout } = spawnSync(command[0], ['--version'], { encoding: 'utf8' });
  return /\d+\.\d+\.\d+/.exec(stdout)?.[0];
}

const attack = begin('runtimes');
const addon = join(root, 'build/Release/memmap.node');
const sum = () => createHash('sha256').update(readFileSync(addon)).digest('hex');
const binary = sum();
attack.figure('memmap.node', `sha256 ${binary}`);

const here = [];
for (const runtime of RUNTIMES) {
  if (!existsSync(runtime.command[0])) {
    attack.skip(runtime.name, `not fetched: npm run fetch:runtimes -- ${runtime.name}`);
  } else if (runtime.name === 'node20' && !process.version.startsWith('v20.')) {
    attack.skip(runtime.name, `this Node is ${process.version}`);
  } else {
    here.push({ ...runtime, version: versionOf(runtime) });
  }
}

const list = features();
// A feature at a time under all of them: a machine that is busy for a while is so for all.
const cells = new Map();
const jobs = list.flatMap((feature) => here.map((runtime) => ({ feature, runtime })));
await inParallel(jobs, 3, async ({ feature, runtime }) => {
  cells.set(`${runtime.name} ${feature}`, await runFeature(runtime, feature));
});

const count = (runtime, cell) =>
  list.filter((feature) => cells.get(`${runtime.name} ${feature}`).cell === cell).length;
for (const runtime of here) {
  for (const feature of list) {
    const { cell, detail } = cells.get(`${runtime.name} ${feature}`);
    const should = expected(runtime.name, feature);
    if (cell !== should) {
      attack.claim(`${runtime.name}: ${feature}`, false, `${cell}, not ${should}: ${detail}`);
    }
  }
  const passed = count(runtime, 'passed');
  attack.claim(
    `${runtime.title} ${runtime.version}: the features that should`,
    list.every(
      (feature) =>
        expected(runtime.name, feature) !== 'passed' ||
        cells.get(`${runtime.name} ${feature}`).cell === 'passed',
    ),
    `${passed} of ${list.length} passed, ${count(runtime, 'unavailable')} unavailable`,
  );
}
for (const { features } of DIFFERENCES) {
  for (const feature of features) {
    if (!list.includes(feature)) attack.claim(feature, false, 'there is no such feature');
  }
}
attack.figure('features', list.length);
attack.figure('cells', cells.size);
attack.claim('it was one binary', sum() === binary);

if (attack.long) {
  const script = join(root, 'scripts/test-runtimes.mjs');
  const env = { ...process.env, MEMMAP_ALL: '1' };
  const { status } = spawnSync(process.execPath, [script], { stdio: 'inherit', env });
  attack.claim('the whole suite under every Node of .runtimes/', status === 0);
}

if (wanted()) {
  if (here.length < RUNTIMES.length) throw new Error('--write wants every runtime');
  const groups = [...new Set(list.map((feature) => feature.split('/')[0]))];
  const ofGroup = (group) => list.filter((feature) => feature.startsWith(`${group}/`));
  const mark = {
    passed: 'yes',
    unavailable: 'refused',
    failed: 'no',
    crashed: 'crash',
    hung: 'hang',
  };
  const overview = table(
    ['', ...here.map(({ title, version }) => `${title} ${version}`)],
    groups.map((group) => [
      group,
      ...here.map(({ name }) => {
        const all = ofGroup(group);
        const passed = all.filter((f) => cells.get(`${name} ${f}`).cell === 'passed').length;
        return passed === all.length ? `${passed}` : `${passed} of ${all.length}`;
      }),
    ]),
  );
  const differences = table(
    ['what is otherwise', 'where', 'why'],
    DIFFERENCES.map(({ features, runtimes, cause }) => [
      features.join('<br>'),
      Object.entries(runtimes)
        .map(
          ([name, cell]) =>
            `${here.find((r) => r.name === name)?.title ?? name}${name === 'node20' ? ' 20' : ''}: ${mark[cell]}`,
        )
        .join('<br>'),
      cause,
    ]),
  );
  write(RUNTIMES_MD, 'runtimes', [overview, differences].join('\n\n'));
}
attack.end();
