// What unmap() leaves: nothing.
import { readFileSync, truncateSync, unlinkSync } from 'node:fs';
import { anonymous, type Mapping, map, SharedMemory, stats } from 'memmap';
import { MAP, mmap, munmap, PROT } from 'memmap/posix';
import { expect, test } from 'vitest';
import { collected } from './support/gc.js';
import { fileLength, KINDS } from './support/kinds.js';
import { areasOf, descriptors, maps } from './support/proc.js';
import { tempFile } from './support/temp.js';

const code = (value: string) => expect.objectContaining({ code: value });
const everyView = (mapping: Mapping) => [
  mapping.bytes,
  new Uint8Array(mapping.buffer),
  new DataView(mapping.buffer, 8),
  mapping.bytes.subarray(3),
  mapping.view(Float64Array, 0, 4),
  mapping.view(DataView, 5),
  [...mapping.windows(Uint16Array, 100)].at(-1)!.view,
];
// byteLength of a DataView over a detached buffer throws; that of its buffer is 0.
const lengths = (views: ArrayBufferView[]) => views.map((view) => view.buffer.byteLength);

test.each(['read', 'write', 'copy'] as const)(
  '%s: every view has length 0, and the file is free',
  (access) => {
    const path = tempFile(16_384);
    const before = stats();
    const mapping = map(path, { access });
    const views = everyView(mapping);
    expect(lengths(views).every((length) => length > 0)).toBe(true);
    const named = () => readFileSync('/proc/self/maps', 'utf8').includes(path);
    const open = () => [...descriptors().values()].includes(path);
    expect([named(), open()]).toEqual([true, true]);

    mapping.unmap();
    expect(lengths(views)).toEqual(views.map(() => 0));
    expect(views[0]!.byteLength).toBe(0);
    expect([named(), open(), mapping.closed]).toEqual([false, false, true]);
    expect(stats().mappedBytes).toBe(before.mappedBytes);
    expect(stats().descriptors).toBe(before.descriptors);
    truncateSync(path, 0);
    unlinkSync(path);

    mapping.unmap(); // idempotent
    expect(() => mapping.buffer).toThrow(code('ERR_MAPPING_CLOSED'));
    expect(() => mapping.view(Uint8Array)).toThrow(code('ERR_MAPPING_CLOSED'));
  },
);

test('anonymous and shared memory, and what mmap() returned', () => {
  for (const mapping of [
    anonymous(4096),
    anonymous(4096, { shared: false }),
    SharedMemory.create(4096),
  ]) {
    const { buffer } = mapping;
    mapping.unmap();
    expect(buffer.byteLength).toBe(0);
  }
  const buffer = mmap(4096, PROT.READ, MAP.SHARED | MAP.ANONYMOUS);
  const view = new Int32Array(buffer);
  munmap(buffer);
  expect([buffer.byteLength, view.length]).toEqual([0, 0]);
  expect(() => munmap(buffer)).toThrow(TypeError);
});

test('munmap() of the buffer of a Mapping ends the Mapping, with its descriptor', () => {
  const path = tempFile(4096);
  const mapping = map(path);
  munmap(mapping.buffer);
  expect(mapping.closed).toBe(true);
  expect([...descriptors().values()]).not.toContain(path);
  mapping.unmap();
});

test('using and await using unmap, also when the block throws', async () => {
  const path = tempFile(4096);
  let seen: Mapping | undefined;
  expect(() => {
    using mapping = map(path);
    seen = mapping;
    throw new Error('on the way');
  }).toThrow('on the way');
  expect(seen?.closed).toBe(true);

  await expect(
    (async () => {
      await using mapping = map(path, { access: 'write' });
      seen = mapping;
      mapping.bytes[0] = 0x41;
      throw new Error('on the way');
    })(),
  ).rejects.toThrow('on the way');
  expect(seen?.closed).toBe(true);
  expect(readFileSync(path)[0]).toBe(0x41);
});

test.each(KINDS)('$name: nothing is left, and in the end not even the addresses', async (kind) => {
  const LENGTH = 5000;
  const path = tempFile(fileLength(LENGTH));
  const before = stats();
  const views = (() => {
    const mapped = kind.make(path, LENGTH);
    const { buffer } = mapped;
    const all = [mapped.bytes, new BigInt64Array(buffer, 8, 3), Buffer.from(buffer, 1, 9)];
    expect(areasOf(path, maps())).toHaveLength(kind.offset === undefined ? 0 : 1);
    expect(all.every((view) => view.byteLength > 0)).toBe(true);
    mapped.unmap();
    expect(buffer.byteLength).toBe(0);
    expect(mapped.mapping?.closed ?? true).toBe(true);
    return all;
  })();
  expect(views.map((view) => [view.length, view.byteLength, view.byteOffset])).toEqual(
    views.map(() => [0, 0, 0]),
  );
  expect(areasOf(path, maps())).toEqual([]);
  expect([...descriptors().values()]).not.toContain(path);
  // The views are still there: so are the addresses, and nothing else.
  const { mappedBytes, descriptors: open, regions } = stats();
  expect({ mappedBytes, open }).toEqual({
    mappedBytes: before.mappedBytes,
    open: before.descriptors,
  });
  expect(regions).toBeGreaterThan(0);
  truncateSync(path, 0); // no page of it is left to be lost
  expect(stats().faults).toBe(before.faults);
  views.length = 0;
  await collected('its region', () => stats().regions === 0);
});

test('await using unmaps when the flush fails, and tells of both errors', async () => {
  const path = tempFile(4096);
  let seen: Mapping | undefined;
  const lose = async (thrown?: Error) => {
    await using mapping = map(path, { access: 'write' });
    seen = mapping;
    truncateSync(path, 0);
    mapping.bytes[0] = 1; // is lost
    truncateSync(path, 4096);
    if (thrown) throw thrown;
  };
  await expect(lose()).rejects.toThrow(code('ERR_MAPPING_FAULT'));
  expect(seen?.closed).toBe(true);
  const thrown = new Error('on the way');
  await expect(lose(thrown)).rejects.toMatchObject({
    name: 'SuppressedError',
    error: { code: 'ERR_MAPPING_FAULT' },
    suppressed: thrown,
  });
  expect(seen?.closed).toBe(true);
});
