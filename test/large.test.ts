// Mappings of more than fits anywhere: every byte at its right place, also beyond 2^32 and 2^31.

import { kMaxLength } from 'node:buffer';
import { closeSync, ftruncateSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Mapping, map } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { describe, expect, onTestFinished, type TestContext, test } from 'vitest';
import { tempDir } from './support/temp.js';

const GiB = 2 ** 30;
const TiB = 2 ** 40;
const WINDOW = 2 ** 26;

/** A sparse file of so many bytes, and a descriptor of it. */
function sparse(context: TestContext, length: number): { path: string; fd: number } {
  const path = join(tempDir(), 'sparse.dat');
  const fd = openSync(path, 'w+');
  onTestFinished(() => closeSync(fd));
  try {
    ftruncateSync(fd, length);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EFBIG') throw error;
    context.skip(`files of ${length} bytes are too large for the temporary directory`);
  }
  return { path, fd };
}
function byteAt(fd: number, position: number): number {
  const byte = new Uint8Array(1);
  expect(readSync(fd, byte, 0, 1, position)).toBe(1);
  return byte[0] ?? -1;
}
/** Places all over a file of this length: beginning and end, around powers of two, and at random. */
function places(length: number): number[] {
  const fixed = [0, 1, PAGE_SIZE, length - PAGE_SIZE - 1, length - 2, length - 1];
  const powers = [2 ** 31, 2 ** 32, 2 ** 33, 2 ** 39].flatMap((n) => [n - 1, n]);
  const random = Array.from({ length: 40 }, () => Math.floor(Math.random() * length));
  return [...new Set([...fixed, ...powers, ...random])].filter((at) => at < length);
}

type Access = (mapping: Mapping, at: number) => { get(): number; set(byte: number): void };
/** Ways to a byte of a mapping. */
const byBuffer: Access = ({ bytes }, at) => ({
  get: () => bytes[at] ?? -1,
  set: (byte) => {
    bytes[at] = byte;
  },
});
const byView: Access = (mapping, at) => {
  const view = mapping.view(Uint8Array, at, 1);
  return {
    get: () => view[0] ?? -1,
    set: (byte) => {
      view[0] = byte;
    },
  };
};
const bySlide: Access = (mapping, at) => {
  const page = at - (at % PAGE_SIZE);
  const { bytes } = mapping;
  expect(mapping.slide(page)).toBeGreaterThan(at - page);
  return {
    get: () => bytes[at - page] ?? -1,
    set: (byte) => {
      bytes[at - page] = byte;
    },
  };
};
const ways: [string, number | undefined, Access][] = [
  ['one mapping, through `buffer`', undefined, byBuffer],
  ['one mapping, through view()', undefined, byView],
  ['a window, through slide()', WINDOW, bySlide],
];

describe('a sparse file of 1 TiB', () => {
  test.for(ways)('%s', ([, length, access], context) => {
    if (access === byBuffer && kMaxLength < TiB) {
      context.skip(`an ArrayBuffer of this runtime has at most ${kMaxLength} bytes`);
    }
    const { path, fd } = sparse(context, TiB);
    using mapping = map(path, {
      access: 'write',
      advice: 'random',
      ...(length === undefined ? {} : { length }),
    });
    expect(mapping.length).toBe(length ?? TiB);
    const at = places(TiB);
    for (const [i, place] of at.entries()) access(mapping, place).set(1 + i);
    for (const [i, place] of at.entries()) {
      expect(byteAt(fd, place), `the file at ${place}`).toBe(1 + i);
      expect(access(mapping, place).get(), `the mapping at ${place}`).toBe(1 + i);
    }
    // The other way round.
    for (const [i, place] of at.entries()) {
      writeSync(fd, Uint8Array.of(200 - i), 0, 1, place);
      expect(access(mapping, place).get(), `the mapping at ${place}`).toBe(200 - i);
    }
    const { size, blocks } = statSync(path);
    expect(size).toBe(TiB);
    // It stayed sparse: nothing was written anywhere else.
    expect(blocks * 512).toBeLessThan(at.length * 16 * PAGE_SIZE);
  });

  test('`buffer` where the runtime cannot: said, and never a shorter one', (context) => {
    if (kMaxLength >= TiB) context.skip('this runtime can');
    const { path } = sparse(context, TiB);
    using mapping = map(path);
    const UNAVAILABLE = expect.objectContaining({ code: 'ERR_FEATURE_UNAVAILABLE' });
    expect(() => mapping.buffer).toThrow(UNAVAILABLE);
    expect(() => mapping.view(Uint8Array)).toThrow(UNAVAILABLE);
    expect(mapping.view(Uint8Array, TiB - 10)).toHaveLength(10);
  });
});

test.for([2, 3, 4, 5])('an offset of %i GiB', (count, context) => {
  const { path, fd } = sparse(context, 6 * GiB);
  for (const shift of [0, 1, PAGE_SIZE - 3, PAGE_SIZE + 3]) {
    const offset = count * GiB + shift;
    writeSync(fd, Uint8Array.of(count, shift % 256, 77), 0, 3, offset);
    using mapping = map(path, { access: 'write', offset, length: 100 });
    expect(mapping.offset).toBe(offset);
    expect([...mapping.bytes.subarray(0, 3)]).toEqual([count, shift % 256, 77]);
    mapping.bytes[99] = count + 1;
    expect(byteAt(fd, offset + 99)).toBe(count + 1);
    // Not at what is left of the offset in 32 or in 31 bits.
    const wrapped = [2 ** 32, 2 ** 31].map((n) => (offset + 99) % n);
    for (const at of wrapped) if (at !== offset + 99) expect(byteAt(fd, at)).toBe(0);
  }
});

test('a length of 5e9 bytes, by map(), by resize() and by slide()', (context) => {
  const length = 5e9;
  const { path, fd } = sparse(context, 100);
  using mapping = map(path, { access: 'write', sparse: true, length });
  expect([mapping.length, statSync(path).size]).toEqual([length, length]);
  mapping.view(Uint8Array, length - 1, 1)[0] = 9;
  expect(byteAt(fd, length - 1)).toBe(9);
  expect(() => mapping.view(Uint8Array, length, 1)).toThrow(
    expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }),
  );
  mapping.resize(length + 5);
  expect([mapping.length, statSync(path).size]).toEqual([length + 5, length + 5]);
  mapping.view(Uint8Array, length + 4, 1)[0] = 8;
  expect(byteAt(fd, length + 4)).toBe(8);
  expect(mapping.slide(PAGE_SIZE)).toBe(length + 5 - PAGE_SIZE);
  expect(mapping.view(Uint8Array, length - 1 - PAGE_SIZE, 1)[0]).toBe(9);
  mapping.slide(0);
  mapping.resize(length);
  expect([mapping.length, statSync(path).size]).toEqual([length, length]);
  expect(mapping.view(Uint8Array, length - 1, 1)[0]).toBe(9);
});

test('flush() and prefetch() of ranges beyond 4 GiB', async (context) => {
  const { path, fd } = sparse(context, 6 * GiB);
  using mapping = map(path, { access: 'write', advice: 'random' });
  mapping.view(Uint8Array, 5 * GiB + 7, 1)[0] = 5;
  await mapping.flush(5 * GiB, PAGE_SIZE);
  await mapping.flush([[4 * GiB, 1], [5 * GiB + 7, 1], [6 * GiB - 1, 1]]); // biome-ignore format: a list
  await mapping.prefetch(5 * GiB, PAGE_SIZE);
  expect(byteAt(fd, 5 * GiB + 7)).toBe(5);
  expect(mapping.residency(5 * GiB, 1)).toMatchObject({ pages: 1, resident: 1 });
});

test('windows() over 5 GiB: every window at its place, and no byte twice', (context) => {
  const total = 5 * GiB + 24;
  const { path, fd } = sparse(context, total);
  const elements = 2 ** 27 - 1; // of 8 bytes: a window ends nowhere in particular
  using mapping = map(path, { access: 'write', advice: 'random' });
  let next = 0;
  let number = 0;
  for (const { view, byteOffset } of mapping.windows(BigUint64Array, elements)) {
    expect(byteOffset).toBe(next);
    next += view.byteLength;
    view[0] = BigInt(++number);
    view[view.length - 1] = BigInt(100 + number);
  }
  expect(next).toBe(total);
  expect(number).toBe(Math.ceil(total / (elements * 8)));
  const there = Array.from({ length: number }, (_, i) => [
    byteAt(fd, i * elements * 8),
    byteAt(fd, Math.min((i + 1) * elements * 8, total) - 8),
  ]);
  expect(there).toEqual(there.map((_, i) => [i + 1, i + 101]));
});
