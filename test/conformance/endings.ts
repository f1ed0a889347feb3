// How processes and workers end while something is still going on.

import assert from 'node:assert/strict';
import { openSync, read } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { anonymous, map, SharedMemory } from 'memmap';
import { Channel } from 'memmap/channel';
import { Mutex, wait, waitAsync } from 'memmap/sync';
import { until } from '../support/until.js';
import { child, type Features, type Roles, RoleWorker } from './feature.js';

const P = 4096;
const kept: unknown[] = [];

/** Everything at once: waits, a lock that is waited for, a flush, a read, a channel. */
function begin(): void {
  const quietly = (promise: Promise<unknown>) => void promise.catch(() => {});
  const memory = SharedMemory.create(P);
  const cells = memory.view(Int32Array);
  for (let i = 0; i < 20; i++) quietly(waitAsync(cells, i, 0));
  kept.push(new Mutex(memory, 256).lockSync());
  quietly(new Mutex(memory, 256).lock());
  const file = map(`busy-${process.pid}`, { access: 'write', create: true, length: 1 << 20 });
  file.bytes.fill(1);
  quietly(file.flush());
  quietly(file.prefetch());
  read(openSync('/dev/zero', 'r'), file.bytes, 0, 1 << 20, null, () => {});
  const channel = Channel.create({ capacity: P });
  kept.push(channel.sender());
  quietly(channel.receiver().receive());
  kept.push(memory, file, channel);
}

/** How a process ends that does so in the middle of it. */
async function ends(how: string, signal?: NodeJS.Signals) {
  const busy = child('endings/busy', [how]);
  if (signal !== undefined) {
    await busy.line(/^busy$/);
    // Not its kill(): Deno then says that the signal ended it, whatever did.
    process.kill(busy.pid, signal);
  }
  return busy.ended;
}

export const features: Features = {
  async 'a worker that is terminated while much is pending'() {
    for (let round = 0; round < 5; round++) {
      const worker = new RoleWorker('endings/busy', ['stays']);
      await worker.next();
      await worker.worker.terminate();
    }
  },
  async 'a worker that is terminated while it blocks in wait'() {
    const memory = SharedMemory.create(P);
    const worker = new RoleWorker('endings/blocks', [memory.fd]);
    await until('it waits', () => memory.view(Int32Array)[1] === 1);
    await worker.worker.terminate();
    memory.unmap();
  },
  async 'a worker that exits while much is pending'() {
    const worker = new RoleWorker('endings/busy', ['exit 5']);
    assert.equal(await worker.ended, 5);
  },
  async 'process.exit while much is pending'() {
    const { code, signal, stderr } = await ends('exit 7');
    assert.deepEqual({ code, signal, stderr }, { code: 7, signal: null, stderr: '' });
  },
  async 'process.exit while workers wait and block'() {
    const { code, signal } = await child('endings/exitWithWorkers').ended;
    assert.deepEqual({ code, signal }, { code: 7, signal: null });
  },
  async 'an uncaught exception while much is pending'() {
    const { code, signal, stderr } = await ends('throw');
    assert.deepEqual({ code, signal }, { code: 1, signal: null });
    assert.match(stderr, /on purpose/);
  },
  async 'SIGTERM while much is pending'() {
    const { code, signal } = await ends('stays', 'SIGTERM');
    assert.deepEqual({ code, signal }, { code: null, signal: 'SIGTERM' });
  },
  async 'open mappings and channels keep nothing alive'() {
    const { code, signal, stdout } = await child('endings/idle').ended;
    assert.deepEqual({ code, signal, stdout }, { code: 0, signal: null, stdout: 'idle\n' });
  },
};

export const roles: Roles = {
  busy(how = '') {
    begin();
    const [what, code] = how.split(' ');
    if (what === 'exit') process.exit(Number(code));
    if (what === 'throw') throw new Error('on purpose');
    if (parentPort === null) console.log('busy');
    else parentPort.postMessage('busy');
  },
  blocks(fd = '') {
    const cells = SharedMemory.adopt(Number(fd)).view(Int32Array);
    Atomics.store(cells, 1, 1);
    wait(cells, 0, 0);
  },
  async exitWithWorkers() {
    const memory = SharedMemory.create(P);
    kept.push(new RoleWorker('endings/blocks', [memory.fd]));
    await until('it waits', () => memory.view(Int32Array)[1] === 1);
    const busy = new RoleWorker('endings/busy', ['stays']);
    await busy.next();
    process.exit(7);
  },
  idle() {
    kept.push(anonymous(P).bytes, Channel.create({ capacity: P }).receiver());
    const mutex = new Mutex(SharedMemory.create(P), 0);
    kept.push(mutex.lockSync());
    console.log('idle');
  },
};
