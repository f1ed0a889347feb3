// The core of memmap/sync, on the main thread and in a worker: prints what came of each, the same wherever
// it works. Run by itself, and where futex_waitv(2) is missing.
import { readdirSync, readFileSync } from 'node:fs';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { anonymous, SharedMemory, stats } from 'memmap';
import { Mutex, notify, wait, waitAsync } from 'memmap/sync';
import { collected } from '../support/gc.js';
import { outcome } from '../support/sync.js';
import { until } from '../support/until.js';
import { TestWorker } from '../support/worker.js';

const sameAll = (results: readonly unknown[]): string => [...new Set(results)].join();

async function core(): Promise<Record<string, unknown>> {
  const results: Record<string, unknown> = {};
  const memory = SharedMemory.create(4096);
  const other = SharedMemory.adopt(memory.fd);
  const cell = new Int32Array(memory.buffer);
  const elsewhere = new Int32Array(other.buffer);

  results['wait'] = [wait(cell, 0, 1), wait(cell, 0, 0, 1), wait(cell, 0, 0, 250)];
  results['not equal'] = await waitAsync(cell, 0, 1);
  results['timed out'] = await waitAsync(cell, 0, 0, { timeout: 150 });
  results['far'] = await outcome(
    waitAsync(cell, 0, 0, { timeout: 1e15, signal: AbortSignal.timeout(1) }).catch(
      ({ name }) => name as string,
    ),
  );
  const order: number[] = [];
  const five = [0, 1, 2, 3, 4].map((i) => waitAsync(cell, 0, 0).then(() => order.push(i)));
  for (let woken = 1; woken <= 5; woken++) {
    notify(cell, 0, 1);
    await until('one', () => order.length >= woken);
  }
  await Promise.all(five);
  results['order'] = order;

  // On as many words, changed and notified through another mapping: only the kernel can tell them.
  const many = Array.from({ length: 100 }, (_, i) => waitAsync(cell, i, 0));
  // Whatever they are called: each names itself, once it runs.
  results['threads'] = readdirSync('/proc/self/task').length >= 100;
  for (let i = 0; i < 100; i++) {
    Atomics.store(elsewhere, i, 1);
    notify(elsewhere, i);
  }
  results['many'] = sameAll(await Promise.all(many));
  cell.fill(0);

  // Aborted ones are away, and take no wake with them.
  const controller = new AbortController();
  const aborted = Array.from({ length: 10 }, () =>
    outcome(waitAsync(cell, 1, 0, { signal: controller.signal })),
  );
  const stays = waitAsync(cell, 1, 0);
  controller.abort({ code: 'aborted' });
  results['aborted'] = sameAll(await Promise.all(aborted));
  await until('it is told', () => notify(elsewhere, 1) > 0);
  results['stays'] = await stays;

  const mutex = new Mutex(memory, 1024);
  const same = new Mutex(other, 1024);
  const held = mutex.lockSync();
  results['deadlock'] = await outcome(Promise.resolve().then(() => same.lockSync()));
  results['busy'] = same.tryLock();
  results['late'] = await outcome(same.lock({ timeout: 120 }));
  const queue: number[] = [];
  const tasks = [0, 1, 2].map(async (i) => {
    using _ = await (i % 2 === 0 ? mutex : same).lock();
    queue.push(i);
  });
  held.unlock();
  await Promise.all(tasks);
  results['queue'] = queue;

  // Others: a worker that waits, that is woken, and that dies with the lock.
  const worker = new TestWorker(
    `
    const cell = new Int32Array(data);
    post(wait(cell, 2, 0));
    globalThis.held = await new Mutex(Mapping.from(data), 1024).lock();
    post(await waitAsync(cell, 3, 0));
    setInterval(() => {}, 1000);`,
    memory.sharedBuffer,
  );
  await until('it waits', () => notify(cell, 2, 1) > 0);
  results['worker waits'] = await worker.next();
  await until('it waits', () => notify(cell, 3, 1) > 0);
  results['worker waits without blocking'] = await worker.next();
  results['held by the worker'] = await outcome(mutex.lock({ timeout: 120 }));
  await worker.terminate();
  const next = await mutex.lock();
  results['died'] = next.ownerDied;
  next.unlock();

  const pending = Array.from({ length: 20 }, () => outcome(waitAsync(elsewhere, 5, 0)));
  other.unmap();
  results['closed'] = sameAll(await Promise.all(pending));
  const plain = anonymous(4096);
  const last = outcome(waitAsync(new Int32Array(plain.buffer), 0, 0));
  plain.unmap();
  results['closed, anonymous'] = await last;
  memory.unmap();
  return results;
}

if (isMainThread) {
  const main = await core();
  const worker = new Worker(new URL(import.meta.url));
  // Its message and its end may come in one turn.
  const end = new Promise((resolve) => worker.once('exit', resolve));
  const inWorker = await new Promise((resolve, reject) => {
    worker.once('message', resolve).once('error', reject);
  });
  await end;
  await collected('all regions', () => stats().regions === 0);
  // 2: a filter of system calls (proc_pid_status(5)).
  const filtered = /^Seccomp:\s+2$/m.test(readFileSync('/proc/self/status', 'utf8'));
  console.log(JSON.stringify({ filtered, main, inWorker, left: stats() }));
} else {
  parentPort?.postMessage(await core());
}
