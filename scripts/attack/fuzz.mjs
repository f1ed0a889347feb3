// Random calls: of everything that is public against a plain model (test/programs/model-fuzz.ts), and of every
// export of the add-on with garbage (test/programs/native-fuzz.ts). After `npm run build`.
//
//   node scripts/attack/fuzz.mjs [--short | --long] [--seed=N]
//   node scripts/attack/fuzz.mjs --model=SEED [--calls=N]      one process again, of those that a run has started
//   node scripts/attack/fuzz.mjs --garbage=SEED [--calls=N]
//
// Each process has a seed of its own, and is killed when it takes too long: a crash and a hang have a seed too.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { SharedMemory, share } from '../../lib/index.js';
import { begin, root } from './report.mjs';

const attack = begin('fuzz');
const WATCHDOG = 300_000;
const AT_ONCE = 2;
const MODEL = attack.option('calls', 20_000);
const GARBAGE = attack.option('calls', attack.long ? 50_000 : 20_000);

/** Names in /dev/shm of a process that was killed. */
function sweep(prefix) {
  for (const name of readdirSync('/dev/shm')) {
    if (!name.startsWith(prefix)) continue;
    if (name.startsWith('memmap-fuzz-')) unlinkSync(`/dev/shm/${name}`);
    else rmSync(`/dev/shm/${name}`, { recursive: true });
  }
}

function run(program, args, options) {
  const path = join(root, 'out/test/programs', `${program}.js`);
  const child = spawn(process.execPath, ['--expose-gc', '--no-warnings', path, ...args], options);
  const said = { out: '', err: '' };
  child.stdout.on('data', (text) => {
    said.out += text;
  });
  child.stderr.on('data', (text) => {
    said.err += text;
  });
  let late = false;
  const watchdog = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, WATCHDOG);
  return new Promise((resolve) => {
    child.once('close', (code, signal) => {
      clearTimeout(watchdog);
      const how = late ? `no end within ${WATCHDOG} ms` : `code ${code}, signal ${signal}`;
      const well = code === 0 && said.err === '';
      const report = well ? JSON.parse(said.out.trim().split('\n').at(-1)) : undefined;
      resolve({ report, told: `${how}\n${said.err}`, pid: child.pid });
    });
  });
}

async function model(seed) {
  // Every process finds the same bytes handed over, so that its seed says all.
  const handed = SharedMemory.create(5000);
  handed.bytes.fill('handed over');
  const stdio = ['ignore', 'pipe', 'pipe'];
  const where = seed % 10 === 9 ? ['disk'] : [];
  const args = [MODEL, seed, ...where].map(String);
  const { pid, ...result } = await run('model-fuzz', args, share({ handed }, { stdio }));
  handed.unmap();
  if (result.report === undefined) sweep(`memmap-model-${pid}-`);
  return { seed, ...result };
}

async function garbage(seed) {
  const cwd = mkdtempSync(join(tmpdir(), 'memmap-garbage-'));
  const env = { ...process.env, MEMMAP_SEED: String(seed), MEMMAP_CALLS: String(GARBAGE) };
  const stdio = ['ignore', 'pipe', 'pipe'];
  const result = await run('native-fuzz', [], { cwd, env, stdio });
  rmSync(cwd, { recursive: true });
  sweep(`memmap-fuzz-${basename(cwd)}-`);
  return { seed, ...result };
}

/** Some at once. */
async function each(seeds, one) {
  const results = [];
  const next = async () => {
    for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
      results.push(await one(seed));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
  return results;
}

function seedsFor(name, count) {
  const only = attack.option(name, undefined);
  if (only !== undefined) return [only];
  const other = attack.option(name === 'model' ? 'garbage' : 'model', undefined);
  return other !== undefined ? [] : Array.from({ length: count }, (_, i) => attack.seed + i);
}

const sum = (all, value) => all.reduce((total, one) => total + value(one), 0);

/** Prints those that failed, with their seeds. */
function failures(name, results) {
  const failed = results.filter(({ report }) => report === undefined);
  for (const { seed, told } of failed) console.log(`--${name}=${seed}: ${told}`);
  return failed.map(({ seed }) => `--${name}=${seed}`).join(' ');
}

async function attackModel() {
  const seeds = seedsFor('model', attack.long ? 50 : 5);
  if (seeds.length === 0) return;
  const started = performance.now();
  const results = await each(seeds, model);
  const reports = results.flatMap(({ report }) => report ?? []);
  const seconds = (performance.now() - started) / 1000;
  const failed = failures('model', results);
  const counts = {};
  for (const report of reports) {
    for (const [name, [succeeded, refused]] of Object.entries(report.counts)) {
      const known = counts[name] ?? [0, 0];
      counts[name] = [known[0] + succeeded, known[1] + refused];
    }
  }
  const names = Object.entries(counts);
  for (const [name, [succeeded, refused]] of names) {
    console.log(
      `    ${name.padEnd(40)} ${String(succeeded).padStart(8)} ${String(refused).padStart(8)}`,
    );
  }
  const calls = sum(reports, ({ calls: n }) => n);
  attack.figure('model: calls', calls);
  attack.figure(
    'model: of them refused',
    sum(names, ([, [, refused]]) => refused),
  );
  attack.figure('model: calls a second', Math.round(calls / seconds));
  attack.figure(
    'model: faults survived',
    sum(reports, ({ faults }) => faults),
  );
  attack.figure(
    'model: looks at all bytes',
    sum(reports, ({ looks }) => looks),
  );
  attack.figure('model: public names', names.length);
  attack.claim(
    'every call is answered as the model says, and every byte is what it says',
    !failed,
    failed,
  );
  const never = reports.reduce(
    (all, report) => all.filter((name) => report.never.includes(name)),
    reports[0]?.never ?? ['all'],
  );
  attack.claim('every public name was called', never.length === 0, never.join(', '));
  const left = reports.filter(({ left: rest }) => Object.values(rest).some((n) => n !== 0));
  attack.claim('nothing is left behind', left.length === 0, JSON.stringify(left[0]?.left ?? {}));
}

async function attackExports() {
  const seeds = seedsFor('garbage', attack.long ? 20 : 1);
  if (seeds.length === 0) return;
  const results = await each(seeds, garbage);
  const reports = results.flatMap(({ report }) => report ?? []);
  const failed = failures('garbage', results);
  const calls = sum(reports, (report) => sum(Object.values(report.calls), (n) => n));
  attack.figure('garbage: calls', calls);
  attack.figure(
    'garbage: that did not throw',
    sum(reports, ({ returned }) => sum(Object.values(returned), (n) => n)),
  );
  attack.figure(
    'garbage: faults survived',
    sum(reports, ({ faults }) => faults),
  );
  attack.figure('garbage: exports', reports[0]?.exports.length ?? 0);
  attack.claim('garbage ends no process', !failed, failed);
  const never = reports.flatMap(({ exports, calls: n }) => exports.filter((name) => !n[name]));
  attack.claim(
    'every export was called',
    reports.length > 0 && never.length === 0,
    never.join(', '),
  );
  const { regions, descriptors } = {
    regions: sum(reports, ({ left }) => left.regions),
    descriptors: sum(reports, ({ left }) => left.descriptors),
  };
  const leaving = results
    .filter(({ report }) => report && report.left.regions + report.left.descriptors > 0)
    .map(({ seed }) => `--garbage=${seed}`);
  attack.claim(
    'garbage leaves nothing behind',
    regions + descriptors === 0,
    `${regions}, ${descriptors}: ${leaving}`,
  );
}

await attackModel();
await attackExports();
attack.end();
