// Workers that end when a buffer of theirs has been collected, but, as far as anybody knows, not its memory: that
// has moved to another one. The main thread has the mapping's memory as well, for longer, or not. Then nobody has
// it any more. Prints what is left, as JSON.
//
//   collected-views ROUNDS       (node --expose-gc --no-warnings)
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { SharedMemory, stats } from 'memmap';
import { collected } from '../support/gc.js';
import { MOVES } from '../support/moves.js';
import { descriptors } from '../support/proc.js';

/** What a worker has until it ends. */
const had: unknown[] = [];

async function inWorker(shared: boolean): Promise<never> {
  const memory = SharedMemory.create(4096);
  had.push(memory);
  parentPort?.postMessage(shared ? memory.sharedBuffer : memory.length);
  const move = async (): Promise<WeakRef<ArrayBuffer>> => {
    const { buffer } = memory.view(Uint8Array, 0, 16);
    had.push(await MOVES[0]?.(buffer));
    return new WeakRef(buffer);
  };
  const moved = await move();
  await collected('the buffer', () => moved.deref() === undefined);
  // Its finalizer.
  for (let i = 0; i < 3; i++) await turn();
  process.exit(0);
}

async function round(shared: boolean): Promise<void> {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: shared });
  // What was posted is held here until the worker has ended.
  await Promise.all([
    new Promise((resolve) => worker.once('message', resolve)),
    new Promise((resolve) => worker.once('exit', resolve)),
  ]);
}

async function inMain(rounds: number): Promise<void> {
  await round(true);
  const open = descriptors().size - stats().descriptors;
  for (let i = 0; i < rounds; i++) await round(i % 2 === 0);
  const gone = () => stats().mappedBytes === 0 && stats().descriptors === 0;
  await collected('file and memory', gone, 5000).catch(() => {});
  const { mappedBytes, descriptors: ours } = stats();
  console.log(JSON.stringify({ mappedBytes, ours, open: descriptors().size - open }));
}

await (isMainThread ? inMain(Number(process.argv[2])) : inWorker(workerData as boolean));
