// Unmaps while the kernel reads into the mapping or writes from it, in every order of what may happen
// around that, and looks whether everybody was told the truth.
//
//   in-flight read|write unmap|collect DIRECTORY ROUNDS       (with node --expose-gc)
//
// The I/O is on a FIFO, so that it waits in the kernel for as long as it is meant to. Each round takes
// another order of the steps. With 'collect' nothing is unmapped: the mapping is only forgotten, and the
// I/O has to keep it. Prints how the I/O ended, as JSON; whatever is wrong is an exception.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { stats } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { Fifo } from '../support/fifo.js';
import { type Landing, READS, WRITES } from '../support/flight.js';
import { FreshMemory } from '../support/fresh.js';
import { collected, gc, minorGc } from '../support/gc.js';
import { fileLength, KINDS, type Kind, type Mapped } from '../support/kinds.js';
import { permutations } from '../support/orders.js';
import { blockedOn } from '../support/proc.js';
import { until } from '../support/until.js';

/** What a run adds up. */
export interface Summary {
  rounds: number;
  /** How the I/O ended. */
  fault: number;
  short: number;
  whole: number;
  /** Rounds in which the unmap came first for certain, and the I/O could only fail. */
  certain: number;
  regions: number;
  retiredBytes: number;
}

const [what = '', end = '', directory = '', count = ''] = process.argv.slice(2);
assert(what === 'read' || what === 'write');
assert(end === 'unmap' || end === 'collect');
const unmaps = end === 'unmap';
const reads = what === 'read';

/** 'serve' is what lets the I/O go on: bytes to read, or room to write into. */
type Step = 'end' | 'gc' | 'turn' | 'fresh' | 'serve';
const ORDERS = permutations<Step>(['end', 'gc', 'turn', 'fresh', 'serve']);
const kinds = reads ? KINDS.filter((kind) => kind.writable) : KINDS;

const path = join(directory, 'mapped');
const fifo = new Fifo(join(directory, 'fifo'));
const handle = await open(join(directory, 'fifo'), 'r+');
const CAPACITY = fifo.fill(0);
fifo.drain();

// Three pages and a bit to read; more than the FIFO holds to write.
const LENGTH = reads ? 3 * PAGE_SIZE + 77 : CAPACITY + 5 * PAGE_SIZE + 77;
const pattern = (length: number, seed: number) =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => 1 + ((i * 7 + (i >> 12) + seed) % 255)));
const CONTENT = pattern(fileLength(LENGTH), 1);
const SENT = pattern(LENGTH, 100);
const PREFILL = 0xee;

const summary: Summary = {
  rounds: 0,
  fault: 0,
  short: 0,
  whole: 0,
  certain: 0,
  regions: 0,
  retiredBytes: 0,
};

function tally(landing: Landing): void {
  if (landing.code !== undefined) {
    assert.equal(landing.code, 'EFAULT');
    summary.fault++;
  } else if (landing.moved < LENGTH) {
    assert(landing.moved > 0);
    summary.short++;
  } else {
    summary.whole++;
  }
}

function checkRead(kind: Kind, landing: Landing, certain: boolean): void {
  const rest = fifo.drain();
  assert.equal(landing.moved + rest.length, LENGTH);
  assert(rest.equals(SENT.subarray(landing.moved)), 'the rest is still to be read');
  if (certain) assert.equal(landing.code, 'EFAULT');
  if (!unmaps) {
    assert.equal(landing.moved, LENGTH);
    assert(landing.seen.equals(SENT), 'what was read is in the buffer');
  }
  if (kind.offset === undefined) return;
  const now = readFileSync(path);
  if (certain || !kind.reachesFile) {
    assert(now.equals(CONTENT), 'the file is as it was');
    return;
  }
  // A page of the FIFO of which the kernel could copy but a part is not counted, nor taken out
  // (pipe_read, fs/pipe.c): past the count some bytes may be new, as after any read(2).
  const at = kind.offset;
  const expected = Buffer.from(CONTENT);
  SENT.copy(expected, at, 0, landing.moved);
  for (let i = landing.moved; i < LENGTH; i++) {
    if (now[at + i] === SENT[i]) expected[at + i] = SENT[i] as number;
  }
  assert(now.equals(expected), 'what was read is in the file, and nothing else is');
}

function checkWrite(source: Buffer, landing: Landing, received: Buffer, certain: boolean): void {
  assert.equal(received.length, landing.moved, 'as many bytes arrived as it says');
  assert(received.equals(source.subarray(0, landing.moved)), "and they are the mapping's");
  if (certain) assert(landing.moved <= CAPACITY);
  if (!unmaps) assert.equal(landing.moved, LENGTH);
}

async function round(number: number): Promise<void> {
  // 7 has no common factor with 120: a short run sees different orders too.
  const order = ORDERS[(number * 7) % ORDERS.length] as Step[];
  const gcBetween = Math.floor(number / ORDERS.length) % 2 === 1;
  const kind = kinds[number % kinds.length] as Kind;
  const begin = (reads ? READS : WRITES)[Math.floor(number / kinds.length) % 3];
  assert(begin);
  const full = !reads && number % 2 === 1;

  const fresh = new FreshMemory();
  const received: Buffer[] = [];
  let served = false;
  let certain = false;
  if (reads) writeFileSync(path, CONTENT, { flag: 'r+' });
  const source =
    kind.offset === undefined ? SENT : CONTENT.subarray(kind.offset, kind.offset + LENGTH);

  let mapped: Mapped | undefined = kind.make(path, LENGTH);
  if (!reads && kind.offset === undefined) mapped.bytes.set(SENT);
  const prefilled = full ? fifo.fill(PREFILL) : 0;
  let landing: Landing | undefined;
  const landed = begin(handle, mapped.bytes).then((result) => {
    landing = result;
    return result;
  });
  await until('a read or write that waits', () => blockedOn(handle.fd));

  const steps: Record<Step, () => unknown> = {
    end: () => {
      certain = unmaps && !served;
      if (unmaps) mapped?.unmap();
      mapped = undefined;
    },
    gc: () => gc(),
    turn: () => turn(),
    fresh: () => fresh.map(LENGTH),
    serve: () => {
      served = true;
      if (reads) fifo.feed(SENT);
      else received.push(fifo.drain());
    },
  };
  for (const step of order) {
    await steps[step]();
    if (gcBetween) minorGc();
  }
  if (!reads) {
    await until('the end of the write', () => {
      received.push(fifo.drain());
      return landing !== undefined;
    });
    received.push(fifo.drain());
  }
  const result = await landed;
  if (reads) {
    checkRead(kind, result, certain);
  } else {
    const all = Buffer.concat(received);
    assert(all.subarray(0, prefilled).every((byte) => byte === PREFILL));
    if (certain && full) assert.equal(result.code, 'EFAULT');
    checkWrite(source, result, all.subarray(prefilled), certain);
  }
  fresh.checkAndUnmap();
  tally(result);
  if (certain) summary.certain++;
  summary.rounds++;
}

writeFileSync(path, CONTENT);
for (let i = 0; i < Number(count); i++) await round(i);
assert(readFileSync(path).length === CONTENT.length);
await collected('every region given back', () => stats().regions === 0);
await handle.close();
fifo.close();
const { regions, retiredBytes } = stats();
console.log(JSON.stringify({ ...summary, regions, retiredBytes }));
