// flush() and flushSync(): when they are done, the kernel holds no page that is not on the disk.

import { closeSync, openSync, readFileSync, statfsSync, truncateSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { anonymous, type Mapping, map, SharedMemory, stats } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { describe, expect, type TestContext, test } from 'vitest';
import { held, shape } from './support/bad.js';
import { areasOf, smaps, total } from './support/proc.js';
import { tempDir, tempFile } from './support/temp.js';

const LENGTH = 8 * PAGE_SIZE;
const TMPFS = 0x01021994; // statfs(2)

const reason = (promise: Promise<unknown>) =>
  promise.then(
    () => 'resolved',
    (error: unknown) => error,
  );

/** Bytes of the file's pages that this process knows to be dirty. */
const dirty = (path: string) => total(areasOf(path, smaps()), 'Shared_Dirty', 'Private_Dirty');

/** A file on a disk: in memory no page is ever clean. */
function diskFile(context: TestContext): string {
  const path = tempFile(LENGTH);
  if (statfsSync(path).type === TMPFS) context.skip('the temporary directory is in memory');
  return path;
}

describe('forms', () => {
  const forms: [string, (mapping: Mapping) => Promise<void>][] = [
    ['no argument', (m) => m.flush()],
    ['undefined', (m) => m.flush(undefined, undefined)],
    ['an offset', (m) => m.flush(PAGE_SIZE)],
    ['an offset that is not aligned', (m) => m.flush(2)],
    ['an offset and a length', (m) => m.flush(PAGE_SIZE - 1, 2)],
    ['a length only', (m) => m.flush(undefined, 5)],
    ['nothing, at the beginning', (m) => m.flush(0, 0)],
    ['nothing, at the end', (m) => m.flush(m.length, 0)],
    ['the last byte', (m) => m.flush(m.length - 1, 1)],
    ['ranges', (m) => m.flush([[0, 10], [5 * PAGE_SIZE + 1, 3], [PAGE_SIZE, PAGE_SIZE]])], // biome-ignore format: a list
    ['ranges that overlap', (m) => m.flush([[0, LENGTH], [3, 3], [3, 3]])], // biome-ignore format: a list
    ['no ranges', (m) => m.flush([])],
    ['ranges of nothing', (m) => m.flush([[0, 0], [9, 0]])], // biome-ignore format: a list
    ['a set of ranges', (m) => m.flush(new Set([[1, 1] as const]))],
    ['a generator', (m) => m.flush((function* () { for (let i = 0; i < 100; i++) yield [i, 1] as const; })())], // biome-ignore format: a list
  ];

  test.each(forms)('%s', async (_, flush) => {
    const path = tempFile(LENGTH);
    for (const access of ['write', 'read'] as const) {
      using mapping = map(path, { access });
      const before = held();
      const promise = flush(mapping);
      expect(promise).toBeInstanceOf(Promise);
      expect(await promise).toBeUndefined();
      expect(held()).toEqual(before);
    }
    using shifted = map(path, { access: 'write', length: LENGTH + 3, offset: PAGE_SIZE - 3 });
    expect(await flush(shifted)).toBeUndefined();
    using memory = SharedMemory.create(LENGTH);
    expect(await flush(memory)).toBeUndefined();
    using shared = anonymous(LENGTH); // nothing that outlives the process: nothing to do
    expect(await flush(shared)).toBeUndefined();
  });

  test.each([
    [undefined, undefined],
    [0, 0],
    [5, undefined],
    [undefined, 9],
    [PAGE_SIZE - 1, 2],
    [LENGTH, 0],
    [LENGTH, undefined],
  ])('flushSync(%s, %s)', (offset, length) => {
    const path = tempFile(LENGTH);
    for (const access of ['write', 'read'] as const) {
      using mapping = map(path, { access });
      const before = held();
      expect(mapping.flushSync(offset, length)).toBeUndefined();
      expect(held()).toEqual(before);
    }
    using memory = SharedMemory.create(LENGTH);
    expect(memory.flushSync(offset, length)).toBeUndefined();
    using shared = anonymous(LENGTH);
    expect(shared.flushSync(offset, length)).toBeUndefined();
  });
});

describe('reaches the disk', () => {
  const ways: [string, (mapping: Mapping) => void | Promise<void>][] = [
    ['flush()', (m) => m.flush()],
    ['flush() of two ranges', (m) => m.flush([[0, 5 * PAGE_SIZE], [5 * PAGE_SIZE, 3 * PAGE_SIZE]])], // biome-ignore format: a list
    ['flush() of parts of pages', (m) => m.flush([[PAGE_SIZE - 1, 1], [PAGE_SIZE, 1], [2 * PAGE_SIZE + 9, LENGTH - 2 * PAGE_SIZE - 9]])], // biome-ignore format: a list
    ['flushSync()', (m) => m.flushSync()],
    [
      'flushSync() of a part of every page',
      (m) => m.flushSync(PAGE_SIZE - 1, LENGTH - 2 * PAGE_SIZE + 2),
    ],
  ];

  test.for(ways)('%s: the pages are clean', async ([, flush], context) => {
    const path = diskFile(context);
    using mapping = map(path, { access: 'write' });
    mapping.bytes.fill(1);
    expect(dirty(path)).toBe(LENGTH);
    await flush(mapping);
    expect(dirty(path)).toBe(0);
  });

  test('a flush that was called before unmap() writes the right bytes', async (context) => {
    const path = diskFile(context);
    // Looks on, with every page in its table, so that smaps counts them.
    using witness = map(path);
    const sum = () => witness.bytes.reduce((all, byte) => all + byte, 0);
    for (let round = 1; round <= 20; round++) {
      const mapping = map(path, { access: 'write' });
      mapping.bytes.fill(round);
      expect(sum()).toBe(round * LENGTH);
      expect(dirty(path)).toBeGreaterThan(0);
      const flushed = round % 2 ? mapping.flush() : mapping.flush([[0, 100], [100, LENGTH - 100]]); // biome-ignore format: a list
      mapping.unmap();
      expect(await flushed).toBeUndefined();
      expect(dirty(path)).toBe(0);
      expect(readFileSync(path).every((byte) => byte === round)).toBe(true);
    }
  });

  test('flushes that race unmap() and the next mapping all resolve, and let go of the file', async () => {
    const path = tempFile(LENGTH);
    const before = stats();
    const pending: Promise<void>[] = [];
    for (let round = 0; round < 200; round++) {
      const mapping = map(path, { access: 'write', length: LENGTH });
      mapping.view(Uint8Array, 0, 1)[0] = round;
      pending.push(mapping.flush(), mapping.flush(round % LENGTH, 1), mapping.flush([[0, 1]]));
      mapping.unmap();
      expect(areasOf(path, smaps()).filter((area) => area.perms === 'rw-s')).toEqual([]);
    }
    expect(await Promise.all(pending)).toEqual(pending.map(() => undefined));
    expect(stats().descriptors).toBe(before.descriptors);
    expect(readFileSync(path)[0]).toBe(199);
  });

  test('flushes of one mapping end in the order in which they were called', async () => {
    using mapping = map(tempFile(LENGTH), { access: 'write' });
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        mapping.bytes[i] = i;
        // The longest first.
        await mapping.flush(0, LENGTH - i * 1000 > 0 ? LENGTH - i * 1000 : 1);
        order.push(i);
      }),
    );
    expect(order).toEqual(order.map((_, i) => i));
    expect(order).toHaveLength(20);
  });

  test('the end of an `await using` block flushes first', async (context) => {
    const path = diskFile(context);
    using witness = map(path);
    {
      await using mapping = map(path, { access: 'write' });
      mapping.bytes.fill(5);
      expect(witness.bytes.every((byte) => byte === 5)).toBe(true);
      expect(dirty(path)).toBeGreaterThan(0);
    }
    expect(dirty(path)).toBe(0);
  });

  test('the first flush of a file that was made finds its directory, also when it has moved on', async () => {
    for (const change of [
      () => undefined,
      (path: string) => unlinkSync(path),
      (path: string) => truncateSync(path, LENGTH + 1),
    ]) {
      const path = join(tempDir(), 'made');
      using mapping = map(path, { access: 'write', create: true, length: LENGTH });
      mapping.bytes.fill(1);
      change(path);
      expect(await mapping.flush(0, 0)).toBeUndefined();
      expect(await mapping.flush()).toBeUndefined();
      expect(mapping.flushSync()).toBeUndefined();
    }
  });
});

describe('is refused', () => {
  const ACCESS = { name: 'Error', code: 'ERR_MAPPING_ACCESS' };

  test("of a 'copy' and of private memory, where there is nothing to write", async () => {
    const path = tempFile(LENGTH);
    for (const mapping of [map(path, { access: 'copy' }), anonymous(LENGTH, { shared: false })]) {
      mapping.bytes.fill(1);
      expect(shape(await reason(mapping.flush()))).toEqual(ACCESS);
      expect(shape(await reason(mapping.flush(0, 1)))).toEqual(ACCESS);
      expect(shape(await reason(mapping.flush([[0, 1]])))).toEqual(ACCESS);
      expect(() => mapping.flushSync()).toThrow(expect.objectContaining(ACCESS));
      // Its end is no flush.
      await mapping[Symbol.asyncDispose]();
      expect(mapping.closed).toBe(true);
    }
  });

  test('after unmap(), also when flushes before it are still running', async () => {
    const mapping = map(tempFile(LENGTH), { access: 'write' });
    mapping.bytes.fill(1);
    const earlier = mapping.flush();
    mapping.unmap();
    expect(shape(await reason(mapping.flush()))).toEqual({
      name: 'Error',
      code: 'ERR_MAPPING_CLOSED',
    });
    expect(await earlier).toBeUndefined();
  });

  test('never by a throw: all of it is in the promise', async () => {
    const mapping = map(tempFile(LENGTH));
    mapping.unmap();
    const promises = [mapping.flush(), mapping.flush(-1), mapping.flush({} as never)];
    for (const promise of promises) expect(await reason(promise)).toBeInstanceOf(Error);
  });

  test('a flush that fails does not stop the ones after it', async () => {
    const path = tempFile(LENGTH);
    using mapping = map(path, { access: 'write' });
    const failed = mapping.flush(LENGTH + 1);
    const after = mapping.flush();
    expect(shape(await reason(failed))).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    expect(await after).toBeUndefined();
  });
});

test('a descriptor opened for reading only can flush what others wrote', async () => {
  const path = tempFile(LENGTH);
  const fd = openSync(path, 'r');
  using mapping = map(fd);
  closeSync(fd);
  using writer = map(path, { access: 'write' });
  writer.bytes.fill(1);
  await mapping.flush();
  expect(mapping.bytes.every((byte) => byte === 1)).toBe(true);
});
