// A mapping's memory that was moved to another ArrayBuffer goes on living where the add-on does not see it.
//
//   moved in-flight DIRECTORY ROUNDS    unmapped by munmap() while a read into the moved buffer is in flight
//   moved ended DIRECTORY ROUNDS        posted to another thread by a worker, which then ends
//                                       (node --expose-gc)
//
// Whatever is wrong is an exception, or the end of the process. Prints how many rounds were run, as JSON.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { map, stats } from 'memmap';
import { MAP, mmap, munmap, PAGE_SIZE, PROT } from 'memmap/posix';
import { Fifo } from '../support/fifo.js';
import { READS } from '../support/flight.js';
import { FreshMemory } from '../support/fresh.js';
import { collected, gc } from '../support/gc.js';
import { MOVES } from '../support/moves.js';
import { blockedOn } from '../support/proc.js';
import { until } from '../support/until.js';

const LENGTH = 4 * PAGE_SIZE;
const CONTENT = Buffer.from(Uint8Array.from({ length: LENGTH }, (_, i) => 1 + (i % 251)));
const SENT = Buffer.alloc(LENGTH, 0x77);

function mapPosix(path: string): ArrayBuffer {
  const fd = openSync(path, 'r+');
  try {
    return mmap(LENGTH, PROT.READ | PROT.WRITE, MAP.SHARED, fd);
  } finally {
    closeSync(fd);
  }
}

async function roundInFlight(fifo: Fifo, handle: FileHandle, path: string, round: number) {
  const move = MOVES[round % MOVES.length];
  const read = READS[Math.floor(round / MOVES.length) % READS.length];
  assert(move && read);
  // No name for the first buffer: once moved from it is garbage, and collected here.
  const moved = await move(mapPosix(path));
  gc();
  await turn();
  const landing = read(handle, new Uint8Array(moved));
  await until('a read that waits', () => blockedOn(handle.fd));
  munmap(moved);
  assert.equal(moved.byteLength, 0);
  gc();
  await turn();
  await turn();
  const fresh = new FreshMemory();
  fresh.map(LENGTH);
  fifo.feed(SENT);
  assert.deepEqual(await landing, { code: 'EFAULT', moved: 0, seen: Buffer.alloc(0) });
  assert(fifo.drain().equals(SENT));
  fresh.checkAndUnmap();
  assert(readFileSync(path).equals(CONTENT));
}

async function inFlight(directory: string, rounds: number): Promise<void> {
  const path = join(directory, 'mapped');
  writeFileSync(path, CONTENT);
  const fifo = new Fifo(join(directory, 'fifo'));
  await using handle = await open(join(directory, 'fifo'), 'r+');
  for (let round = 0; round < rounds; round++) await roundInFlight(fifo, handle, path, round);
  await collected('every region given back', () => stats().regions === 0);
  fifo.close();
}

interface Job {
  path: string;
  round: number;
}

/** In the worker: moves a buffer, posts it, and ends in one of several states. */
async function handOver({ path, round }: Job): Promise<void> {
  const posix = round % 2 === 1;
  const how = Math.floor(round / 2) % 4;
  const mapping = posix ? undefined : map(path, { access: 'write', length: LENGTH });
  const move = MOVES[round % MOVES.length];
  assert(move && parentPort);
  const first = [mapping?.buffer ?? mapPosix(path)];
  const moved = await move(first[0] as ArrayBuffer);
  if (how === 1) {
    first.length = 0; // gone, unless the mapping keeps it
    gc();
    await turn();
  }
  Object.assign(globalThis, { first }); // not collected before the end
  parentPort.postMessage(moved, [moved]);
  if (how === 2) mapping?.unmap();
  if (how === 3) process.exit(0);
}

/**
 * In the main thread: the bytes are there, or zeros after an unmap(), and nobody else's ever. Either when the
 * buffer that they were moved from has been collected: the add-on does not know then that there is another.
 */
async function ended(directory: string, rounds: number): Promise<void> {
  const path = join(directory, 'mapped');
  for (let round = 0; round < rounds; round++) {
    writeFileSync(path, CONTENT);
    const worker = new Worker(new URL(import.meta.url), { workerData: { path, round } });
    const [[moved]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
    const how = Math.floor(round / 2) % 4;
    const zeros = Buffer.alloc(LENGTH);
    const fresh = new FreshMemory();
    fresh.map(LENGTH);
    const bytes = new Uint8Array(moved as ArrayBuffer);
    const seen = Buffer.from(bytes);
    const unmapped = (how === 2 && round % 2 === 0) || (how === 1 && seen.equals(zeros));
    assert(seen.equals(unmapped ? zeros : CONTENT));
    bytes.fill(0x77);
    assert(bytes.every((byte) => byte === 0x77));
    assert(readFileSync(path).equals(unmapped ? CONTENT : SENT));
    fresh.checkAndUnmap();
    if (round % 3 === 0) continue; // forgotten
    munmap(moved as ArrayBuffer);
    assert.equal(bytes.length, 0);
  }
}

if (isMainThread) {
  const [what = '', directory = '', count = ''] = process.argv.slice(2);
  assert(what === 'in-flight' || what === 'ended');
  await (what === 'ended' ? ended : inFlight)(directory, Number(count));
  console.log(JSON.stringify({ rounds: Number(count) }));
} else {
  await handOver(workerData as Job);
}
