// More that may be in flight at an unmap: transfers of regular files, stopped anywhere; a socket, both
// ways; a pool thread that writes by itself, without the kernel; and a FIFO with the guard off.
//
//   in-flight-races file-read|file-write|socket|onread|pool|unguarded DIRECTORY ROUNDS   (node --expose-gc)
//
// Whatever is wrong is an exception. Prints how often the transfer failed, was cut short, was whole.

import assert from 'node:assert/strict';
import { randomFill } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { map, setGuard, stats } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { Fifo } from '../support/fifo.js';
import { READS, WRITES } from '../support/flight.js';
import { FreshMemory } from '../support/fresh.js';
import { collected, gc } from '../support/gc.js';
import { random } from '../support/orders.js';
import { blockedOn } from '../support/proc.js';
import { until } from '../support/until.js';

export interface Races {
  rounds: number;
  fault: number;
  short: number;
  whole: number;
}

const [what = '', directory = '', count = ''] = process.argv.slice(2);
const MAPPED = join(directory, 'mapped');
const OTHER = join(directory, 'other');
const FIFO = join(directory, 'fifo');
const next = random(2024);
const races: Races = { rounds: 0, fault: 0, short: 0, whole: 0 };
const pattern = (length: number, seed: number) =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => 1 + ((i * 11 + (i >> 12) + seed) % 255)));

function tally(moved: number, length: number): void {
  races.rounds++;
  if (moved === 0) races.fault++;
  else if (moved < length) races.short++;
  else races.whole++;
}

/** Some work on this thread, no two times the same, while others do theirs. */
function dally(most: number): void {
  let sum = 0;
  for (let left = next() * most; left > 0; left--) sum += Math.sqrt(left);
  assert(sum >= 0);
}

const LARGE = 1 << 20;
const MAPPED_BYTES = pattern(LARGE, 5);
const OTHER_BYTES = pattern(LARGE, 77);

/** From a file into a mapped file: what is said to have been read is in that file. */
async function fileRead(round: number): Promise<void> {
  writeFileSync(MAPPED, MAPPED_BYTES, { flag: round === 0 ? 'w' : 'r+' });
  if (round === 0) writeFileSync(OTHER, OTHER_BYTES);
  await using handle = await open(OTHER, 'r');
  const mapping = map(MAPPED, { access: 'write' });
  const begin = READS[round % READS.length];
  const landing = begin?.(handle, mapping.bytes);
  dally(20_000);
  mapping.unmap();
  const fresh = new FreshMemory();
  fresh.map(LARGE, 1);
  const { code, moved } = (await landing) ?? { code: undefined, moved: -1 };
  assert(code === undefined || code === 'EFAULT');
  const now = readFileSync(MAPPED);
  assert(now.subarray(0, moved).equals(OTHER_BYTES.subarray(0, moved)));
  // Of the page in which it stopped a part may have been copied, and is not counted.
  const after = Math.ceil((moved + 1) / PAGE_SIZE) * PAGE_SIZE;
  assert(now.subarray(after).equals(MAPPED_BYTES.subarray(after)));
  fresh.checkAndUnmap();
  tally(moved, LARGE);
}

/** From a mapping to a file: that is as long as it is said, and holds the mapping's bytes. */
async function fileWrite(round: number): Promise<void> {
  if (round === 0) writeFileSync(MAPPED, MAPPED_BYTES);
  writeFileSync(OTHER, '');
  await using handle = await open(OTHER, 'r+');
  const mapping = map(MAPPED, { access: round % 2 === 0 ? 'read' : 'copy' });
  const begin = WRITES[round % WRITES.length];
  const landing = begin?.(handle, mapping.bytes);
  dally(20_000);
  mapping.unmap();
  const fresh = new FreshMemory();
  fresh.map(LARGE, 1);
  const { code, moved } = (await landing) ?? { code: undefined, moved: -1 };
  assert(code === undefined || code === 'EFAULT');
  assert(readFileSync(OTHER).equals(MAPPED_BYTES.subarray(0, moved)));
  fresh.checkAndUnmap();
  tally(moved, LARGE);
}

async function socketPair(options: object = {}): Promise<[Socket, Socket]> {
  const path = join(directory, `socket-${races.rounds}`);
  const server = createServer({ pauseOnConnect: true }).listen(path);
  await once(server, 'listening');
  const client = connect({ path, ...options });
  const [[served]] = await Promise.all([once(server, 'connection'), once(client, 'connect')]);
  server.close();
  return [client, served as Socket];
}

/** A socket that nobody reads from: most of the write waits in Node, and meets the unmap. */
async function socketWrite(): Promise<void> {
  const LENGTH = 8 * LARGE;
  if (races.rounds === 0) writeFileSync(MAPPED, pattern(LENGTH, 3));
  const [client, served] = await socketPair();
  const mapping = map(MAPPED);
  const failed = new Promise<NodeJS.ErrnoException>((resolve) => client.once('error', resolve));
  client.write(mapping.bytes);
  if (next() < 0.5) await turn();
  mapping.unmap();
  const fresh = new FreshMemory();
  if (next() < 0.5) gc();
  fresh.map(LENGTH, 1);
  const parts: Buffer[] = [];
  served.on('data', (part) => parts.push(part)).resume();
  const [error] = await Promise.all([failed, once(served, 'close')]);
  assert.equal(error.code, 'EFAULT');
  const got = Buffer.concat(parts);
  assert(got.length < LENGTH);
  assert(got.equals(readFileSync(MAPPED).subarray(0, got.length)));
  fresh.checkAndUnmap();
  tally(got.length, LENGTH);
}

/** A socket that reads into a mapping, again and again. */
async function socketRead(): Promise<void> {
  const LENGTH = 16 * PAGE_SIZE;
  const bytes = pattern(LENGTH, 8);
  if (races.rounds === 0) writeFileSync(MAPPED, bytes);
  const mapping = map(MAPPED, { access: 'copy' });
  let moved = 0;
  const onread = {
    buffer: mapping.bytes,
    callback: (got: number) => {
      moved += got;
      return true;
    },
  };
  const [client, served] = await socketPair({ onread });
  served.on('error', () => {}); // EPIPE or ECONNRESET, when the other end has failed
  const failed = new Promise<NodeJS.ErrnoException>((resolve) => client.once('error', resolve));
  served.write(bytes);
  await until('the first bytes', () => moved > 0);
  mapping.unmap();
  const fresh = new FreshMemory();
  if (next() < 0.5) gc();
  fresh.map(LENGTH);
  served.write(bytes); // one of the two is still to be read: that read can only fail
  assert.equal((await failed).code, 'EFAULT');
  served.destroy();
  fresh.checkAndUnmap();
  tally(moved, LENGTH * 2);
}

/** A pool thread that touches retired pages itself gets pages from the guard, and nobody else's. */
async function pool(): Promise<void> {
  const LENGTH = 2 * LARGE;
  if (races.rounds === 0) writeFileSync(MAPPED, pattern(LENGTH, 9));
  const mapping = map(MAPPED, { access: 'copy' });
  const filled = new Promise<unknown>((resolve) => randomFill(mapping.bytes, resolve));
  dally(100_000);
  mapping.unmap();
  const fresh = new FreshMemory();
  if (next() < 0.2) gc();
  fresh.map(LENGTH, 1);
  assert.equal(await filled, null);
  fresh.checkAndUnmap();
  tally(mapping.faults.length === 0 ? LENGTH : 1, LENGTH);
}

let fifo: Fifo | undefined;

/** With the guard off retired pages are writable: nobody is told, and nobody is harmed. */
async function unguarded(): Promise<void> {
  const LENGTH = 3 * PAGE_SIZE;
  if (races.rounds === 0) {
    setGuard(false);
    writeFileSync(MAPPED, pattern(LENGTH, 1));
    fifo = new Fifo(FIFO);
  }
  assert(fifo);
  await using handle = await open(FIFO, 'r+');
  const mapping = map(MAPPED, { access: 'write' });
  const landing = READS[races.rounds % READS.length]?.(handle, mapping.bytes);
  await until('a read that waits', () => blockedOn(handle.fd));
  mapping.unmap();
  gc();
  await turn();
  const fresh = new FreshMemory();
  fresh.map(LENGTH);
  fifo.feed(pattern(LENGTH, 2));
  const { code, moved } = (await landing) ?? { code: undefined, moved: -1 };
  assert.equal(code, undefined);
  assert.equal(moved, LENGTH);
  assert(readFileSync(MAPPED).equals(pattern(LENGTH, 1)), 'the file was let go of');
  fresh.checkAndUnmap();
  tally(moved, LENGTH);
}

const RACES: Record<string, (round: number) => Promise<void>> = {
  'file-read': fileRead,
  'file-write': fileWrite,
  socket: socketWrite,
  onread: socketRead,
  pool,
  unguarded,
};
const race = RACES[what];
assert(race);
for (let round = 0; round < Number(count); round++) await race(round);
fifo?.close();
truncateSync(MAPPED, 0); // nobody minds any more
await collected('every region given back', () => stats().regions === 0);
console.log(JSON.stringify(races));
