// mmap(), munmap(), msync() and ftruncate() with arguments that are no good.

import { closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { runInNewContext } from 'node:vm';
import { anonymous, map } from 'memmap';
import { ftruncate, MAP, MS, mmap, msync, munmap, PAGE_SIZE, PROT } from 'memmap/posix';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  badInteger,
  fileState,
  outOfRange,
  refused,
  refuses,
  shape,
  wrongType,
  wrongTypes,
} from './support/bad.js';
import { tempFile } from './support/temp.js';

const RW = PROT.READ | PROT.WRITE;
const ANON = MAP.PRIVATE | MAP.ANONYMOUS;
const MAX_INT = 2 ** 31 - 1;

function open(path: string, flags: string | number = 'r+'): number {
  const fd = openSync(path, flags);
  onTestFinished(() => closeSync(fd));
  return fd;
}

/** A buffer of mmap(), until the test is done. */
function mapped(length = PAGE_SIZE, flags: MAP = ANON): ArrayBuffer {
  const buffer = mmap(length, RW, flags);
  onTestFinished(() => {
    if (buffer.byteLength > 0) munmap(buffer);
  });
  return buffer;
}

describe('mmap()', () => {
  test('length', () => {
    refuses('length', badInteger(), (value) => mmap(value, RW, ANON));
  });

  test('prot', () => {
    refuses('prot', badInteger({ max: MAX_INT }), (value) => mmap(PAGE_SIZE, value, ANON));
    // PROT_GROWSDOWN and PROT_GROWSUP reach further than the range, and other bits are none of mmap's.
    const others = outOfRange(8, 16, 0x01000000, 0x02000000, MAX_INT);
    refuses('prot', others, (value) => mmap(PAGE_SIZE, value, ANON));
  });

  test('flags', () => {
    const bad = badInteger({ min: -(2 ** 31), max: 2 ** 32 - 1 });
    refuses('flags', bad, (value) => mmap(PAGE_SIZE, RW, value));
  });

  test('fd', () => {
    const bad = badInteger({ min: -1, max: MAX_INT }, 'undefined');
    refuses('fd', bad, (value) => mmap(PAGE_SIZE, RW, MAP.SHARED, value));
    refuses('fd', outOfRange(-2), (value) => mmap(PAGE_SIZE, RW, ANON, value));
  });

  test('offset', () => {
    const path = tempFile(PAGE_SIZE);
    const fd = open(path);
    const call = (value: never) => mmap(PAGE_SIZE, RW, MAP.SHARED, fd, value);
    refuses('offset', badInteger({}, 'undefined'), call, () => fileState(path));
  });

  test.each([
    ['MAP_FIXED', 0x10],
    ['MAP_FIXED_NOREPLACE', 0x100000],
    ['MAP_GROWSDOWN', 0x100],
  ])('%s: no argument reaches memory that is not ours', (_, flag) => {
    const path = tempFile(PAGE_SIZE);
    const fd = open(path);
    for (const flags of [
      ANON | flag,
      MAP.SHARED | flag,
      MAP.SHARED_VALIDATE | flag,
      flag,
      flag | 0x80000000,
    ]) {
      const error = refused(
        () => mmap(PAGE_SIZE, RW, flags, fd),
        () => fileState(path),
      );
      expect(shape(error)).toEqual({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
      // Written without a sign too.
      expect(shape(refused(() => mmap(PAGE_SIZE, RW, flags >>> 0, fd)))).toMatchObject({
        code: 'ERR_OUT_OF_RANGE',
      });
    }
  });
});

/** Everything that might be taken for a buffer of ours. */
function foreign(): unknown[] {
  const ours = mapped();
  const closed = mapped();
  const ofClosed = new Uint8Array(closed);
  munmap(closed);
  const gone = new ArrayBuffer(PAGE_SIZE);
  structuredClone(gone, { transfer: [gone] });
  return [
    new ArrayBuffer(PAGE_SIZE),
    new ArrayBuffer(0),
    new ArrayBuffer(8, { maxByteLength: 16 } as never),
    gone,
    closed,
    runInNewContext('new ArrayBuffer(4096)'),
    Object.create(ArrayBuffer.prototype),
    new Proxy(ours, {}),
    { __proto__: ours, byteLength: PAGE_SIZE },
    ours.slice(0),
    // For msync() only; munmap() takes no views and no shared buffers at all.
    new SharedArrayBuffer(PAGE_SIZE),
    new SharedArrayBuffer(0),
    new Uint8Array(PAGE_SIZE),
    new DataView(new ArrayBuffer(8)),
    new Float64Array(new SharedArrayBuffer(8)),
    new DataView(new SharedArrayBuffer(8)),
    Buffer.from('a buffer of the pool'),
    ofClosed,
    new Proxy(new Uint8Array(ours), {}),
    Object.create(Uint8Array.prototype),
  ];
}

describe('munmap()', () => {
  test('wrong types', () => {
    refuses('buffer', wrongTypes(), munmap);
  });

  test('buffers that this package did not make, or has unmapped', () => {
    for (const value of foreign()) {
      const error = refused(() => munmap(value as never));
      expect(shape(error)).toEqual({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
    }
  });

  test('views of a buffer of ours', () => {
    const ours = mapped();
    const views = [
      new Uint8Array(ours),
      new DataView(ours),
      Buffer.from(ours),
      Buffer.from(ours, 8),
    ];
    refuses('buffer', wrongType(...views), munmap);
    expect(ours.byteLength).toBe(PAGE_SIZE);
  });
});

describe('msync()', () => {
  test('region', () => {
    refuses('region', wrongTypes(), (value) => msync(value, MS.SYNC));
    for (const value of foreign()) {
      const error = refused(() => msync(value as never, MS.SYNC));
      expect(shape(error)).toEqual({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
    }
  });

  test('flags', () => {
    const path = tempFile(PAGE_SIZE);
    const shared = mmap(PAGE_SIZE, RW, MAP.SHARED, open(path));
    onTestFinished(() => munmap(shared));
    for (const region of [shared, mapped(), new Uint8Array(shared, 8, 8), new DataView(shared)]) {
      const bad = badInteger({ min: -(2 ** 31), max: MAX_INT });
      refuses(
        'flags',
        bad,
        (value) => msync(region, value),
        () => fileState(path),
      );
      for (const flags of [8, -1, MAX_INT, MS.SYNC | MS.ASYNC]) {
        const error = refused(
          () => msync(region, flags),
          () => fileState(path),
        );
        expect(shape(error)).toEqual({
          name: 'Error',
          code: 'EINVAL',
          errno: -22,
          syscall: 'msync',
        });
      }
    }
  });

  test('both are looked at: the region first', () => {
    refuses('region', wrongType(null), (value) => msync(value, 'SYNC' as never));
  });
});

describe('ftruncate()', () => {
  test('fd', () => {
    refuses('fd', badInteger({ max: MAX_INT }), (value) => ftruncate(value, 0));
    refuses('fd', outOfRange(-1, -2), (value) => ftruncate(value, 0));
  });

  test('length', () => {
    const path = tempFile(100);
    const fd = open(path);
    refuses(
      'length',
      badInteger(),
      (value) => ftruncate(fd, value),
      () => fileState(path),
    );
  });

  test.each([
    ['closed', 'EBADF', 9, () => 999_999],
    ['read-only', 'EINVAL', 22, (path: string) => open(path, 'r')],
    ['O_PATH', 'EBADF', 9, (path: string) => open(path, 0o10000000)],
    ['a directory', 'EINVAL', 22, (path: string) => open(dirname(path), 'r')],
    ['no file', 'EINVAL', 22, () => open('/dev/null')],
  ])('a descriptor that is %s: %s', (_, code, errno, make) => {
    const path = tempFile(100);
    const fd = make(path);
    const error = refused(
      () => ftruncate(fd, 10),
      () => fileState(path),
    );
    expect(shape(error)).toEqual({ name: 'Error', code, errno: -errno, syscall: 'ftruncate' });
  });

  test('longer than the file system takes', () => {
    const path = tempFile(100);
    const fd = open(path);
    const error = refused(
      () => ftruncate(fd, Number.MAX_SAFE_INTEGER),
      () => fileState(path),
    );
    expect(shape(error)).toEqual({
      name: 'Error',
      code: 'EFBIG',
      errno: -27,
      syscall: 'ftruncate',
    });
  });
});

test('a mapping cannot be taken for its buffer', () => {
  using mapping = anonymous(PAGE_SIZE);
  using empty = map(tempFile(0));
  refuses('buffer', wrongType(mapping, empty, mapping.bytes), munmap);
  refuses('region', wrongType(mapping, empty), (value) => msync(value, MS.SYNC));
  // The buffer of an empty mapping has no memory to unmap or sync.
  expect(shape(refused(() => munmap(empty.buffer)))).toMatchObject({ name: 'TypeError' });
  expect(shape(refused(() => msync(empty.bytes, MS.SYNC)))).toMatchObject({ name: 'TypeError' });
  expect(mapping.closed).toBe(false);
});
