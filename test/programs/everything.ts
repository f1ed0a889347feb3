// A little of everything, here and in a worker, for who watches the add-on's memory: maps, writes, flushes, slides,
// faults, waits, locks, sends, and lets go. Prints what is left.
//
//   everything PATH ROUNDS        (node --expose-gc --no-warnings)
import { truncateSync } from 'node:fs';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { anonymous, Mapping, map, SharedMemory, stats } from 'memmap';
import { Channel } from 'memmap/channel';
import { MAP, MS, mmap, msync, munmap, PROT } from 'memmap/posix';
import { Mutex, notify, waitAsync } from 'memmap/sync';
import { collected } from '../support/gc.js';

const PAGE = 4096;

function assert(what: string, holds: boolean): void {
  if (!holds) throw new Error(what);
}

/** Told of the rejection from the beginning, whenever it is looked at. */
const rejects = (promise: Promise<unknown>): Promise<boolean> =>
  promise.then(
    () => false,
    () => true,
  );

async function files(path: string): Promise<void> {
  const mapping = map(path, { access: 'write', create: true, length: 4 * PAGE, reserve: 8 * PAGE });
  mapping.bytes.fill(7);
  await mapping.flush();
  await mapping.flush([
    [0, 100],
    [2 * PAGE, 100],
  ]);
  mapping.flushSync(0, PAGE);
  mapping.resize(6 * PAGE);
  mapping.view(Uint8Array, 5 * PAGE, 1)[0] = 1;
  mapping.slide(PAGE);
  mapping.slide(0);
  mapping.advise('sequential');
  await mapping.prefetch();
  mapping.residency();
  mapping.usage();
  truncateSync(path, PAGE);
  assert('a fault reads as zero', mapping.view(Uint8Array, 3 * PAGE, 1)[0] === 0);
  assert('a fault is recorded', mapping.faults.length === 1);
  assert('a flush after a fault fails', await rejects(mapping.flush()));
  mapping.refresh();
  mapping.unmap();
  assert(
    'an error has a code',
    ((): boolean => {
      try {
        map(`${path}/none`);
        return false;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code === 'ENOTDIR';
      }
    })(),
  );
  const buffer = mmap(PAGE, PROT.READ | PROT.WRITE, MAP.SHARED | MAP.ANONYMOUS);
  msync(buffer, MS.SYNC);
  munmap(buffer);
}

async function sleepers(): Promise<void> {
  using memory = anonymous(PAGE);
  const cells = memory.view(Int32Array);
  const woken = [0, 1, 2].map((i) => waitAsync(cells, i, 0));
  const aborted = rejects(waitAsync(cells, 3, 0, { signal: AbortSignal.timeout(1) }));
  const late = waitAsync(cells, 4, 0, { timeout: 1 });
  for (const i of [0, 1, 2]) {
    Atomics.store(cells, i, 1);
    notify(cells, i);
  }
  assert(
    'woken',
    (await Promise.all(woken)).every((outcome) => outcome === 'ok'),
  );
  assert('aborted', await aborted);
  assert('late', (await late) === 'timed-out');
  const closed = rejects(waitAsync(cells, 5, 0));
  memory.unmap();
  assert('closed', await closed);
}

async function locks(memory: Mapping): Promise<void> {
  const mutex = new Mutex(memory, 0);
  const counter = memory.view(Int32Array, 64, 1);
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      using held = await mutex.lock();
      assert('nobody has died', !held.ownerDied);
      counter[0]!++;
    }),
  );
  mutex.lockSync().unlock();
}

async function messages(channel: Channel): Promise<void> {
  const receiver = channel.receiver();
  const sender = channel.sender();
  let sum = 0;
  const all = (async () => {
    for await (const message of receiver) sum += message.length;
  })();
  for (let i = 1; i <= 20; i++) await sender.send(Buffer.alloc(i));
  sender.close();
  await all;
  receiver.close();
  assert('all have come', sum === 210);
}

async function everything(path: string, rounds: number, shared: Mapping): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    await files(path);
    await sleepers();
    await locks(shared);
    const channel = Channel.create({ capacity: 1024 });
    await messages(channel);
    channel.memory.unmap();
  }
}

if (isMainThread) {
  const [path = '', rounds = '1'] = process.argv.slice(2);
  const shared = SharedMemory.create(PAGE);
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { path: `${path}.worker`, rounds: Number(rounds), shared: shared.sharedBuffer },
  });
  await Promise.all([
    everything(path, Number(rounds), shared),
    new Promise<void>((resolve, reject) => {
      worker.once('error', reject).once('exit', () => resolve());
    }),
  ]);
  const locked = shared.view(Int32Array, 64, 1)[0];
  assert('the lock has kept them apart', locked === 8 * Number(rounds));
  shared.unmap();
  await collected('regions', () => stats().regions <= 1); // the sharedBuffer's, which workerData names
  console.log(JSON.stringify(stats()));
} else {
  const { path, rounds, shared } = workerData;
  await everything(path, rounds, Mapping.from(shared));
}
