// Maps and lets go of many things, in one of the ways below, and prints what is left: regions,
// descriptors, and lines of /proc/self/maps before and after.
//
//   leaks SCENARIO ROUNDS PATH        (node --expose-gc)
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { anonymous, map, stats } from 'memmap';
import { MAP, mmap, munmap, PROT } from 'memmap/posix';
import { collected } from '../support/gc.js';
import { descriptors, maps } from '../support/proc.js';

const [scenario = '', times = '1', path = ''] = process.argv.slice(2);
const rounds = Number(times);
const YIELD_EVERY = 500;

const scenarios: Record<string, (round: number) => void> = {
  /** Every kind of mapping, every third with a buffer, unmapped. */
  unmapped(round) {
    const mapping =
      round % 2 === 0
        ? map(path, { access: round % 4 === 0 ? 'write' : 'copy', offset: round % 5000 })
        : anonymous(4096 * (1 + (round % 3)), { shared: round % 4 === 1 });
    if (round % 3 === 0) mapping.bytes[0] = round;
    if (round % 7 === 0) mapping.view(Uint8Array, 1, 1)[0] = round;
    mapping.unmap();
  },
  munmapped() {
    const buffer = mmap(8192, PROT.READ | PROT.WRITE, MAP.SHARED | MAP.ANONYMOUS);
    new Uint8Array(buffer)[0] = 1;
    munmap(buffer);
  },
  /** Nobody unmaps: the garbage collector does. */
  dropped(round) {
    const mapping = round % 2 === 0 ? map(path) : anonymous(4096);
    if (round % 4 < 2) mapping.view(Uint8Array, 0, 16);
  },
  droppedBuffers() {
    new Uint8Array(mmap(4096, PROT.READ | PROT.WRITE, MAP.PRIVATE | MAP.ANONYMOUS))[0] = 1;
  },
  /** A hundred thousand views of one mapping, each an ArrayBuffer of its own. */
  manyViews() {
    const mapping = anonymous(4096);
    for (let i = 0; i < 100_000; i++) mapping.view(Uint8Array, i % 4096, 1);
    mapping.unmap();
  },
  droppedShared() {
    new Uint8Array(anonymous(4096).sharedBuffer)[0] = 1;
  },
};

const WORKER = `
  import { workerData } from 'node:worker_threads';
  const { anonymous, map } = await import(workerData.entry);
  const held = [map(workerData.path), anonymous(4096), anonymous(8192)];
  for (const mapping of held) mapping.bytes.length;
  globalThis.held = held;
  if (workerData.how === 'exit') process.exit(0);
  if (workerData.how === 'terminate') {
    const { parentPort } = await import('node:worker_threads');
    parentPort.postMessage('ready');
    setInterval(() => {}, 1000);
  }
`;

/** Workers that end while they hold mappings: by themselves, by process.exit(), by terminate(). */
async function workers(): Promise<void> {
  const entry = import.meta.resolve('memmap');
  const url = new URL(`data:text/javascript,${encodeURIComponent(WORKER)}`);
  for (let round = 0; round < rounds; round++) {
    const how = ['end', 'exit', 'terminate'][round % 3];
    const worker = new Worker(url, { workerData: { entry, path, how } });
    if (how === 'terminate') {
      await new Promise((resolve) => worker.once('message', resolve));
      await worker.terminate();
    } else {
      await new Promise((resolve) => worker.once('exit', resolve));
    }
  }
}

async function everything(count: number): Promise<void> {
  const one = scenarios[scenario];
  if (one === undefined) return workers();
  for (let round = 0; round < count; round++) {
    one(round);
    if (round % YIELD_EVERY !== YIELD_EVERY - 1) continue;
    await turn();
    if (stats().regions > 20_000) await collected('regions', () => stats().regions < 1000);
  }
}

const held = () => ({ ...stats(), faults: 0, fds: descriptors().size, areas: maps().length });
const nothingLeft = (): boolean => stats().regions === 0;

// Once before it counts: what the runtime makes at first use is not a leak.
await everything(Math.min(rounds, 20));
await collected('the regions of the rounds before', nothingLeft);
const before = held();
await everything(rounds);
await collected('all regions', nothingLeft);
console.log(JSON.stringify({ before, after: held() }));
