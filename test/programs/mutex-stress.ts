// Members of four processes, one of them in C, fight for one lock in shared memory. Prints what came of it
// as JSON; exit code 1, and no JSON, if anything went wrong.
//
//   mutex-stress add TIMES [namespaces]            each adds TIMES
//   mutex-stress kill KILLS SEED [namespaces]      they add until so many deaths have been seen
//
// With `namespaces` each process is the first of a pid namespace of its own, with a /proc of its own for
// every other: process ids mean nothing to the others.
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SharedMemory, share } from 'memmap';
import { Mutex, notify } from 'memmap/sync';
import {
  BREACHES,
  CELL,
  LEDGER_BYTES,
  LIFE,
  lifeAt,
  MAX_LIVES,
  repair,
  tally,
} from '../support/ledger.js';
import { random } from '../support/orders.js';
import { until } from '../support/until.js';

const [how = '', first = '', ...rest] = process.argv.slice(2);
const namespaces = rest.includes('namespaces');
const times = how === 'add' ? Number(first) : 0;
const seed = Number(rest[0]) || 0;
const chance = random(seed);
const below = (count: number): number => Math.floor(chance() * count);
/** Long: the watchdog of a stress that hangs. */
const PATIENCE = 120_000;

const MEMBER = fileURLToPath(new URL('mutex-member.js', import.meta.url));
const PEER = fileURLToPath(new URL('../../native-test/Release/sync_peer', import.meta.url));
const memory = SharedMemory.create(LEDGER_BYTES, { name: 'mutex-stress' });
const cells = memory.view(Int32Array);

let lives = 0;
function newLife(): number {
  if (lives === MAX_LIVES) throw new Error('more lives than the ledger has room for');
  lives++;
  cells[lifeAt(lives) + LIFE.KEPT] = 1;
  return lives;
}

interface Process {
  child: ChildProcess;
  kind: 'node' | 'c';
  lives: number[];
  exited: Promise<unknown>;
}
const processes: Process[] = [];
process.on('exit', () => {
  for (const one of processes) one?.child.kill('SIGKILL'); // the last to be killed has left a hole
});

function spawnMember(command: string, args: string[], stdio: StdioOptions): ChildProcess {
  const options = share({ ledger: memory }, { stdio });
  if (!namespaces) return spawn(command, args, options);
  const flags = ['--pid', '--fork', '--kill-child'];
  if (processes.length % 2 === 1) flags.push('--mount-proc');
  return spawn('unshare', [...flags, '--', command, ...args], options);
}

async function begin(kind: 'node' | 'c', at = processes.length): Promise<void> {
  const mine = kind === 'c' ? [newLife()] : [newLife(), newLife(), newLife()];
  const args = [times, ...mine].map(String);
  const child =
    kind === 'c'
      ? spawnMember(PEER, ['add', '3', ...args.reverse()], ['ignore', 'pipe', 'inherit'])
      : spawnMember(process.execPath, [MEMBER, ...args], ['ignore', 'inherit', 'inherit', 'ipc']);
  const exited = once(child, 'exit');
  exited.then(([code, signal]) => {
    const expected = code === 0 || processes[at]?.child !== child;
    if (!expected) fail(`a member in ${kind} ended with code ${code}, signal ${signal}`);
  });
  processes[at] = { child, kind, lives: mine, exited };
  if (kind === 'c') await once(child.stdout!, 'data');
  else await once(child, 'message');
}

function fail(why: string): never {
  console.error(`${why} (seed ${seed})`);
  process.exit(1);
}

function checkBreach(): void {
  const breach = Atomics.load(cells, CELL.BREACH);
  if (breach !== 0) fail(BREACHES[breach] ?? `breach ${breach}`);
}

// --- deaths ---------------------------------------------------------------------------------------

/** The process that really locks: with a namespace, the child of unshare(1). */
function pidOf({ child }: Process): number {
  const pid = child.pid!;
  if (!namespaces) return pid;
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')[0]);
}

/** Waits until this life is in the middle of an addition, and stays there with the lock. */
async function catchHolding(life: number): Promise<void> {
  const where = 2 * life + below(2);
  Atomics.store(cells, CELL.STAY, where);
  const caught = () => Atomics.load(cells, CELL.STAY) === -where;
  await until(`life ${life} caught with the lock`, caught, PATIENCE);
}

async function killProcess(at: number): Promise<() => Promise<void>> {
  const victim = processes[at]!;
  const pid = pidOf(victim);
  delete processes[at]; // its death is no failure
  process.kill(pid, 'SIGKILL');
  await victim.exited;
  return () => begin(victim.kind, at);
}

async function terminateWorker(at: number, index: number): Promise<() => Promise<void>> {
  const { child, lives: mine } = processes[at]!;
  const tell = async (command: object) => {
    child.send(command);
    await once(child, 'message');
  };
  await tell({ end: index });
  return () => {
    const life = newLife();
    mine[index + 1] = life;
    return tell({ begin: index, life });
  };
}

const counts = { kills: 0, terminations: 0, holding: 0, reports: 0, unmarked: 0 };

/** One death, and the proof that it was reported to the next owner once, or that there was nothing to report. */
async function oneDeath(last: boolean): Promise<void> {
  await pause(chance() * 30);
  const before = Atomics.load(cells, CELL.REPORTS);
  const at = below(4);
  const ofWorker = processes[at]!.kind === 'node' && below(2) === 0;
  const index = below(2);
  const holding = below(2) === 0;
  const mine = processes[at]!.lives;
  if (holding) await catchHolding(ofWorker ? mine[index + 1]! : mine[below(mine.length)]!);
  const replace = await (ofWorker ? terminateWorker(at, index) : killProcess(at));
  // Of the second turn that is taken from now on, the lock was asked for after the death.
  const turns = Atomics.load(cells, CELL.TURNS);
  await until('turns after a death', () => Atomics.load(cells, CELL.TURNS) - turns > 1, PATIENCE);
  const reported = Atomics.load(cells, CELL.REPORTS) - before;
  if (reported > 1) fail(`one death was reported ${reported} times`);
  if (holding && reported !== 1) fail('the death of an owner was not reported');
  checkBreach();
  counts[ofWorker ? 'terminations' : 'kills']++;
  counts.holding += Number(holding);
  if (!last) await replace();
}

// --- all of it ------------------------------------------------------------------------------------

for (const kind of ['node', 'c', 'node', 'node'] as const) await begin(kind);
const start = performance.now();
Atomics.store(cells, CELL.GO, 1);
notify(cells, CELL.GO);
const deaths = how === 'kill' ? Number(first) : 0;
for (let i = 0; i < deaths; i++) await oneDeath(i === deaths - 1);
const seconds = (performance.now() - start) / 1000;
if (how === 'kill') Atomics.store(cells, CELL.STOP, 1);

let turns = -1;
const timer = setInterval(() => {
  checkBreach();
  const now = Atomics.load(cells, CELL.TURNS);
  if (now === turns) fail(`hangs after ${turns} turns`);
  turns = now;
}, 60_000);
await Promise.all(processes.map(({ exited }) => exited));
clearInterval(timer);
const end = (performance.now() - start) / 1000;

const held = new Mutex(memory, 0).lockSync();
if (held.ownerDied) repair(cells); // nobody was left to be told
held.unlock();
checkBreach();
const { sum, half } = tally(cells);
const counter = cells[CELL.COUNTER]!;
if (half.length > 0 || sum !== counter) fail(`the lives have made ${sum} additions of ${counter}`);
if (how === 'add' && counter !== times * lives) fail(`${counter} instead of ${times * lives}`);
counts.reports = cells[CELL.REPORTS]!;
let marked = 0;
for (let life = 1; life <= lives; life++) {
  const reports = cells[lifeAt(life) + LIFE.REPORTED]!;
  if (reports > 1) fail(`the death of life ${life} was reported ${reports} times`);
  marked += reports;
}
// Of those that died after they had locked, or before they unlocked, and outside of their turn.
counts.unmarked = counts.reports - marked;
if (counts.reports > deaths) fail(`${counts.reports} reports of ${deaths} deaths`);
const ran = how === 'kill' ? seconds : end;
console.log(
  JSON.stringify({
    how,
    namespaces,
    ...(how === 'kill' ? { seed, ...counts } : {}),
    lives,
    additions: counter,
    seconds: Number(ran.toFixed(2)),
    perSecond: Math.round(counter / ran),
  }),
);
process.exit(0);
