// The oldest system that the add-on runs on.
//
//   node scripts/attack/oldest.mjs [--short | --long] [--write]
//
// Which symbols of the C and C++ libraries the binary needs, against the versions that docs/runtimes.md
// promises; and each system call of kernel-calls.mjs taken away, by seccomp(2), from features of
// test/conformance/: what needs it is an error with a code, the rest is as usual, and nothing crashes or hangs.
// --short takes the errors of an older kernel, --long those of a filter as well, and more features.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join, relative } from 'node:path';
import { features, inParallel, runTogether } from './conformance.mjs';
import { RUNTIMES_MD, table, wanted, write } from './generated.mjs';
import { ALWAYS, CALLS, NO_CALL, toldAs, WRAPPERS } from './kernel-calls.mjs';
import { begin, root } from './report.mjs';

/** Debian 12, Ubuntu 22.04, RHEL 9, Amazon Linux 2023, Fedora 35. */
const NEWEST = { GLIBC: '2.34', GLIBCXX: '3.4.29', CXXABI: '1.3.9' };
/** As `npm run build:prebuilds` leaves them. */
const PREBUILDS = ['linux-x64/memmap.glibc.node', 'linux-arm64/memmap.glibc.node'];
const addon = join(root, 'build/Release/memmap.node');
const filter = join(root, 'out/native-test/Release/without_syscall');

const run = (command, ...args) => {
  const r = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  if (r.status !== 0) throw new Error(`${command}: ${r.stderr || r.error?.message}`);
  return r.stdout;
};
const attack = begin('oldest');

// --- Symbols -------------------------------------------------------------------------------------

/** What a binary asks other libraries for: { name, family: 'GLIBC', version: '2.34' }. */
const importsOf = (file) =>
  run('readelf', '--dyn-syms', '--wide', file)
    .split('\n')
    .filter((line) => / UND /.test(line))
    .map((line) => /UND (\S+?)(?:@(\w+?)_([\d.]+))?(?: \(\d+\))?$/.exec(line.trim()))
    .filter((match) => match !== null)
    .map(([, name, family, version]) => ({ name, family, version }));

const parts = (version) => version.split('.').map(Number);
const newer = (a, b) => {
  const [x, y] = [parts(a), parts(b)];
  for (let i = 0; i < Math.max(x.length, y.length); i++) {
    if ((x[i] ?? 0) !== (y[i] ?? 0)) return (x[i] ?? 0) > (y[i] ?? 0);
  }
  return false;
};
const needsOf = (imports) =>
  Object.keys(NEWEST).map((family) => {
    const of = imports.filter((symbol) => symbol.family === family);
    const newest = of.reduce((most, { version }) => (newer(version, most) ? version : most), '0');
    const symbols = of.filter(({ version }) => version === newest).map(({ name }) => name);
    return { family, newest, symbols };
  });
/** The one that was just built, and those that are shipped. */
const binaries = [addon, ...PREBUILDS.map((name) => join(root, 'prebuilds', name))];
const needs = new Map();
for (const file of binaries) {
  const shown = relative(root, file);
  if (!existsSync(file)) {
    attack.skip(shown, 'not built: npm run build:prebuilds');
    continue;
  }
  needs.set(file, needsOf(importsOf(file)));
  const over = needs.get(file).filter(({ family, newest }) => newer(newest, NEWEST[family]));
  const told = (over.length > 0 ? over : needs.get(file)).map(
    ({ family, newest, symbols }) => `${family}_${newest} (${symbols.slice(0, 8).join(', ')})`,
  );
  attack.claim(`${shown} needs nothing newer than promised`, over.length === 0, told.join('; '));
}
const imports = importsOf(addon);

// --- Calls: whether the list of them is whole ----------------------------------------------------

const sources = ['core', 'include'].flatMap((folder) =>
  readdirSync(join(root, 'native', folder)).map((file) =>
    readFileSync(join(root, 'native', folder, file), 'utf8'),
  ),
);
const bySyscall = sources.flatMap((text) =>
  [...text.matchAll(/SYS_(\w+)/g)].map(([, name]) => name),
);
const wrapped = imports
  .filter(({ family, name }) => family === 'GLIBC' && !name.startsWith('__'))
  .map(({ name }) => name.replace(/64$/, ''))
  .filter((name) => !NO_CALL.includes(name))
  .map((name) => WRAPPERS[name] ?? name);
const made = [...new Set([...bySyscall, ...wrapped])];
const known = new Set([...ALWAYS, ...CALLS.map(({ call }) => call)]);
const strangers = made.filter((call) => !known.has(call));
attack.claim('every system call of the add-on is known here', strangers.length === 0, strangers);
attack.figure('system calls', made.length);

// --- Calls: each taken away ----------------------------------------------------------------------

/** In one process, without the children that would each need another start. */
const SHORT =
  /^(files|pages|posix)\/|^memory\/(create|seal|a desc)|^guard\/(a file|a write|in a worker)|^sync\/(time|two|waitAsync, with a w)|^mutex\/(tasks|the worker)|^channel\/(within|with a worker$)/;
const LONG =
  /^(files|pages|posix|memory|sync|mutex|channel)\/|^guard\/(a file|a write|a signal|in a )/;

function numbers() {
  const defines = run('g++', '-E', '-dM', '-x', 'c', '-include', 'sys/syscall.h', '/dev/null');
  return new Map(
    [...defines.matchAll(/#define __NR_(\w+) (\d+)/g)].map(([, name, number]) => [name, number]),
  );
}

/** 'as usual', or how many features of which groups it takes; a single one by its name. */
function told(outcomes, error) {
  const groupOf = ({ feature }) => feature.split('/')[0];
  const refused = outcomes.filter(({ cell }) => cell !== 'passed' && cell !== 'unavailable');
  if (refused.length === 0) return 'as usual';
  const groups = [...new Set(refused.map(groupOf))].map((group) => {
    const taken = refused.filter((one) => groupOf(one) === group);
    const all = outcomes.filter((one) => groupOf(one) === group);
    if (taken.length === 1) return taken[0].feature.replace('/', ': ');
    return taken.length === all.length ? group : `${taken.length} of ${all.length} of ${group}`;
  });
  return `\`${error}\`: ${groups.join('; ')}`;
}

/** Refused with the very error that the kernel gave; or a comparison of codes found that one. */
const clear = (cell, detail, error) =>
  cell === 'passed' || cell === 'unavailable' || (cell === 'failed' && detail.includes(error));

async function takeAway() {
  const number = numbers();
  const list = features().filter((feature) => (attack.long ? LONG : SHORT).test(feature));
  const worlds = CALLS.flatMap((one) =>
    (attack.long || wanted() ? one.errors : one.errors.slice(0, 1)).map((error) => ({
      ...one,
      error,
    })),
  );
  const node = [process.execPath, '--no-warnings', '--expose-gc'];
  const usual = await runTogether(node, list);
  const before = usual.filter(({ cell }) => cell !== 'passed' && cell !== 'unavailable');
  attack.claim('with all calls every feature passes', before.length === 0, JSON.stringify(before));
  const results = await inParallel(worlds, 3, async (world) => {
    const spec = `${number.get(world.call)}${world.only ? `:${world.only}` : ''}`;
    const command = [filter, spec, String(constants.errno[world.error]), ...node];
    return { ...world, outcomes: await runTogether(command, list) };
  });
  for (const { name, error, outcomes } of results) {
    const bad = outcomes.filter(({ cell, detail }) => !clear(cell, detail, toldAs(name, error)));
    const usual = outcomes.filter(({ cell }) => cell === 'passed' || cell === 'unavailable').length;
    const detail = bad.map(({ feature, cell, detail }) => `${feature}: ${cell}: ${detail}`);
    attack.claim(
      `without ${name} (${error}): as usual, or an error with that code`,
      bad.length === 0,
      bad.length === 0 ? `${usual} of ${list.length} as usual` : detail.join('\n      '),
    );
  }
  attack.figure('features in each', list.length);
  attack.figure('worlds', results.length);
  return results;
}

let results = [];
if (!existsSync(filter)) {
  attack.skip(
    'system calls taken away',
    'without_syscall is not built: npm run build:native-tests',
  );
} else if (!['x64', 'arm64'].includes(process.arch)) {
  attack.skip('system calls taken away', `not tried on ${process.arch}`);
} else if (spawnSync(filter, ['1023', '1', 'true']).status !== 0) {
  attack.skip('system calls taken away', 'this machine permits no filter (seccomp(2))');
} else {
  results = await takeAway();
}

if (wanted()) {
  const rows = CALLS.map(({ name, since, use, errors }) => {
    const of = (error) => results.find((r) => r.name === name && r.error === error);
    const [older, filtered] = errors.map((error) => told(of(error).outcomes, toldAs(name, error)));
    const short = filtered === older.replaceAll(errors[0], errors[1]) ? 'the same' : filtered;
    return [`\`${name}\``, since, use, older, short];
  });
  const calls = table(
    ['call', 'since Linux', 'for', 'where it is missing', 'where it is forbidden'],
    rows,
  );
  if (needs.size < binaries.length) throw new Error('--write wants the prebuilds');
  const [, x64, arm64] = binaries.map((file) => needs.get(file));
  const libraries = table(
    ['library', 'linux-x64 needs', 'linux-arm64 needs', 'may need', 'because of'],
    x64.map(({ family, newest, symbols }, i) => [
      family,
      newest,
      arm64[i].newest,
      NEWEST[family],
      symbols
        .slice(0, 8)
        .map((symbol) => `\`${symbol}\``)
        .join(', '),
    ]),
  );
  write(RUNTIMES_MD, 'libraries', libraries);
  write(RUNTIMES_MD, 'calls', calls);
}
attack.end();
