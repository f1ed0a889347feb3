// The lock, between tasks, threads and processes, and when its owner dies.

import assert from 'node:assert/strict';
import { parentPort } from 'node:worker_threads';
import { SharedMemory } from 'memmap';
import { type Held, Mutex } from 'memmap/sync';
import { child, codeOf, type Features, type Roles, RoleWorker } from './feature.js';
import { cellsOf, given, handOver } from './sync.js';

/** Not atomic: without the lock additions are lost. */
const TIMES = 300;
async function adds(memory: SharedMemory): Promise<void> {
  const mutex = new Mutex(memory, 64);
  const cells = cellsOf(memory);
  for (let i = 0; i < TIMES; i++) {
    const held = i % 2 === 0 ? await mutex.lock() : mutex.lockSync();
    cells[0] = (cells[0] as number) + 1;
    held.unlock();
  }
}
const kept: Held[] = [];

export const features: Features = {
  async 'tasks of one thread'() {
    const memory = SharedMemory.create(4096);
    const mutex = new Mutex(memory, 64);
    const order: number[] = [];
    const held = await mutex.lock();
    assert.equal(mutex.tryLock(), undefined);
    assert.equal(await codeOf(() => mutex.lockSync()), 'EDEADLK');
    assert.equal(await codeOf(() => mutex.lock({ timeout: 5 })), 'ETIMEDOUT');
    const tasks = [0, 1, 2].map(async (i) => {
      using _ = await mutex.lock();
      order.push(i);
    });
    held.unlock();
    await Promise.all(tasks);
    assert.deepEqual(order, [0, 1, 2]);
    memory.unmap();
  },
  async workers() {
    const memory = SharedMemory.create(4096);
    const workers = [0, 1].map(() => new RoleWorker('mutex/adds', [memory.fd]));
    await adds(memory);
    for (const worker of workers) assert.equal(await worker.ended, 0);
    assert.equal(cellsOf(memory)[0], 3 * TIMES);
    memory.unmap();
  },
  async processes() {
    const memory = SharedMemory.create(4096);
    const others = [0, 1].map(() => child('mutex/adds', [], handOver(memory)));
    await adds(memory);
    for (const other of others) assert.equal((await other.ended).code, 0);
    assert.equal(cellsOf(memory)[0], 3 * TIMES);
    memory.unmap();
  },
  async 'the owner is killed'() {
    const memory = SharedMemory.create(4096);
    const other = child('mutex/holds', [], handOver(memory));
    await other.line(/^holds$/);
    const mutex = new Mutex(memory, 64);
    const next = mutex.lock();
    await other.kill();
    const held = await next;
    assert.equal(held.ownerDied, true);
    held.unlock();
    memory.unmap();
  },
  async 'the worker that owns it is terminated'() {
    const memory = SharedMemory.create(4096);
    const worker = new RoleWorker('mutex/holds', [memory.fd]);
    await worker.next();
    const mutex = new Mutex(memory, 64);
    assert.equal(mutex.tryLock(), undefined);
    await worker.worker.terminate();
    const held = await mutex.lock();
    assert.equal(held.ownerDied, true);
    held.unlock();
    memory.unmap();
  },
};

export const roles: Roles = {
  adds: (fd = '') => adds(given(fd)),
  holds(fd = '') {
    kept.push(new Mutex(given(fd), 64).lockSync());
    if (fd === '') console.log('holds');
    else parentPort?.postMessage('holds');
    setInterval(() => kept.length, 1 << 20);
  },
};
