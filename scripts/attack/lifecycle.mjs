// Processes and workers that end in the midst of every call of the package that takes time, in every way, at
// random moments: how they end, what they leave, and whether the guard still works.
//
//   node scripts/attack/lifecycle.mjs [--short | --long] [--seed=N]        after `npm run build`
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { begin, root } from './report.mjs';

const { program, run, start } = await import(join(root, 'out/test/support/program.js'));
const { random } = await import(join(root, 'out/test/support/orders.js'));

const attack = begin('lifecycle');
const chance = random(attack.seed);
const nextSeed = () => Math.floor(chance() * 2 ** 31);
const directory = mkdtempSync(join(tmpdir(), 'memmap-lifecycle-'));
const node = ['--expose-gc', '--no-warnings'];
/** Far longer than any of them takes: only a hang is that long. */
const WATCHDOG = 90_000;
/** V8 and the C library map for themselves; a leak of ours would be an area for each worker. */
const NOISE = 40;
/** What one process may keep of threads that wait, for ten seconds: native/core/waiters.h. */
const MAX_WAITERS = 72;
const options = { node, cwd: directory, watchdog: WATCHDOG };
let paths = 0;
const newPath = () => join(directory, `file-${paths++}`);

/** The calls of the public API that give a promise, or block, as its declarations have them. */
function declared() {
  const found = new Set();
  const files = ['map', 'mapping', 'shared-memory', 'share', 'sync', 'mutex', 'channel', 'channel-types', 'posix']; // biome-ignore format: one line
  for (const file of files) {
    const text = readFileSync(join(root, `lib/${file}.d.ts`), 'utf8').replace(
      /\/\*[\s\S]*?\*\//g,
      '',
    );
    let owner = file;
    let name = '';
    for (const line of text.split('\n')) {
      owner = /^export (?:declare )?(?:class|interface) (\w+)/.exec(line)?.[1] ?? owner;
      if (/^export (declare )?(class|interface) .*AsyncIterable/.test(line)) {
        found.add(`${owner}.[Symbol.asyncIterator]`);
      }
      name = /^(?: {4}(?:static )?|export declare function )([\w.[\]]+)\(/.exec(line)?.[1] ?? name;
      const result = /^(?: {4}|}|export).*\): (.*);$/.exec(line)?.[1] ?? '';
      if (result.startsWith('Promise<') || /Sync$|^wait$/.test(name)) found.add(`${owner}.${name}`);
    }
  }
  return found;
}

/** A claim whose detail is of use when it does not hold. */
const claim = (title, holds, detail) => attack.claim(title, Boolean(holds), holds ? '' : detail);

/** The calls, several at a time: each waits most of the time. */
async function all(tasks) {
  const rest = [...tasks];
  await Promise.all(
    Array.from({ length: 3 }, async () => {
      for (let task = rest.shift(); task !== undefined; task = rest.shift()) await task();
    }),
  );
}

const names = JSON.parse((await run(program('lifecycle'), ['names'], options)).stdout);
const calls = [...names.pending, ...names.blocking];
const missing = [...declared()].filter((name) => !calls.some((call) => call.startsWith(name)));
claim('every call that takes time is among them', missing.length === 0, missing.join());
attack.figure('calls', `${calls.length}, of ${declared().size} that are declared`);

// --- processes -----------------------------------------------------------------------------------------

const ENDS = {
  over: [0, null],
  exit: [7, null],
  abort: [null, 'SIGABRT'],
  throw: [1, null],
  reject: [1, null],
  SIGTERM: [null, 'SIGTERM'],
  SIGKILL: [null, 'SIGKILL'],
};
const ended = Object.fromEntries(Object.keys(ENDS).map((how) => [how, { count: 0, wrong: [] }]));

async function process_(where, call, how) {
  // 'alone': the main thread has not got the add-on, and three workers are in the midst of all calls.
  const alone = where === 'alone';
  const what = alone ? ['end', how] : ['end', where, call, how];
  const args = [...what, newPath(), nextSeed()].map(String);
  const child = start(program(alone ? 'lifecycle-crowd' : 'lifecycle'), args, options);
  try {
    await child.line(/there/);
    // Of a thread that is blocked nobody else can do it.
    if (how.startsWith('SIG')) child.child.kill(how);
    const { code, signal, stdout, stderr } = await child.ended;
    const said = how === 'over' ? 'there\nover\n' : 'there\n';
    const noise = { throw: 'on purpose', reject: 'on purpose', abort: '' }[how];
    const silent = noise === undefined ? stderr === '' : stderr.includes(noise);
    const [wantedCode, wantedSignal] = ENDS[how];
    ended[how].count++;
    if (code !== wantedCode || signal !== wantedSignal || stdout !== said || !silent) {
      ended[how].wrong.push(`${args.join(' ')}: ${code} ${signal} ${stdout} ${stderr}`);
    }
  } catch (error) {
    ended[how].wrong.push(`${args.join(' ')}: ${error}`);
  }
}

const cases = [];
for (let round = 0; round < (attack.long ? 3 : 1); round++) {
  for (const how of Object.keys(ENDS)) {
    // The main thread has the lock that it would wait for: EDEADLK at once.
    const blocks = calls.filter((call) => call !== 'Mutex.lockSync');
    const inMain = how.startsWith('SIG') ? blocks : names.pending;
    cases.push(...Array(attack.long ? 3 : 1).fill(['alone', 'all', how]));
    // In the short form a part of them, another one each time.
    cases.push(...inMain.filter(() => attack.long || chance() < 0.25).map((call) => ['main', call, how])); // biome-ignore format: one line
    cases.push(...calls.filter(() => attack.long || chance() < 0.1).map((call) => ['worker', call, how])); // biome-ignore format: one line
  }
}
await all(cases.map((one) => () => process_(...one)));
for (const [how, { count, wrong }] of Object.entries(ended)) {
  claim(`processes end by ${how}, and say no more`, count > 0 && wrong.length === 0, `${wrong.length} of ${count} not\n${wrong.join('\n')}`); // biome-ignore format: one line
}
attack.figure('processes', cases.length);

// --- workers -------------------------------------------------------------------------------------------

const same = (a, b, keys) => keys.every((key) => a[key] === b[key]);
const HELD = ['mappedBytes', 'descriptors', 'open'];
// Of a buffer that was collected in the very moment in which its worker ended nobody knows whether its memory has
// moved: then its addresses stay, and nothing else (native/binding/exposure.cc).
let ranges = 0;
function fewRanges(after, workers) {
  ranges += after.regions;
  return after.regions <= 1 + workers / 10;
}
const survived = (result) => JSON.stringify(result) === '[0,["truncated"]]';
/** What a program printed, if it ended well; else why not. */
async function report(name, args) {
  try {
    const { code, signal, stdout, stderr } = await run(program(name), args.map(String), options);
    if (code === 0 && stderr === '') return JSON.parse(stdout);
    return { failed: `${args.join(' ')}: ${code} ${signal} ${stdout} ${stderr}` };
  } catch (error) {
    return { failed: `${args.join(' ')}: ${error}` };
  }
}

const rounds = attack.long ? 50 : 2;
let workers = 0;
async function workersIn(call, count) {
  const result = await report('lifecycle', ['workers', call, count, newPath(), nextSeed()]);
  workers += count + 4;
  const { before, after, moreAreas, wrong, waiters } = result;
  const holds = before && wrong.length === 0 && same(before, after, HELD) && moreAreas < NOISE && waiters <= MAX_WAITERS; // biome-ignore format: one line
  return { result, holds, few: holds && fewRanges(after, count) };
}
await all(
  calls.map((call) => async () => {
    let one = await workersIn(call, rounds);
    // One worker may have had several buffers: of two workers that is no rate. A leak would be one for each of more.
    if (one.holds && !one.few) one = await workersIn(call, 10 * rounds);
    claim(`workers end in the midst of ${call}: as they should, and nothing is left`, one.few, JSON.stringify(one.result)); // biome-ignore format: one line
    claim(`... and the guard works (${call})`, survived(one.result.survived), one.result.failed);
  }),
);
attack.figure('workers', workers);

// --- workers only --------------------------------------------------------------------------------------

const crowds = attack.long ? 15 : 1;
const crowd = await report('lifecycle-crowd', [20, crowds, newPath(), nextSeed()]);
const { before, after, wrong } = crowd;
claim('twenty workers load the add-on at once, and end in the midst of everything', wrong?.length === 0, crowd.failed ?? wrong?.join()); // biome-ignore format: one line
claim('... again and again, and nothing is left', before && same(before, after, HELD) && fewRanges(after, 20 * crowds) && after.areas - before.areas < NOISE && after.waiters <= MAX_WAITERS, JSON.stringify({ before, after })); // biome-ignore format: one line
claim('memory of workers that have gone can be touched by a thread without the add-on', crowd.orphans > 0, crowd.failed); // biome-ignore format: one line
claim('a fault in the main thread is survived after all have gone', survived(crowd.survived), crowd.failed); // biome-ignore format: one line
attack.figure('address ranges that stay', ranges);
attack.figure('workers at once, in crowds', `20, ${crowds + 1}`);

rmSync(directory, { recursive: true, force: true });
attack.end();
