// Waiting and waking, between threads and between processes.

import assert from 'node:assert/strict';
import { parentPort } from 'node:worker_threads';
import { inherited, SharedMemory, share } from 'memmap';
import { notify, wait, waitAsync } from 'memmap/sync';
import type { Options } from '../support/program.js';
import { outcome, wakeOne } from '../support/sync.js';
import { child, codeOf, type Features, handed, type Roles, RoleWorker } from './feature.js';

export const cellsOf = (memory: SharedMemory) => memory.view(Int32Array, 0, 512);

/** For `child()`: it finds the memory as 'memory'. */
export function handOver(memory: SharedMemory): Options {
  const shared = share({ memory }, { stdio: ['pipe', 'pipe', 'pipe'] });
  return handed(shared as unknown as Parameters<typeof handed>[0]);
}
/** Where a role was given it: by a descriptor in a worker, else handed over. */
export const given = (fd: string): SharedMemory =>
  fd === '' ? inherited('memory') : SharedMemory.adopt(Number(fd));

/** A and B answer each other so often. */
const ROUNDS = 200;

async function answers(cells: Int32Array, blocks: boolean): Promise<void> {
  for (let i = 0; i < ROUNDS; i++) {
    while (Atomics.load(cells, 0) === i) {
      if (blocks) wait(cells, 0, i);
      else await waitAsync(cells, 0, i);
    }
    Atomics.store(cells, 1, i + 1);
    notify(cells, 1);
  }
}

async function asks(cells: Int32Array): Promise<void> {
  for (let i = 0; i < ROUNDS; i++) {
    Atomics.store(cells, 0, i + 1);
    notify(cells, 0);
    while (Atomics.load(cells, 1) === i) await waitAsync(cells, 1, i);
  }
}

/** `how`: the other one blocks, or does not. */
async function withWorker(how: string): Promise<void> {
  const memory = SharedMemory.create(4096);
  const worker = new RoleWorker('sync/answers', [how, memory.fd]);
  await asks(cellsOf(memory));
  assert.equal(await worker.ended, 0);
  memory.unmap();
}

async function withProcess(how: string): Promise<void> {
  const memory = SharedMemory.create(4096);
  const other = child('sync/answers', [how], handOver(memory));
  await asks(cellsOf(memory));
  assert.equal((await other.ended).code, 0);
  memory.unmap();
}

export const features: Features = {
  'wait and notify, with a worker': () => withWorker('blocks'),
  'wait and notify, with a process': () => withProcess('blocks'),
  'waitAsync, with a worker': () => withWorker(''),
  'waitAsync, with a process': () => withProcess(''),
  async 'timeouts and AbortSignal'() {
    const memory = SharedMemory.create(4096);
    const cells = cellsOf(memory);
    assert.deepEqual([wait(cells, 0, 1), wait(cells, 0, 0, 5)], ['not-equal', 'timed-out']);
    assert.equal(await waitAsync(cells, 0, 0, { timeout: 5 }), 'timed-out');
    const controller = new AbortController();
    const waiting = outcome(waitAsync(cells, 0, 0, { signal: controller.signal }));
    const stays = waitAsync(cells, 0, 0);
    controller.abort({ code: 'aborted' });
    assert.equal(await waiting, 'aborted');
    await wakeOne(cells);
    assert.equal(await stays, 'ok');
    const last = codeOf(() => waitAsync(cells, 0, 0));
    memory.unmap();
    assert.equal(await last, 'ERR_MAPPING_CLOSED');
  },
  async 'two hundred waits at once'() {
    const memory = SharedMemory.create(4096);
    const cells = cellsOf(memory);
    const all = Array.from({ length: 200 }, (_, i) => waitAsync(cells, i, 0));
    for (let i = 0; i < 200; i++) {
      Atomics.store(cells, i, 1);
      notify(cells, i);
    }
    assert.deepEqual([...new Set(await Promise.all(all))], ['ok']);
    memory.unmap();
  },
};

export const roles: Roles = {
  async answers(how = '', fd = '') {
    await answers(cellsOf(given(fd)), how === 'blocks');
    parentPort?.postMessage('well');
  },
};
