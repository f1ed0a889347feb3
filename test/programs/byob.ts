// A stream reads into a mapping: reader.read(view) moves the view's memory to a new ArrayBuffer, which
// unmap() does not know. In every order of unmap, garbage collection and the rest.
//
//   byob source|file unmap|collect DIRECTORY ROUNDS       (with node --expose-gc)
//
// The bytes that come out are those that were read for as long as the mapping is there, and zeros (what
// the guard lays where something was) once it is unmapped. Anything else is an exception. Prints how
// the reads ended, as JSON.

import assert from 'node:assert/strict';
import { read, readFileSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { stats } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { Fifo } from '../support/fifo.js';
import { FreshMemory } from '../support/fresh.js';
import { collected, gc, minorGc } from '../support/gc.js';
import { fileLength, KINDS, type Kind, type Mapped } from '../support/kinds.js';
import { permutations } from '../support/orders.js';
import { blockedOn } from '../support/proc.js';
import { until } from '../support/until.js';

export interface Streamed {
  rounds: number;
  fault: number;
  whole: number;
  /** Rounds in which the unmap came before there was anything to read. */
  certain: number;
  regions: number;
}

const [what = '', end = '', directory = '', count = ''] = process.argv.slice(2);
assert(what === 'source' || what === 'file');
assert(end === 'unmap' || end === 'collect');
const fromFifo = what === 'source';
const unmaps = end === 'unmap';

type Step = 'end' | 'gc' | 'turn' | 'fresh' | 'serve' | 'again';
const ORDERS = permutations<Step>(['end', 'gc', 'turn', 'fresh', 'serve', 'again']);
// Those with an unmap() that does not need the buffer, which has been moved.
const kinds = KINDS.filter((kind) => kind.writable && !kind.name.startsWith('mmap('));

const path = join(directory, 'mapped');
const source = join(directory, 'source');
const fifo = new Fifo(join(directory, 'fifo'));
const LENGTH = 3 * PAGE_SIZE + 24;
const pattern = (length: number, seed: number) =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => 1 + ((i * 7 + (i >> 12) + seed) % 255)));
const CONTENT = pattern(fileLength(LENGTH), 1);
const SENT = pattern(LENGTH, 100);
const ZEROS = Buffer.alloc(LENGTH);
const streamed: Streamed = { rounds: 0, fault: 0, whole: 0, certain: 0, regions: 0 };

/** A byte stream over a FIFO that reads into what it is given, as the standard's example does. */
function fifoStream(handle: FileHandle): ReadableStream<Uint8Array> {
  return new ReadableStream({
    type: 'bytes',
    pull: (controller) =>
      new Promise<void>((resolve, reject) => {
        const request = (controller as ReadableByteStreamController).byobRequest;
        const view = request?.view as Uint8Array;
        read(handle.fd, view, 0, view.byteLength, null, (error, moved) => {
          if (error) return reject(error);
          request?.respond(moved);
          resolve();
        });
      }),
  });
}

type BytesOption = { type: 'bytes' }; // what later versions do without being told
const fileStream = (handle: FileHandle) =>
  (handle.readableWebStream as (options: BytesOption) => ReadableStream<Uint8Array>)({
    type: 'bytes',
  });

// When a read of its stream has failed, whatever the error, a FileHandle's close() never settles, and a
// promise that nobody is given is rejected.
const failed: FileHandle[] = [];
process.on('unhandledRejection', (error: NodeJS.ErrnoException) => {
  if (fromFifo || error.code !== 'EFAULT') throw error;
});

async function round(number: number): Promise<void> {
  const order = ORDERS[(number * 7) % ORDERS.length] as Step[];
  const gcBetween = Math.floor(number / 30) % 2 === 1;
  const kind = kinds[number % kinds.length] as Kind;
  writeFileSync(path, CONTENT, { flag: 'r+' });
  const handle = await open(fromFifo ? join(directory, 'fifo') : source, fromFifo ? 'r+' : 'r');

  let mapped: Mapped | undefined = kind.make(path, LENGTH);
  const first = new WeakRef(mapped.buffer);
  const reader = (fromFifo ? fifoStream : fileStream)(handle).getReader({ mode: 'byob' });
  let ended = false;
  let served = false;
  let certain = false;
  let value: Uint8Array | undefined;

  const landed = reader.read(new Uint8Array(mapped.buffer)).then(
    (result) => {
      value = result.value;
      assert(value);
      // The unmap may have come in the middle of the copying: fewer bytes then, and zeros.
      const expected = ended && unmaps ? ZEROS : SENT;
      assert(
        Buffer.from(value).equals(expected.subarray(0, value.length)),
        'as soon as it is there',
      );
    },
    (error: NodeJS.ErrnoException) => {
      assert.equal(error.code, 'EFAULT');
      assert(ended && unmaps);
    },
  );
  if (fromFifo) await until('a read that waits', () => blockedOn(handle.fd));

  const fresh = new FreshMemory();
  const steps: Record<Step, () => unknown> = {
    end: () => {
      certain = unmaps && fromFifo && !served;
      ended = true;
      if (unmaps) mapped?.unmap();
      mapped = undefined;
    },
    gc: () => gc(),
    turn: () => turn(),
    fresh: () => fresh.map(LENGTH),
    serve: () => {
      served = true;
      if (fromFifo) fifo.feed(SENT);
    },
    again: () => {
      if (mapped === undefined) return;
      // The moved buffer is gone from the mapping, which makes another one over the same memory.
      const { buffer } = mapped;
      assert.equal(buffer.byteLength, LENGTH);
      assert.notEqual(buffer, first.deref());
      assert.equal(mapped.buffer, buffer);
      if (value) assert(Buffer.from(buffer).equals(SENT));
    },
  };
  for (const step of order) {
    await steps[step]();
    if (gcBetween) minorGc();
  }
  await landed;
  if (certain) {
    assert.equal(value, undefined);
    assert(fifo.drain().equals(SENT), 'what nobody got is still to be read');
    streamed.certain++;
  }
  const got = value;
  if (fromFifo) fifo.drain(); // what a read that was cut short has left
  if (got === undefined) {
    streamed.fault++;
  } else {
    streamed.whole++;
    if (!unmaps) assert.equal(got.length, LENGTH);
    const expected = (unmaps ? ZEROS : SENT).subarray(0, got.length);
    assert(Buffer.from(got).equals(expected), 'after all of it');
    got.fill(0x33); // may be written to as well, and goes nowhere once it is unmapped
    assert(got.every((byte) => byte === 0x33));
  }
  const now = readFileSync(path);
  const at = kind.offset ?? 0;
  if (got !== undefined && kind.reachesFile) {
    // What was read before an unmap has reached the file: all of it, or the part that there was time for.
    const last = (unmaps ? SENT : Buffer.alloc(LENGTH, 0x33)).subarray(0, got.length);
    assert(now.subarray(at, at + got.length).equals(last));
  } else if (certain || !kind.reachesFile) {
    assert(now.equals(CONTENT));
  }
  fresh.checkAndUnmap();
  await reader.cancel().catch(() => {}); // of a stream that has failed: the same error again
  if (fromFifo || got !== undefined) await handle.close();
  else failed.push(handle);
  streamed.rounds++;
}

writeFileSync(path, CONTENT);
writeFileSync(source, SENT);
for (let i = 0; i < Number(count); i++) await round(i);
await collected('every region given back', () => stats().regions === 0);
fifo.close();
console.log(JSON.stringify({ ...streamed, regions: stats().regions }));
