// The memory of a mapping's buffer is moved to another ArrayBuffer, in every order of that with unmap,
// garbage collection and the rest.
//
//   transfer unmap|collect DIRECTORY ROUNDS       (with node --expose-gc)
//
// A moved buffer has the mapping's bytes for as long as it is mapped. unmap() does not know it and
// leaves it its length: from then on it has zeros, that the guard laid there, and what is written to it
// goes nowhere. munmap() is given it, and detaches it. Anything else is an exception. Prints counts.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { stats } from 'memmap';
import { munmap, PAGE_SIZE } from 'memmap/posix';
import { FreshMemory } from '../support/fresh.js';
import { collected, gc, minorGc } from '../support/gc.js';
import { fileLength, KINDS, type Kind, type Mapped } from '../support/kinds.js';
import { MOVES } from '../support/moves.js';
import { permutations } from '../support/orders.js';

export interface Transferred {
  rounds: number;
  /** Looks at a moved buffer that saw the mapping's bytes, and that saw zeros. */
  bytes: number;
  zeros: number;
  regions: number;
}

const [end = '', directory = '', count = ''] = process.argv.slice(2);
assert(end === 'unmap' || end === 'collect');
const unmaps = end === 'unmap';

type Step = 'move' | 'end' | 'gc' | 'fresh' | 'again' | 'look';
const ORDERS = permutations<Step>(['move', 'end', 'gc', 'fresh', 'again', 'look']);

const path = join(directory, 'mapped');
const LENGTH = 2 * PAGE_SIZE + 24;
const pattern = (length: number, seed: number) =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => 1 + ((i * 7 + (i >> 12) + seed) % 255)));
const CONTENT = pattern(fileLength(LENGTH), 1);
const NEW = 0x33;
const transferred: Transferred = { rounds: 0, bytes: 0, zeros: 0, regions: 0 };

async function round(number: number): Promise<void> {
  const order = ORDERS[(number * 7) % ORDERS.length] as Step[];
  const kind = KINDS[number % KINDS.length] as Kind;
  const move = MOVES[Math.floor(number / KINDS.length) % MOVES.length];
  assert(move);
  const turns = Math.floor(number / 60) % 2 === 1;

  writeFileSync(path, CONTENT, { flag: 'r+' });
  let mapped: Mapped | undefined = kind.make(path, LENGTH);
  let buffer: ArrayBuffer | undefined = mapped.buffer;
  const at = kind.offset ?? 0;
  const expected =
    kind.offset === undefined ? Buffer.alloc(LENGTH) : CONTENT.subarray(at, at + LENGTH);
  let moved: ArrayBuffer | undefined;
  let ended = false;
  const fresh = new FreshMemory();

  const look = (): void => {
    if (moved === undefined) return;
    if (ended && unmaps && moved.byteLength === 0) return; // munmap() was given it
    const bytes = Buffer.from(moved);
    if (ended && unmaps) {
      assert(bytes.equals(Buffer.alloc(LENGTH)));
      bytes[LENGTH - 1] = NEW;
      assert.equal(bytes[LENGTH - 1], NEW);
      bytes[LENGTH - 1] = 0;
      transferred.zeros++;
    } else {
      assert.equal(bytes.length, LENGTH);
      assert(bytes.equals(expected));
      transferred.bytes++;
    }
  };

  const steps: Record<Step, () => unknown> = {
    move: async () => {
      const from = buffer;
      buffer = undefined;
      if (from === undefined || from.byteLength === 0) return; // it was unmapped before
      moved = await move(from);
      assert.equal(from.byteLength, 0);
      assert.equal(moved.byteLength, LENGTH);
    },
    end: () => {
      ended = true;
      if (!unmaps) {
        mapped = undefined;
        if (moved === undefined) buffer = undefined;
        return;
      }
      if (mapped?.mapping) {
        mapped.unmap();
      } else {
        const last = moved ?? buffer;
        assert(last);
        munmap(last);
        assert.equal(last.byteLength, 0);
      }
    },
    gc: () => gc(),
    fresh: () => fresh.map(LENGTH),
    again: () => {
      const mapping = mapped?.mapping;
      if (mapping === undefined) return;
      if (ended) {
        assert.throws(() => mapping.buffer, { code: 'ERR_MAPPING_CLOSED' });
        return;
      }
      const anew = mapping.buffer;
      assert.equal(anew.byteLength, LENGTH);
      assert.equal(mapping.buffer, anew);
      assert.equal(anew === buffer, moved === undefined);
      assert(Buffer.from(anew).equals(expected));
    },
    look,
  };
  for (const step of order) {
    await steps[step]();
    if (turns) {
      await turn();
      minorGc();
    }
  }
  look();
  // And writing: through the moved buffer to the file, as long as there is one.
  const last = moved;
  if (last !== undefined && last.byteLength !== 0) {
    new Uint8Array(last)[0] = NEW;
    assert.equal(new Uint8Array(last)[0], NEW);
  }
  const file = Buffer.from(CONTENT);
  if (last !== undefined && !unmaps && kind.reachesFile) file[at] = NEW;
  assert(readFileSync(path).equals(file));
  fresh.checkAndUnmap();
  transferred.rounds++;
}

writeFileSync(path, CONTENT);
for (let i = 0; i < Number(count); i++) await round(i);
await collected('every region given back', () => stats().regions === 0);
console.log(JSON.stringify({ ...transferred, regions: stats().regions }));
