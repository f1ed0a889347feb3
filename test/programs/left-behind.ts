// A process that takes what it can get of shared memory, and then ends, or is ended.
//
//   left-behind hold HOW        HOW: 'inherited', or a name. Holds the lock, waits for one, waits on a cell,
//                               has a worker that does the same; then does as its message says
//   left-behind make NAME       makes memory of that name and hands it to `hold inherited` and to C
//   left-behind names PREFIX    makes one name after the other, as fast as it can
//   left-behind quiet           uses all of it, tidies up, and has nothing more to do
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fstatSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { inherited, SharedMemory, share, stats } from 'memmap';
import { type Held, Mutex, notify, waitAsync } from 'memmap/sync';
import { descriptors, threads } from '../support/proc.js';
import { until } from '../support/until.js';

const SELF = fileURLToPath(import.meta.url);
const PEER = fileURLToPath(new URL('../../native-test/Release/sync_peer', import.meta.url));
/** Bytes: locks of the main thread, of the worker, and of others; a cell to wait on. */
const [MAIN, WORKER, FREE, CELL] = [0, 8, 16, 6] as const;
const [what = '', how = ''] = process.argv.slice(2);

const open = () => (how === 'inherited' ? inherited('memory') : SharedMemory.open(how));
const quietly = (promise: Promise<unknown>) => promise.catch(() => {});

async function hold(): Promise<void> {
  const memory = open();
  const held: Held[] = [await new Mutex(memory, isMainThread ? MAIN : WORKER).lock()];
  quietly(waitAsync(memory.view(Int32Array), CELL, 0));
  if (!isMainThread) {
    quietly(new Mutex(memory, MAIN).lock());
    parentPort?.postMessage('holds');
    return;
  }
  held.push(new Mutex(memory, FREE).lockSync());
  const worker = new Worker(SELF, { argv: ['hold', how] });
  await once(worker, 'message');
  quietly(new Mutex(memory, WORKER).lock());
  process.once('message', (order) => {
    if (order === 'exit') process.exit(3);
    if (order === 'throw') throw new Error('as it was told');
    worker.terminate().then(() => {
      for (const one of held) one.unlock();
      memory.unmap();
      process.disconnect();
    });
  });
  process.send?.('holds');
}

async function make(): Promise<void> {
  const memory = SharedMemory.create(1 << 20, { name: how });
  memory.bytes.fill(1, 4096);
  const inNode = fork(SELF, ['hold', 'inherited'], share({ memory }));
  await once(inNode, 'message');
  const inC = spawn(PEER, ['hold', '3', String(64)], { stdio: ['ignore', 'pipe', 2, memory.fd] });
  await once(inC.stdout!, 'data');
  const { dev, ino } = fstatSync(memory.fd);
  process.send?.({ node: inNode.pid, c: inC.pid, file: { dev, ino } });
  await once(process, 'message');
}

function names(): never {
  process.send?.('begins');
  for (let i = 0; ; i++) {
    SharedMemory.createNamed(`${how}-${i % 50}`, 1 << 16).unmap();
    if (i % 50 === 49) for (let j = 0; j < 50; j++) SharedMemory.unlink(`${how}-${j}`);
  }
}

async function quiet(): Promise<void> {
  const before = [...descriptors()].length;
  const memory = SharedMemory.create(4096);
  const cells = memory.view(Int32Array);
  const mutex = new Mutex(memory, 0);
  const other = new Mutex(memory, 8);
  const first = await mutex.lock();
  const next = mutex.lock();
  await quietly(other.lock({ signal: AbortSignal.abort() }));
  const late = await waitAsync(cells, CELL, 0, { timeout: 1 });
  const controller = new AbortController();
  const aborted = waitAsync(cells, CELL, 0, { signal: controller.signal });
  controller.abort();
  await quietly(aborted);
  const many = Array.from({ length: 100 }, () => waitAsync(cells, CELL, 0));
  cells[CELL] = 1;
  notify(cells, CELL);
  await Promise.all(many);
  first.unlock();
  (await next).unlock();
  const unmapped = quietly(waitAsync(cells, CELL, 1));
  memory.unmap();
  await unmapped;
  await until('its descriptors closed', () => [...descriptors()].length === before);
  process.once('exit', () => {
    // The threads are there still, and the process ends for all that.
    console.log(JSON.stringify({ late, threads: threads('memmap-wait') > 0, stats: stats() }));
  });
}

const parts: Record<string, () => unknown> = { hold, make, names, quiet };
await parts[what]?.();
