// What becomes of buffers and addresses: unmap, I/O in flight, the garbage collector, the end of a worker.

import assert from 'node:assert/strict';
import { read, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { anonymous, map, SharedMemory, stats } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { Fifo } from '../support/fifo.js';
import { FreshMemory } from '../support/fresh.js';
import { blockedOn, descriptors } from '../support/proc.js';
import { until } from '../support/until.js';
import { codeOf, type Features, type Roles, RoleWorker } from './feature.js';

const P = PAGE_SIZE;
/** Shorter than the watchdog over the whole process, so that it is known what was waited for. */
const PATIENCE = 10_000;
const nothingLeft = () => {
  const { regions, mappedBytes, retiredBytes, descriptors } = stats();
  return regions + mappedBytes + retiredBytes + descriptors === 0;
};

/** Of what is forgotten. Loaded where it is used: a worker may have no gc(). */
async function collected(): Promise<void> {
  const gc = await import('../support/gc.js');
  await gc.collected('all regions', nothingLeft, PATIENCE);
}
/** Reads that wait for the FIFO. A runtime may have another descriptor for them. */
const blockedOnFifo = () =>
  [...descriptors()].some(([fd, path]) => path.endsWith('/fifo') && blockedOn(fd));

interface Landed {
  code: string | undefined;
  moved: number;
}

/** In a function of its own: nothing of it is left on the stack. */
function makeAndForget(count: number, unmaps: boolean): void {
  for (let i = 0; i < count; i++) {
    const mapping = SharedMemory.create(P);
    mapping.view(Uint8Array, 0, 8)[0] = i;
    new Uint8Array(mapping.buffer)[1] = 1;
    if (unmaps) mapping.unmap();
  }
}

/** In functions of their own as well. */
function makeShared(count: number, into: SharedArrayBuffer[]): void {
  for (let i = 0; i < count; i++) {
    const { sharedBuffer } = SharedMemory.create(P);
    new Uint8Array(sharedBuffer)[5] = 5;
    into.push(sharedBuffer);
  }
}
const allHave = (buffers: readonly SharedArrayBuffer[], byte: number): void => {
  for (const buffer of buffers) assert.equal(new Uint8Array(buffer)[5], byte);
};

export const features: Features = {
  async 'unmap detaches every view'() {
    const mapping = anonymous(4 * P);
    const views = [mapping.bytes, mapping.view(Int32Array, P, 4), new Uint8Array(mapping.buffer)];
    const { buffer } = mapping;
    mapping.unmap();
    assert.deepEqual(views.map((view) => view.length), [0, 0, 0]); // biome-ignore format: a list
    assert.equal(buffer.byteLength, 0);
    assert.equal(await codeOf(() => mapping.view(Uint8Array)), 'ERR_MAPPING_CLOSED');
  },
  async 'unmap while a read is in flight'() {
    const fifo = new Fifo('fifo');
    const handle = await open('fifo', 'r+');
    const { fd } = handle;
    const byRead = (bytes: Uint8Array) =>
      new Promise<Landed>((resolve) => {
        read(fd, bytes, 0, P, null, (error, moved) => resolve({ code: error?.code, moved }));
      });
    const byHandle = (bytes: Uint8Array) =>
      handle.read(bytes, 0, P, null).then(
        ({ bytesRead }): Landed => ({ code: undefined, moved: bytesRead }),
        ({ code }: { code: string }): Landed => ({ code, moved: 0 }),
      );
    for (const begin of [byRead, byHandle]) {
      const mapping = anonymous(P);
      const landed = begin(mapping.bytes);
      await until('the read waits', blockedOnFifo, PATIENCE);
      mapping.unmap();
      // Whoever gets these addresses must not find in them what is read.
      const fresh = new FreshMemory();
      fresh.map(P);
      fifo.feed(Buffer.alloc(P, 0x55));
      const { code, moved } = await landed;
      fresh.checkAndUnmap();
      assert(code === 'EFAULT' || moved < P, `${moved} bytes read, and lost`);
      fifo.drain();
    }
    await handle.close();
    fifo.close();
  },
  async 'a forgotten mapping is given back by the garbage collector'() {
    makeAndForget(50, false);
    await collected();
  },
  async 'addresses are given back after unmap'() {
    makeAndForget(50, true);
    assert.equal(stats().mappedBytes, 0);
    await collected();
  },
  async 'a sharedBuffer keeps the mapping, and gives it back'() {
    const kept: SharedArrayBuffer[] = [];
    makeShared(20, kept);
    const { gc } = await import('../support/gc.js');
    gc();
    await new Promise(setImmediate);
    allHave(kept, 5);
    kept.length = 0;
    await collected();
  },
  async 'transfer of a mapped buffer, then unmap'() {
    const mapping = anonymous(P);
    const { buffer } = mapping;
    new Uint8Array(buffer)[0] = 1;
    let moved = new ArrayBuffer(1);
    await codeOf(() => {
      moved = structuredClone(buffer, { transfer: [buffer] });
    });
    mapping.unmap();
    assert.equal(buffer.byteLength, 0);
    // A copy has what it had, the memory itself is the guard's zeros, and some runtimes refuse.
    const byte = new Uint8Array(moved)[0];
    assert(byte === 1 || byte === 0);
    new Uint8Array(moved)[0] = 2;
  },
  async 'what a worker had is given back when it ends'() {
    writeFileSync('file', Buffer.alloc(4 * P));
    const worker = new RoleWorker('lifetime/mapper', ['file']);
    await worker.next();
    await worker.worker.terminate();
    await until('all regions', nothingLeft, PATIENCE);
  },
};

export const roles: Roles = {
  /** Has one mapping open and one retired. */
  async mapper(file = '') {
    const { parentPort } = await import('node:worker_threads');
    const kept = [map(file, { access: 'write' }).bytes];
    const retired = map(file);
    kept.push(retired.bytes);
    retired.unmap();
    setInterval(() => kept.length, 1 << 20);
    parentPort?.postMessage('mapped');
  },
};
