// One process of a mutex stress (mutex-stress.ts): its main thread and two workers add to a counter under
// the lock, the main thread by lock(), the workers by lockSync().
//
//   mutex-member TIMES LIFE LIFE LIFE      TIMES 0: until the ledger says stop
//
// Messages { end: 0 | 1 } and { begin: 0 | 1, life }: a worker is terminated, answered when it is gone; a
// new one takes its place.
import { setImmediate as turn } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { inherited } from 'memmap';
import { Mutex, wait, waitAsync } from 'memmap/sync';
import { addOne, CELL } from '../support/ledger.js';

const memory = inherited('ledger');
const cells = memory.view(Int32Array);
const mutex = new Mutex(memory, 0);
const stopped = () => Atomics.load(cells, CELL.STOP) !== 0;

const waiting = () => Atomics.load(cells, CELL.GO) === 0;

function work(life: number, times: number): void {
  parentPort?.postMessage('ready');
  while (waiting()) wait(cells, CELL.GO, 0);
  for (let i = 0; times === 0 ? !stopped() : i < times; i++) addOne(cells, life, mutex.lockSync());
}

async function workInTurns(life: number, times: number): Promise<void> {
  for (let i = 0; times === 0 ? !stopped() : i < times; i++) {
    addOne(cells, life, await mutex.lock());
    if (i % 64 === 0) await turn(); // a lock that is free is taken without a turn: messages want one
  }
}

type Command = { end: number } | { begin: number; life: number };

async function main(times: number, lives: readonly number[]): Promise<void> {
  const workers: Worker[] = [];
  const begin = (index: number, life: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url), { workerData: { life, times } });
      workers[index] = worker;
      worker.once('message', () => resolve());
      worker.once('error', (error) => {
        reject(error);
        console.error(error);
        process.exit(1);
      });
    });
  await Promise.all([begin(0, lives[1]!), begin(1, lives[2]!)]);
  process.on('message', async (command: Command) => {
    if ('end' in command) await workers[command.end]?.terminate();
    else await begin(command.begin, command.life);
    process.send?.('done');
  });
  process.once('disconnect', () => process.exit(stopped() ? 0 : 1)); // whoever watched over it has ended
  process.send?.('ready');
  while (waiting()) await waitAsync(cells, CELL.GO, 0);
  await workInTurns(lives[0]!, times);
  await Promise.all(
    workers.map(
      (worker) => worker.threadId === -1 || new Promise((gone) => worker.once('exit', gone)),
    ),
  );
  process.exit(0);
}

if (isMainThread) {
  const [times = 0, ...lives] = process.argv.slice(2).map(Number);
  await main(times, lives);
} else {
  const { life, times } = workerData as { life: number; times: number };
  work(life, times);
}
