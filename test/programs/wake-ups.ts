// Wakes and waits across processes, of which none may be lost. Prints what was done, as JSON, a line for
// each part; exit code 1 if somebody was not woken, which the watchdog finds out: there are no timeouts.
//
//   wake-ups SCALE SEED       SCALE 1: some seconds; 100: ten million waits
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { SharedMemory, share } from 'memmap';

const [scale = 1, seed = 1] = process.argv.slice(2).map(Number);
/** For one part of it. */
const WATCHDOG_MS = 15_000 + scale * 3_000;

const MEMBER = fileURLToPath(new URL('wake-up-member.js', import.meta.url));
const WAKER = fileURLToPath(new URL('wake-up-waker.js', import.meta.url));
const PEER = fileURLToPath(new URL('../../native-test/Release/sync_peer', import.meta.url));

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

function fail(why: string): never {
  console.error(`${why} (seed ${seed})`);
  process.exit(1);
}

type Who = 'node' | 'c' | 'waker';
type Party = [who: Who, ...args: (string | number)[]];

/** Starts them all over one fresh segment, and waits for their ends. What they printed. */
async function together(what: string, parties: Party[]) {
  const memory = SharedMemory.create(1 << 16, { name: 'wake-ups' });
  const start = performance.now();
  const watchdog = setTimeout(() => {
    fail(`${what}: not awake after ${WATCHDOG_MS} ms: ${memory.view(Int32Array, 0, 16).join(' ')}`);
  }, WATCHDOG_MS);
  const one = async ([who, name, ...args]: Party): Promise<string> => {
    const node = [who === 'waker' ? WAKER : MEMBER, name, ...args].map(String);
    const options: SpawnOptions = { stdio: ['ignore', 'pipe', 'inherit'] };
    const child = spawn(
      who === 'c' ? PEER : process.execPath,
      who === 'c' ? [name, 3, ...args].map(String) : node,
      share({ cells: memory }, options),
    );
    running.add(child);
    let printed = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
    const [code, signal] = await once(child, 'close');
    running.delete(child);
    if (code !== 0) fail(`${what}: ${who} ${name} ended with code ${code}, signal ${signal}`);
    return printed;
  };
  const printed = await Promise.all(parties.map(one));
  clearTimeout(watchdog);
  const cells = memory.view(Int32Array).slice();
  memory.unmap();
  return { cells, printed, seconds: (performance.now() - start) / 1000 };
}

function report(what: string, waits: number, seconds: number): void {
  const perSecond = Math.round(waits / seconds);
  console.log(JSON.stringify({ what, waits, seconds: Number(seconds.toFixed(2)), perSecond }));
}

// --- turns: a lost wake-up stops both ---------------------------------------------------------------

async function turns(
  what: string,
  ping: [who: Who, ...how: string[]],
  pong: [who: Who, ...how: string[]],
  rounds: number,
): Promise<void> {
  const { cells, seconds } = await together(what, [
    [ping[0], 'ping', 0, rounds, ...ping.slice(1)],
    [pong[0], 'pong', 0, rounds, ...pong.slice(1)],
  ]);
  if (cells[0] !== rounds || cells[1] !== rounds) fail(`${what}: at ${cells[0]}, ${cells[1]}`);
  report(what, 2 * rounds, seconds);
}

// --- many words: each change is answered before the next ------------------------------------------

async function words(count: number, rounds: number): Promise<void> {
  const acks = [1, 2]; // each of the two that wake has its own
  const follower: Party = ['node', 'words', 16, count, rounds, ...acks];
  const waker = (index: number): Party => {
    return ['waker', 'words', 16, count, rounds, 2, acks[index]!, index, acks.length, seed + index];
  };
  const what = `${count} words, two processes that wait for all, two that wake`;
  const { cells, seconds } = await together(what, [follower, follower, waker(0), waker(1)]);
  for (let i = 0; i < count; i++) {
    if (cells[16 + i] !== rounds) fail(`${what}: word ${i} is at ${cells[16 + i]}`);
  }
  report(what, 2 * count * rounds, seconds);
}

// --- a cell that does not change: as many are woken as notify() says --------------------------------

async function doze(wakes: number): Promise<void> {
  const tallies = [3, 4, 5, 6];
  const what = 'a cell that keeps its value, four that sleep';
  const { cells, printed, seconds } = await together(what, [
    ['node', 'doze', 0, tallies[0]!, 'sync'],
    ['node', 'doze', 0, tallies[1]!, 'async'],
    ['c', 'doze', 0, tallies[2]!],
    ['node', 'doze', 0, tallies[3]!, 'sync'],
    ['waker', 'doze', 0, wakes, tallies.length],
  ]);
  const awoke = tallies.map((cell) => cells[cell]!);
  const woken = Number(printed.at(-1));
  const sum = awoke.reduce((a, b) => a + b);
  if (sum !== woken) fail(`${what}: ${woken} were woken, ${sum} awoke (${awoke.join(', ')})`);
  report(what, woken, seconds);
}

const sync = ['node', 'sync'] as [Who, string];
const async = ['node', 'async'] as [Who, string];
await turns('wait, both in Node', sync, sync, 22_000 * scale);
await turns('wait, Node and C', sync, ['c'], 20_000 * scale);
await turns('waitAsync, both in Node', async, async, 1_500 * scale);
await turns('waitAsync, C and Node', ['c'], async, 1_500 * scale);
await turns('wait and waitAsync', sync, async, 1_500 * scale);
await words(40, 20 * scale);
await words(300, 3 * scale);
await doze(10_000 * scale);
