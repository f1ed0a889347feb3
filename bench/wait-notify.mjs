// Round trips between two Node processes: wait() and notify(), beside the same in C with raw futex(2), and
// what programs do without them, process.send(). Needs npm run build.
//
//   node bench/wait-notify.mjs [--rounds N] [--trips N] [--json FILE]
//
// Each round runs all of them, one after the other, so that a change of the machine's pace meets all. Where
// the two processes run matters more than what they are: so also on one processor, and on one each.
import { execFile, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { inherited, SharedMemory, share } from '../lib/index.js';
import { notify, wait, waitAsync } from '../lib/sync.js';
import { inRounds, print, save } from './rounds.mjs';

const SELF = fileURLToPath(import.meta.url);
const IN_C = fileURLToPath(new URL('../out/native-test/Release/futex_ping', import.meta.url));
const [role, ...parts] = process.argv.slice(2);

// --- one process of a pair --------------------------------------------------------------------------

function say(cells, mine, value) {
  Atomics.store(cells, mine, value);
  notify(cells, mine, 1);
}

function hear(cells, theirs, value) {
  for (let seen = Atomics.load(cells, theirs); seen !== value; seen = Atomics.load(cells, theirs)) {
    wait(cells, theirs, seen);
  }
}

async function hearAsync(cells, theirs, value) {
  for (let seen = Atomics.load(cells, theirs); seen !== value; seen = Atomics.load(cells, theirs)) {
    await waitAsync(cells, theirs, seen);
  }
}

/** Trips that do not count: the code is compiled meanwhile. */
const warmUp = (trips) => Math.max(5000, Math.ceil(trips / 10));

const show = (begin, trips) => console.log(((performance.now() - begin) * 1e6) / trips);

function ping(cells, trips) {
  const first = warmUp(trips);
  let begin = 0;
  for (let i = 1; i <= first + trips; i++) {
    if (i === first + 1) begin = performance.now();
    say(cells, 0, i);
    hear(cells, 1, i);
  }
  show(begin, trips);
}

function pong(cells, trips) {
  const last = warmUp(trips) + trips;
  for (let i = 1; i <= last; i++) {
    hear(cells, 0, i);
    say(cells, 1, i);
  }
}

async function pingAsync(cells, trips) {
  const first = warmUp(trips);
  let begin = 0;
  for (let i = 1; i <= first + trips; i++) {
    if (i === first + 1) begin = performance.now();
    say(cells, 0, i);
    await hearAsync(cells, 1, i);
  }
  show(begin, trips);
}

async function pongAsync(cells, trips) {
  const last = warmUp(trips) + trips;
  for (let i = 1; i <= last; i++) {
    await hearAsync(cells, 0, i);
    say(cells, 1, i);
  }
}

async function pingSend(trips) {
  const child = fork(SELF, ['pongSend']);
  const first = warmUp(trips);
  let begin = 0;
  for (let i = 1; i <= first + trips; i++) {
    if (i === first + 1) begin = performance.now();
    child.send(i);
    await once(child, 'message');
  }
  show(begin, trips);
  child.disconnect();
}

// --- the rounds -------------------------------------------------------------------------------------

const run = promisify(execFile);
const onCpu = (cpu, command) =>
  cpu === undefined ? command : ['taskset', '-c', `${cpu}`, ...command];

async function pair(a, b, trips, [one, other]) {
  const memory = SharedMemory.create(4096);
  const start = (name, cpu) => {
    const [command, ...args] = onCpu(cpu, [process.execPath, SELF, name, `${trips}`]);
    return spawn(command, args, share({ cells: memory }, { stdio: ['ignore', 'pipe', 'inherit'] }));
  };
  const answering = start(b, other);
  const asking = start(a, one);
  let text = '';
  asking.stdout.on('data', (data) => {
    text += data;
  });
  await Promise.all([once(asking, 'close'), once(answering, 'close')]);
  memory.unmap();
  return Number(text);
}

const pairInC = async (trips, place) =>
  Number((await run(IN_C, [trips, ...place].map(String))).stdout);
const inNode = (trips, place) => pair('ping', 'pong', trips, place);
const inAsync = (trips, place) => pair('pingAsync', 'pongAsync', trips, place);
const bySend = async (trips) =>
  Number((await run(process.execPath, [SELF, 'pingSend', `${trips}`])).stdout);

async function main() {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '9' },
      trips: { type: 'string', default: '50000' },
      json: { type: 'string' },
    },
  });
  const many = Number(values.trips);
  if (!existsSync(IN_C)) throw new Error(`${IN_C} is missing: npm run build`);
  const places = { free: [], 'one processor': [0, 0] };
  if (cpus().length > 1) places['two processors'] = [0, 1];
  const micro = (call) => async () => (await call()) / 1000;
  const cases = [];
  const few = Math.ceil(many / 5); // of what takes long
  for (const [place, at] of Object.entries(places)) {
    const trips = place === 'two processors' ? few : many;
    const inC = `futex(2) in C, ${place}`;
    cases.push(
      { name: inC, call: micro(() => pairInC(trips, at)) },
      { name: `wait and notify, ${place}`, call: micro(() => inNode(trips, at)), than: inC },
    );
  }
  cases.push(
    { name: 'waitAsync and notify, free', call: micro(() => inAsync(few, [])) },
    { name: 'process.send(), free', call: micro(() => bySend(few)) },
  );
  const results = await inRounds(Number(values.rounds), cases);
  print(`Round trips between two processes, ${many} in a row`, 'microseconds', results);
  save(values.json, { 'round trips, microseconds': results });
}

const roles = { ping, pong, pingAsync, pongAsync };
if (Object.hasOwn(roles, role))
  await roles[role](inherited('cells').view(Int32Array), Number(parts[0]));
else if (role === 'pingSend') await pingSend(Number(parts[0]));
else if (role === 'pongSend') process.on('message', (message) => process.send(message));
else await main();
