// 'memmap/posix' against the man pages: the cases of the Linux Test Project for mmap, munmap, msync and
// ftruncate, as far as there are addresses in this language.

import { constants as bufferConstants } from 'node:buffer';
import {
  closeSync,
  constants,
  ftruncateSync,
  openSync,
  readFileSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { map, stats } from 'memmap';
import { ftruncate, MAP, MS, mmap, msync, munmap, PAGE_SIZE, PROT } from 'memmap/posix';
import { describe, expect, test } from 'vitest';
import { fileState, refused, shape } from './support/bad.js';
import { failure, mapped, openFd } from './support/posix.js';
import { areasOf, lockedBytes, maps, pagemap, smaps, total } from './support/proc.js';
import { tempFile } from './support/temp.js';

const RW = PROT.READ | PROT.WRITE;
/** Of no meaning to any kernel so far. */
const UNKNOWN = 1 << 23;
const ANON = MAP.PRIVATE | MAP.ANONYMOUS;

describe('mmap', () => {
  test('of a file: the bytes, not a copy of them', () => {
    const path = tempFile(PAGE_SIZE + 10);
    const fd = openSync(path, 'r+');
    const buffer = mapped(PAGE_SIZE + 10, RW, MAP.SHARED, fd);
    const second = mapped(10, PROT.READ, MAP.SHARED, fd, PAGE_SIZE);
    closeSync(fd);
    expect([buffer.byteLength, second.byteLength]).toEqual([PAGE_SIZE + 10, 10]);
    Buffer.from(buffer).write('written', PAGE_SIZE);
    expect(Buffer.from(second).toString('latin1', 0, 7)).toBe('written');
    expect(readFileSync(path).toString('latin1', PAGE_SIZE, PAGE_SIZE + 7)).toBe('written');
  });

  test('anonymous: zeros, whatever fd and offset are', () => {
    for (const flags of [ANON, MAP.SHARED | MAP.ANONYMOUS]) {
      for (const more of [[], [-1], [-1, 0], [999_999], [0, PAGE_SIZE]] as const) {
        const bytes = Buffer.from(mapped(3 * PAGE_SIZE - 1, RW, flags, ...more));
        expect(bytes.every((byte) => byte === 0)).toBe(true);
        bytes.fill(1);
        expect(bytes.every((byte) => byte === 1)).toBe(true);
      }
    }
  });

  // mmap01
  test('bytes past the end of the file, in its last page, are zero and never written back', () => {
    const path = tempFile('the end of the file');
    const size = statSync(path).size;
    const fd = openFd(path);
    const bytes = Buffer.from(mapped(PAGE_SIZE, RW, MAP.SHARED, fd));
    expect(bytes.subarray(size).every((byte) => byte === 0)).toBe(true);
    bytes.fill('x', size);
    bytes.write('THE');
    msync(bytes, MS.SYNC);
    munmap(bytes.buffer as ArrayBuffer);
    expect(readFileSync(path, 'utf8')).toBe('THE end of the file');
    // Nor do they come to light when the file grows.
    ftruncate(fd, PAGE_SIZE);
    expect(
      readFileSync(path)
        .subarray(size)
        .every((byte) => byte === 0),
    ).toBe(true);
  });

  // mmap04
  const protections: [PROT, string][] = [
    [PROT.NONE, '---'],
    [PROT.READ, 'r--'],
    [PROT.WRITE, '-w-'],
    [PROT.READ | PROT.WRITE, 'rw-'],
    [PROT.EXEC, '--x'],
    [PROT.READ | PROT.EXEC, 'r-x'],
    [PROT.WRITE | PROT.EXEC, '-wx'],
    [PROT.READ | PROT.WRITE | PROT.EXEC, 'rwx'],
  ];
  test.each(protections)('protection %i is %s in /proc/self/maps', (prot, shown) => {
    for (const [flags, last] of [
      [MAP.SHARED, 's'],
      [MAP.SHARED_VALIDATE, 's'],
      [MAP.PRIVATE, 'p'],
    ] as const) {
      // biome-ignore format: a list
      const path = tempFile(3 * PAGE_SIZE);
      mapped(PAGE_SIZE, prot, flags, openFd(path), PAGE_SIZE);
      const [area, ...others] = areasOf(path, maps());
      expect(others).toEqual([]);
      expect(area?.perms).toBe(shown + last);
      expect([area?.offset, (area?.end ?? 0) - (area?.start ?? 0)]).toEqual([PAGE_SIZE, PAGE_SIZE]);
    }
  });

  // mmap06
  test.each([
    ['write-only, private', constants.O_WRONLY, PROT.READ, MAP.PRIVATE],
    ['write-only, shared', constants.O_WRONLY, PROT.READ, MAP.SHARED],
    ['write-only, to write', constants.O_WRONLY, PROT.WRITE, MAP.SHARED],
    ['read-only, to write', constants.O_RDONLY, RW, MAP.SHARED],
    ['read-only, to write only', constants.O_RDONLY, PROT.WRITE, MAP.SHARED_VALIDATE],
  ])('a descriptor that is %s: EACCES', (_, mode, prot, flags) => {
    const path = tempFile(PAGE_SIZE);
    const fd = openFd(path, mode);
    const error = refused(
      () => mmap(PAGE_SIZE, prot, flags, fd),
      () => fileState(path),
    );
    expect(shape(error)).toEqual(failure('EACCES', 13, 'mmap'));
  });

  test('a read-only descriptor suffices for private pages that are written to', () => {
    const path = tempFile(PAGE_SIZE);
    const bytes = Buffer.from(mapped(PAGE_SIZE, RW, MAP.PRIVATE, openFd(path, 'r')));
    bytes.fill(1);
    expect(readFileSync(path).every((byte) => byte === 0)).toBe(true);
  });

  test('length 0, no sharing, an unaligned offset: EINVAL', () => {
    const path = tempFile(3 * PAGE_SIZE);
    const fd = openFd(path);
    const calls = [
      () => mmap(0, RW, MAP.SHARED, fd),
      () => mmap(0, RW, ANON),
      () => mmap(PAGE_SIZE, RW, 0 as MAP, fd),
      () => mmap(PAGE_SIZE, RW, MAP.ANONYMOUS),
      () => mmap(PAGE_SIZE, RW, MAP.POPULATE, fd),
      ...[1, 100, PAGE_SIZE - 1, PAGE_SIZE + 1].map((offset) => () => mmap(1, RW, MAP.SHARED, fd, offset)), // biome-ignore format: one idea
    ];
    for (const call of calls) {
      expect(shape(refused(call, () => fileState(path)))).toEqual(failure('EINVAL', 22, 'mmap'));
    }
  });

  // mmap08
  test('a descriptor that is closed, or none: EBADF', () => {
    const fd = openSync(tempFile(PAGE_SIZE), 'r+');
    closeSync(fd);
    for (const none of [fd, -1, 999_999, 2 ** 31 - 1]) {
      const error = refused(() => mmap(PAGE_SIZE, RW, MAP.SHARED, none));
      expect(shape(error)).toEqual(failure('EBADF', 9, 'mmap'));
    }
  });

  // mmap12
  test('POPULATE: every page is there before it is touched', () => {
    const path = tempFile(16 * PAGE_SIZE);
    const fd = openFd(path);
    for (const flags of [MAP.SHARED, MAP.PRIVATE]) {
      const buffer = mapped(16 * PAGE_SIZE, RW, flags | MAP.POPULATE, fd);
      const [area] = areasOf(path, maps());
      expect(pagemap(area?.start ?? 0, 16).every((page) => page.present)).toBe(true);
      munmap(buffer);
      // Without it none is.
      mapped(16 * PAGE_SIZE, RW, flags, fd);
      const [other] = areasOf(path, maps());
      expect(pagemap(other?.start ?? 0, 16).some((page) => page.present)).toBe(false);
      munmap(mapped(PAGE_SIZE, RW, ANON | MAP.POPULATE));
    }
  });

  // mmap14
  test('LOCKED: counted in VmLck, until munmap', () => {
    const path = tempFile(4 * PAGE_SIZE);
    const before = lockedBytes();
    const buffer = mapped(4 * PAGE_SIZE, RW, MAP.SHARED | MAP.LOCKED, openFd(path));
    expect(lockedBytes() - before).toBe(4 * PAGE_SIZE);
    expect(areasOf(path, smaps())[0]?.flags).toContain('lo');
    munmap(buffer);
    expect(lockedBytes()).toBe(before);
  });

  // mmap20
  test('SHARED_VALIDATE with a flag that is none: EOPNOTSUPP, where SHARED overlooks it', () => {
    const fd = openFd(tempFile(PAGE_SIZE));
    for (const unknown of [UNKNOWN, MAP.SYNC]) {
      const error = refused(() => mmap(PAGE_SIZE, RW, MAP.SHARED_VALIDATE | unknown, fd));
      expect(shape(error)).toEqual(failure('EOPNOTSUPP', 95, 'mmap'));
    }
    expect(mapped(PAGE_SIZE, RW, MAP.SHARED | UNKNOWN, fd).byteLength).toBe(PAGE_SIZE);
  });

  const beyond = bufferConstants.MAX_LENGTH + 1;
  test.skipIf(beyond > Number.MAX_SAFE_INTEGER)('more than the largest ArrayBuffer is said', () => {
    const fd = openFd(tempFile(0));
    ftruncateSync(fd, beyond);
    for (const call of [
      () => mmap(beyond, RW, MAP.SHARED, fd),
      () => mmap(beyond, PROT.NONE, ANON | MAP.NORESERVE),
      () => mmap(Number.MAX_SAFE_INTEGER, RW, MAP.SHARED, fd),
    ]) {
      expect(shape(refused(call))).toEqual({ name: 'Error', code: 'ERR_FEATURE_UNAVAILABLE' });
    }
    // The largest is not too large.
    const buffer = mapped(bufferConstants.MAX_LENGTH, PROT.READ, ANON | MAP.NORESERVE);
    expect(buffer.byteLength).toBe(bufferConstants.MAX_LENGTH);
  });
});

describe('munmap', () => {
  test('the area is gone, and the buffer and its views have no length', () => {
    const path = tempFile(2 * PAGE_SIZE);
    const before = stats();
    const buffer = mmap(2 * PAGE_SIZE, RW, MAP.SHARED, openFd(path));
    const views = [
      new Uint8Array(buffer),
      new Float64Array(buffer, PAGE_SIZE),
      Buffer.from(buffer, 1),
    ];
    expect(areasOf(path, maps())).toHaveLength(1);
    munmap(buffer);
    expect(areasOf(path, maps())).toEqual([]);
    expect([buffer, ...views].map((one) => one.byteLength)).toEqual([0, 0, 0, 0]);
    expect(stats()).toMatchObject({
      mappedBytes: before.mappedBytes,
      descriptors: before.descriptors,
    });
  });

  test('twice is a TypeError', () => {
    const buffer = mmap(PAGE_SIZE, RW, ANON);
    munmap(buffer);
    expect(() => munmap(buffer)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }));
  });

  test('of the buffer of a Mapping ends the Mapping', () => {
    const mapping = map(tempFile(PAGE_SIZE));
    munmap(mapping.buffer);
    expect(mapping.closed).toBe(true);
    mapping.unmap();
  });
});

describe('msync', () => {
  // msync03
  test('INVALIDATE on locked memory: EBUSY', () => {
    const fd = openFd(tempFile(PAGE_SIZE));
    const buffer = mapped(PAGE_SIZE, RW, MAP.SHARED | MAP.LOCKED, fd);
    for (const flags of [MS.INVALIDATE, MS.INVALIDATE | MS.SYNC, MS.INVALIDATE | MS.ASYNC]) {
      const error = refused(() => msync(buffer, flags));
      expect(shape(error)).toEqual(failure('EBUSY', 16, 'msync'));
    }
    // It was not the disk that failed.
    expect(msync(buffer, MS.SYNC)).toBeUndefined();
  });

  test('of memory that has no file, of private pages, of what may only be read: nothing to do', () => {
    const fd = openFd(tempFile(PAGE_SIZE), 'r');
    for (const buffer of [
      mapped(PAGE_SIZE, RW, ANON),
      mapped(PAGE_SIZE, RW, MAP.SHARED | MAP.ANONYMOUS),
      mapped(PAGE_SIZE, RW, MAP.PRIVATE, fd),
      mapped(PAGE_SIZE, PROT.READ, MAP.SHARED, fd),
      mapped(PAGE_SIZE, PROT.NONE, MAP.SHARED, fd),
    ]) {
      for (const flags of [0 as MS, MS.ASYNC, MS.SYNC, MS.INVALIDATE]) {
        expect(msync(buffer, flags)).toBeUndefined();
      }
    }
  });

  // msync04
  test('SYNC: the pages are clean; of a view, those that it touches', (context) => {
    const path = tempFile(4 * PAGE_SIZE);
    if (statfsSync(path).type === 0x01021994) context.skip('the temporary directory is in memory');
    const buffer = mapped(4 * PAGE_SIZE, RW, MAP.SHARED, openFd(path));
    const bytes = new Uint8Array(buffer);
    const dirty = () => total(areasOf(path, smaps()), 'Shared_Dirty', 'Private_Dirty');
    const regions: [string, ArrayBuffer | ArrayBufferView][] = [
      ['the buffer', buffer],
      ['a typed array', bytes],
      [
        'a DataView from the first page to the last',
        new DataView(buffer, PAGE_SIZE - 1, 2 * PAGE_SIZE + 2),
      ],
      ['one of eight bytes an element', new Float64Array(buffer, PAGE_SIZE - 8, PAGE_SIZE / 4 + 2)],
      ['a Buffer', Buffer.from(buffer)],
    ];
    for (const [name, region] of regions) {
      bytes.fill(1);
      expect(dirty(), name).toBe(4 * PAGE_SIZE);
      msync(region, MS.SYNC);
      expect(dirty(), name).toBe(0);
    }
  });

  test('of a part of no bytes', () => {
    const buffer = mapped(PAGE_SIZE, RW, MAP.SHARED, openFd(tempFile(PAGE_SIZE)));
    expect(msync(new Uint8Array(buffer, 0, 0), MS.SYNC)).toBeUndefined();
    expect(msync(new Uint8Array(buffer, PAGE_SIZE, 0), MS.SYNC)).toBeUndefined();
  });
});

describe('ftruncate', () => {
  test('shortens and extends, with zeros and without blocks', () => {
    const path = tempFile('one two three');
    const fd = openFd(path);
    ftruncate(fd, 7);
    expect(readFileSync(path, 'utf8')).toBe('one two');
    ftruncate(fd, 10);
    expect(readFileSync(path, 'utf8')).toBe('one two\0\0\0');
    const { blocks } = statSync(path);
    ftruncate(fd, 2 ** 33);
    expect(statSync(path)).toMatchObject({ size: 2 ** 33, blocks });
    ftruncate(fd, 0);
    expect(statSync(path)).toMatchObject({ size: 0, blocks: 0 });
  });

  // mmap09
  test('of a file that is mapped: shorter, longer, to nothing', () => {
    const path = tempFile(3 * PAGE_SIZE);
    const fd = openFd(path);
    const bytes = Buffer.from(mapped(3 * PAGE_SIZE, RW, MAP.SHARED, fd));
    bytes.fill(1);
    ftruncate(fd, PAGE_SIZE + 10);
    // What remains, and the rest of its last page, which is zero now.
    expect(bytes.subarray(0, PAGE_SIZE + 10).every((byte) => byte === 1)).toBe(true);
    expect(bytes.subarray(PAGE_SIZE + 10, 2 * PAGE_SIZE).every((byte) => byte === 0)).toBe(true);
    ftruncate(fd, 4 * PAGE_SIZE);
    writeSync(fd, Buffer.from([7]), 0, 1, 2 * PAGE_SIZE);
    expect([...bytes.subarray(2 * PAGE_SIZE, 2 * PAGE_SIZE + 2)]).toEqual([7, 0]);
    ftruncate(fd, 0);
    expect(statSync(path).size).toBe(0);
    ftruncate(fd, PAGE_SIZE);
    expect(bytes[0]).toBe(0);
  });
});
