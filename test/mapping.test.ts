// map() and Mapping as their users meet them: which bytes of which file, at which place.

import {
  closeSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { anonymous, Mapping, map, SharedMemory, stats } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { describe, expect, onTestFinished, test } from 'vitest';
import { fileState } from './support/bad.js';
import { areasOf, descriptors, maps } from './support/proc.js';
import { tempFile } from './support/temp.js';

const SIZE = 3 * PAGE_SIZE + 100;
/** No two neighbouring pages alike, and no two places 256 bytes apart. */
const pattern = (size = SIZE) =>
  Buffer.from(Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8)) & 255));
const ACCESS = ['read', 'write', 'copy'] as const;

describe('access', () => {
  test.each(ACCESS)("'%s' has the bytes of the file, and nothing past them", (access) => {
    const path = tempFile(pattern());
    using mapping = map(path, { access });
    expect(mapping).toBeInstanceOf(Mapping);
    expect(mapping).toMatchObject({ access, offset: 0, length: SIZE, closed: false, faults: [] });
    expect(mapping.bytes.equals(pattern())).toBe(true);
    expect(mapping.bytes[SIZE]).toBeUndefined();
    expect(mapping.buffer.byteLength).toBe(SIZE);
  });

  test("'read' is the default", () => {
    const path = tempFile(1);
    for (const options of [undefined, {}, { access: undefined as never }]) {
      using mapping = map(path, options);
      expect(mapping.access).toBe('read');
      expect(areasOf(path, maps()).map((area) => area.perms)).toEqual(['r--s']);
    }
  });

  test("'write' changes the file, at once and only where it was written", () => {
    const path = tempFile(pattern());
    using mapping = map(path, { access: 'write' });
    mapping.bytes.write('changed', 2 * PAGE_SIZE - 3);
    const expected = pattern();
    expected.write('changed', 2 * PAGE_SIZE - 3);
    expect(readFileSync(path).equals(expected)).toBe(true);
    expect(statSync(path).size).toBe(SIZE);
  });

  test("'copy' over a file and a descriptor that may only be read: the file stays as it is", () => {
    const path = tempFile(pattern());
    const fd = openSync(path, 'r');
    onTestFinished(() => closeSync(fd));
    for (const file of [path, fd]) {
      using mapping = map(file, { access: 'copy' });
      mapping.bytes.fill(0xaa);
      expect(mapping.bytes.every((byte) => byte === 0xaa)).toBe(true);
      expect(readFileSync(path).equals(pattern())).toBe(true);
    }
  });

  test('mappings of one file see what is written through another, and through write(2)', () => {
    const path = tempFile(pattern());
    using first = map(path, { access: 'write' });
    using second = map(path, { access: 'write', offset: PAGE_SIZE - 1 });
    using reader = map(path);
    first.bytes[PAGE_SIZE] = 1;
    expect(second.bytes[1]).toBe(1);
    second.bytes[2] = 2;
    expect([first.bytes[PAGE_SIZE + 1], reader.bytes[PAGE_SIZE + 1]]).toEqual([2, 2]);
    const fd = openSync(path, 'r+');
    writeSync(fd, Buffer.from([3]), 0, 1, PAGE_SIZE + 2);
    closeSync(fd);
    expect([first.bytes[PAGE_SIZE + 2], second.bytes[3]]).toEqual([3, 3]);
  });
});

describe('offset', () => {
  const offsets = [0, 1, PAGE_SIZE - 3, PAGE_SIZE, PAGE_SIZE + 3, 2 * PAGE_SIZE + 3, SIZE - 1];

  test.each(offsets)('%i: byte 0 is the byte at the offset, whatever the access', (offset) => {
    for (const access of ACCESS) {
      const path = tempFile(pattern());
      using rest = map(path, { access, offset });
      expect(rest).toMatchObject({ offset, length: SIZE - offset });
      expect(rest.bytes.equals(pattern().subarray(offset))).toBe(true);
      using one = map(path, { access, offset, length: 1 });
      expect([...one.bytes]).toEqual([pattern()[offset]]);
    }
  });

  test.each(offsets)('%i: what is written lands there', (offset) => {
    const path = tempFile(pattern());
    const length = Math.min(PAGE_SIZE + 1, SIZE - offset);
    using mapping = map(path, { access: 'write', offset, length });
    mapping.bytes.fill(0xbb);
    expect(readFileSync(path).equals(pattern().fill(0xbb, offset, offset + length))).toBe(true);
  });

  test.each(offsets)("%i: 'write' extends the file to offset + length", (offset) => {
    const path = tempFile(pattern());
    using mapping = map(path, { access: 'write', offset, length: 2 * SIZE });
    expect(statSync(path).size).toBe(offset + 2 * SIZE);
    expect(mapping.bytes.subarray(0, SIZE - offset).equals(pattern().subarray(offset))).toBe(true);
    expect(mapping.bytes.subarray(SIZE - offset).every((byte) => byte === 0)).toBe(true);
    mapping.bytes[2 * SIZE - 1] = 1;
    expect(readFileSync(path).at(-1)).toBe(1);
  });

  const GIB = 2 ** 30;
  test.each([2 * GIB - 1, 2 * GIB, 3 * GIB, 4 * GIB - 5, 4 * GIB, 0x14fff_ffff, 5 * GIB + 7])(
    '%i, in a file of holes',
    (offset) => {
      const path = tempFile(0);
      const fd = openSync(path, 'r+');
      onTestFinished(() => closeSync(fd));
      ftruncateSync(fd, 0x17fff_ffff);
      writeSync(fd, 'far out', offset);
      using mapping = map(path, { access: 'write', offset, length: 4096 });
      expect(mapping.bytes.toString('latin1', 0, 7)).toBe('far out');
      mapping.bytes.write('written', 100);
      const read = Buffer.alloc(7);
      readSync(fd, read, 0, 7, offset + 100);
      expect(read.toString()).toBe('written');
    },
  );

  test('a mapping of 5,000,000,000 bytes has every byte in its place', () => {
    const path = tempFile(0);
    using mapping = map(path, { access: 'write', length: 5e9, sparse: true });
    expect(mapping.length).toBe(5e9);
    const fd = openSync(path, 'r+');
    onTestFinished(() => closeSync(fd));
    for (const place of [0, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 4_999_999_996]) {
      mapping.view(DataView, place, 4).setUint32(0, place % 2 ** 32, true);
      const read = Buffer.alloc(4);
      readSync(fd, read, 0, 4, place);
      expect(read.readUInt32LE()).toBe(place % 2 ** 32);
    }
    expect(statSync(path).size).toBe(5e9);
  });
});

describe('length', () => {
  test.each(ACCESS)("'%s': 0 means to the end of the file", (access) => {
    const path = tempFile(pattern());
    for (const offset of [0, 5, PAGE_SIZE + 5]) {
      using mapping = map(path, { access, length: 0, offset });
      expect(mapping.length).toBe(SIZE - offset);
    }
    expect(statSync(path).size).toBe(SIZE);
  });

  test.each(ACCESS)(
    "'%s': an empty file, and an offset at the end, map to nothing",
    async (access) => {
      for (const size of [0, 10, PAGE_SIZE]) {
        const path = tempFile(size);
        const before = fileState(path);
        using mapping = map(path, { access, offset: size });
        expect(mapping).toMatchObject({ offset: size, length: 0, closed: false, faults: [] });
        expect(mapping.buffer.byteLength).toBe(0);
        expect(mapping.bytes.length).toBe(0);
        expect(mapping.view(Uint8Array).length).toBe(0);
        expect(mapping.view(DataView, 0, 0).byteLength).toBe(0);
        expect(fileState(path)).toEqual(before); // nothing is mapped
        if (access !== 'copy') {
          await mapping.flush();
          mapping.flushSync();
        }
        mapping.unmap();
        expect(mapping.closed).toBe(true);
      }
    },
  );

  test("'write' extends by allocation: the blocks are there", () => {
    const path = tempFile(10);
    using mapping = map(path, { access: 'write', length: 1 << 20 });
    const { size, blocks } = statSync(path);
    expect(size).toBe(mapping.length);
    expect(blocks * 512).toBeGreaterThanOrEqual(1 << 20);
  });

  test("with 'sparse' it does not", () => {
    const path = tempFile(10);
    const { blocks } = statSync(path);
    using mapping = map(path, { access: 'write', length: 1 << 20, sparse: true });
    expect(statSync(path)).toMatchObject({ size: mapping.length, blocks });
  });

  test('what is there already is neither cut nor allocated again', () => {
    const path = tempFile(pattern());
    const before = fileState(path);
    using mapping = map(path, { access: 'write', length: 10 });
    expect(mapping.length).toBe(10);
    expect(fileState(path)).toEqual({ ...(before as object), mapped: 1 });
  });
});

describe('the file', () => {
  const content = 'the content';

  test('may be named by a string, a Buffer or a URL, relative too', () => {
    const path = tempFile(content, 'naïve #1%.dat');
    const names = [path, relative('.', path), Buffer.from(path), pathToFileURL(path)];
    for (const name of names) {
      using mapping = map(name);
      expect(mapping.bytes.toString()).toBe(content);
    }
  });

  test('may be a descriptor, which stays as it is, and may be closed', async () => {
    const path = tempFile(content);
    const fd = openSync(path, 'r+');
    const position = Buffer.alloc(4);
    readSync(fd, position, 0, 4, null);
    using mapping = map(fd, { access: 'write' });
    readSync(fd, position, 0, 4, null);
    expect(position.toString()).toBe(content.slice(4, 8)); // its position is its own
    closeSync(fd);
    mapping.bytes.write('THE');
    expect(readFileSync(path, 'utf8')).toBe('THE content');
    await mapping.flush();
    mapping.flushSync();
    expect(mapping.faults).toEqual([]);
  });

  test('may be a FileHandle, which stays open until it is closed', async () => {
    const path = tempFile(content);
    const handle = await open(path, 'r+');
    using mapping = map(handle, { access: 'write' });
    using reader = map(handle);
    expect(await handle.readFile('utf8')).toBe(content);
    await handle.close();
    mapping.bytes.write('THE');
    expect(reader.bytes.toString()).toBe('THE content');
    await mapping.flush();
  });

  test('may lose its name, or be replaced: the mapping is of what was opened', async () => {
    const path = tempFile(content);
    using mapping = map(path, { access: 'write' });
    renameSync(path, `${path}.old`);
    writeFileSync(path, 'another file');
    mapping.bytes.write('THE');
    expect(readFileSync(path, 'utf8')).toBe('another file');
    expect(readFileSync(`${path}.old`, 'utf8')).toBe('THE content');
    unlinkSync(`${path}.old`);
    mapping.bytes.write('Tha');
    await mapping.flush();
    expect(mapping.bytes.toString()).toBe('Tha content');
  });

  test('is open once for each mapping until it is unmapped, and not for the children', () => {
    const path = tempFile(content);
    const before = stats();
    const opened = () =>
      [...descriptors()].filter(([, target]) => target === path).map(([fd]) => fd);
    const first = map(path);
    const second = map(path);
    expect(stats()).toMatchObject({
      descriptors: before.descriptors + 2,
      regions: before.regions + 2,
    });
    expect(opened()).toHaveLength(2);
    for (const fd of opened()) {
      // O_CLOEXEC of open(2).
      expect(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')).toMatch(/^flags:\s+0*2\d{6}$/m);
    }
    first.unmap();
    expect(opened()).toHaveLength(1);
    second.unmap();
    expect(opened()).toEqual([]);
    expect(areasOf(path, maps())).toEqual([]);
    expect(stats()).toEqual(before);
  });
});

describe('buffer and bytes', () => {
  const kinds: [string, () => Mapping][] = [
    ['map()', () => map(tempFile(pattern()), { access: 'write', offset: 3 })],
    ['anonymous()', () => anonymous(SIZE)],
    ['anonymous() private', () => anonymous(SIZE, { shared: false })],
    ['SharedMemory', () => SharedMemory.create(SIZE)],
  ];

  test.each(kinds)('%s: one buffer, and a Buffer over it', (_, make) => {
    using mapping = make();
    const { buffer, bytes } = mapping;
    expect(buffer).toBeInstanceOf(ArrayBuffer);
    expect(buffer.byteLength).toBe(mapping.length);
    expect(mapping.buffer).toBe(buffer);
    expect(mapping.bytes).toBe(bytes);
    expect(Buffer.isBuffer(bytes)).toBe(true);
    expect([bytes.buffer, bytes.byteOffset, bytes.length]).toEqual([buffer, 0, mapping.length]);
  });

  test.each(kinds)('%s: after the buffer was transferred there is a new one', async (_, make) => {
    using mapping = make();
    const { buffer, bytes } = mapping;
    // A stream that fills a buffer of its reader's takes it over, on every version of Node.
    const stream = new ReadableStream({
      type: 'bytes',
      pull({ byobRequest }) {
        const { buffer: memory, byteOffset = 0 } = byobRequest?.view ?? {};
        Buffer.from(memory ?? new ArrayBuffer(0), byteOffset).write('from a stream');
        byobRequest?.respond(13);
      },
    });
    const { value } = await stream.getReader({ mode: 'byob' }).read(new Uint8Array(buffer));
    expect([buffer.byteLength, bytes.length]).toEqual([0, 0]);
    expect(Buffer.from(value ?? []).toString()).toBe('from a stream');
    expect(mapping.buffer).not.toBe(buffer);
    expect(mapping.buffer).toBe(mapping.buffer);
    expect(mapping.bytes.toString('latin1', 0, 13)).toBe('from a stream');
    expect(mapping.bytes.buffer).toBe(mapping.buffer);
    // Both are over the same memory.
    mapping.bytes.write('FROM');
    expect(Buffer.from(value ?? []).toString()).toBe('FROM a stream');
  });

  test.each(kinds)('%s: unmap() detaches, once and for all', (_, make) => {
    const mapping = make();
    const { buffer, bytes } = mapping;
    const view = mapping.view(Uint8Array, 0, 10);
    mapping.unmap();
    expect([buffer.byteLength, bytes.length, view.length, view.buffer.byteLength]).toEqual([
      0, 0, 0, 0,
    ]);
    expect(bytes[0]).toBeUndefined();
    expect(() => mapping.buffer).toThrow(expect.objectContaining({ code: 'ERR_MAPPING_CLOSED' }));
    mapping.unmap();
  });

  test('search, overlapping moves and their limits are those of a Buffer', () => {
    using mapping = map(tempFile('one two ones'), { access: 'copy' });
    const { bytes } = mapping;
    expect([0, 1, 8].map((from) => bytes.indexOf('one', from))).toEqual([0, 8, 8]);
    expect([
      bytes.indexOf('onesies'),
      bytes.lastIndexOf('one'),
      bytes.lastIndexOf('one', 7),
    ]).toEqual([-1, 8, 0]);
    bytes.copyWithin(2, 0, 10);
    expect(bytes.toString()).toBe('onone two on');
    bytes.copyWithin(0, 2);
    expect(bytes.toString()).toBe('one two onon');
    expect(() => bytes.readUInt8(12)).toThrow(RangeError);
    expect(() => bytes.set(new Uint8Array(5), 8)).toThrow(RangeError);
  });
});

test('the end of a `using` block unmaps, also when the block throws', async () => {
  const path = tempFile(pattern());
  let kept: Mapping | undefined;
  expect(() => {
    using mapping = map(path);
    kept = mapping;
    throw new Error('in the block');
  }).toThrow('in the block');
  expect(kept?.closed).toBe(true);
  {
    await using mapping = map(path, { access: 'write' });
    kept = mapping;
  }
  expect(kept?.closed).toBe(true);
  expect(areasOf(path, maps())).toEqual([]);
});
