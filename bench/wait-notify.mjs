// Round trips between two Node processes: wait() and notify(), beside the same in C with raw futex(2), and
// what programs do without them, process.send(). Needs npm run build.
//
//   node bench/wait-notify.mjs [--rounds N] [--trips N] [--json FILE]
//
// Each round runs all of them, one after the other, so that a change of the machine's pace meets all. Where
// the two processes run matters more than what they are: so also on one processor, and on one each.
import { execFile, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { inherited, SharedMemory, share } from '../lib/index.js';
import { notify, wait, waitAsync } from '../lib/sync.js';

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

const inC = async (trips, place) => Number((await run(IN_C, [trips, ...place].map(String))).stdout);
const inNode = (trips, place) => pair('ping', 'pong', trips, place);
const inAsync = (trips, place) => pair('pingAsync', 'pongAsync', trips, place);
const bySend = async (trips) =>
  Number((await run(process.execPath, [SELF, 'pingSend', `${trips}`])).stdout);

const sorted = (all) => [...all].sort((a, b) => a - b);
const median = (all) => sorted(all)[Math.floor(all.length / 2)];

async function main() {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '9' },
      trips: { type: 'string', default: '50000' },
      json: { type: 'string' },
    },
  });
  const rounds = Number(values.rounds);
  const many = Number(values.trips);
  if (!existsSync(IN_C)) throw new Error(`${IN_C} is missing: npm run build`);
  const places = { free: [], 'one processor': [0, 0] };
  if (cpus().length > 1) places['two processors'] = [0, 1];
  const cases = [];
  const few = Math.ceil(many / 5); // of what takes long
  for (const [place, at] of Object.entries(places)) {
    const trips = place === 'two processors' ? few : many;
    cases.push(
      { name: `futex(2) in C, ${place}`, call: () => inC(trips, at) },
      {
        name: `wait and notify, ${place}`,
        call: () => inNode(trips, at),
        than: `futex(2) in C, ${place}`,
      },
    );
  }
  cases.push(
    { name: 'waitAsync and notify, free', call: () => inAsync(few, []) },
    { name: 'process.send(), free', call: () => bySend(few) },
  );
  const machine = {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    kernel: release(),
    node: process.version,
  };
  console.log(
    `${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}, Node ${machine.node}`,
  );
  console.log(
    `${rounds} rounds of ${many} round trips (a fifth for the last four), in microseconds`,
  );
  for (const one of cases) one.times = [];
  for (let round = 0; round < rounds; round++) {
    for (const one of cases) one.times.push((await one.call()) / 1000);
  }
  const report = { ...machine, rounds, trips: many, microseconds: {}, ratio: {} };
  for (const { name, times, than } of cases) {
    const all = sorted(times);
    const numbers = { median: median(all), least: all[0], most: all.at(-1) };
    report.microseconds[name] = numbers;
    const beside = cases.find((other) => other.name === than)?.times;
    // Of each round, and their median: neighbours in time have met the same machine.
    if (beside) report.ratio[name] = median(times.map((time, i) => time / beside[i]));
    const ratio = beside ? `   ratio ${report.ratio[name].toFixed(2)}` : '';
    const [mid, low, high] = Object.values(numbers).map((n) => n.toFixed(2).padStart(8));
    console.log(`${name.padEnd(36)}${mid}   (${low} to${high})${ratio}`);
  }
  const json = JSON.stringify(report, null, 2);
  console.log(json);
  if (values.json) writeFileSync(values.json, `${json}\n`);
}

const roles = { ping, pong, pingAsync, pongAsync };
if (Object.hasOwn(roles, role))
  await roles[role](inherited('cells').view(Int32Array), Number(parts[0]));
else if (role === 'pingSend') await pingSend(Number(parts[0]));
else if (role === 'pongSend') process.on('message', (message) => process.send(message));
else await main();
