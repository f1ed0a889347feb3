// Round trips between two Node processes: wait() and notify(), beside the same in C with raw futex(2), and
// what programs do without them, process.send(). Where the two processes run matters more than what they are: so
// also on one processor, and on one each.
import { execFile, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { inherited, SharedMemory, share } from '../../lib/index.js';
import { notify, wait, waitAsync } from '../../lib/sync.js';
import { figure, finish, times } from '../harness.mjs';
import { programInC } from '../in-c.mjs';

const SELF = fileURLToPath(import.meta.url);
const IN_C = programInC('futex_ping');
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
  const many = times(20_000, 50);
  const few = times(4000, 50); // of what takes long
  const places = { free: [], 'one processor': [0, 0] };
  if (cpus().length > 1) places['two processors'] = [0, 1];
  const micro = (call) => async () => (await call()) / 1000;
  for (const [place, at] of Object.entries(places)) {
    const trips = place === 'two processors' ? few : many;
    const inC = 'C: futex(2)';
    const ours = 'wait and notify';
    const cases = [
      { name: inC, call: micro(() => pairInC(trips, at)) },
      { name: ours, call: micro(() => inNode(trips, at)), than: inC },
    ];
    if (place === 'free') {
      cases.push(
        { name: 'waitAsync and notify', call: micro(() => inAsync(few, [])), than: inC },
        { name: 'process.send', call: micro(() => bySend(few)), than: ours },
      );
    }
    const title = `Round trip between two processes, ${place}`;
    await figure(`round trip, ${place}`, { title, unit: 'us' }, cases);
  }
  finish();
}

const roles = { ping, pong, pingAsync, pongAsync };
if (Object.hasOwn(roles, role))
  await roles[role](inherited('cells').view(Int32Array), Number(parts[0]));
else if (role === 'pingSend') await pingSend(Number(parts[0]));
else if (role === 'pongSend') process.on('message', (message) => process.send(message));
else await main();
