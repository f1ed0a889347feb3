// What unmap() leaves: nothing.
import { readFileSync, truncateSync, unlinkSync } from 'node:fs';
import { anonymous, type Mapping, map, SharedMemory, stats } from 'memmap';
import { MAP, mmap, munmap, PROT } from 'memmap/posix';
import { expect, test } from 'vitest';
import { descriptors } from './support/proc.js';
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
