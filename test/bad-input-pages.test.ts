// The calls on windows and pages, and on memory with a name, with arguments that are no good.

import { closeSync, openSync, readdirSync } from 'node:fs';
import { anonymous, Mapping, map, SharedMemory } from 'memmap';
import * as posix from 'memmap/posix';
import { MADV, MAP, mmap, munmap, PAGE_SIZE, PROT } from 'memmap/posix';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  type Bad,
  badBoolean,
  badInteger,
  badName,
  badOptions,
  badWord,
  fileState,
  outOfRange,
  refused,
  refuses,
  rejectsAll,
  shape,
  wrongType,
  wrongTypes,
} from './support/bad.js';
import { tempFile } from './support/temp.js';

const LENGTH = 2 * PAGE_SIZE;
const MAX = Number.MAX_SAFE_INTEGER;
const MAX_INT = 2 ** 31 - 1;
const CLOSED = { name: 'Error', code: 'ERR_MAPPING_CLOSED' };

function fileMapping(): { mapping: Mapping; state: () => unknown } {
  const path = tempFile(LENGTH);
  const mapping = map(path, { access: 'write' });
  onTestFinished(() => mapping.unmap());
  return { mapping, state: () => fileState(path) };
}

function mapped(): ArrayBuffer {
  const buffer = mmap(PAGE_SIZE, PROT.READ | PROT.WRITE, MAP.PRIVATE | MAP.ANONYMOUS);
  onTestFinished(() => {
    if (buffer.byteLength > 0) munmap(buffer);
  });
  return buffer;
}

describe('Mapping', () => {
  const badOffset = (...allowed: 'undefined'[]): Bad[] => badInteger({ max: LENGTH }, ...allowed);

  test.each<[string, string, Bad[], (mapping: Mapping, value: never) => unknown]>([
    ['resize', 'length', badInteger(), (m, v) => m.resize(v)],
    ['slide', 'offset', badInteger({ max: MAX - LENGTH }), (m, v) => m.slide(v)],
    ['windows', 'elements', badInteger({ min: 1 }), (m, v) => m.windows(Uint8Array, v)],
    ['windows', 'elements', outOfRange(MAX), (m, v) => m.windows(Float64Array, v)],
    ['windows', 'type', wrongTypes(), (m, v) => m.windows(v, 1)],
    ['advise', 'advice', badWord(), (m, v) => m.advise(v)],
    ['advise', 'advice', wrongType(undefined, '', 'hwpoison', 'NORMAL'), (m, v) => m.advise(v)],
    ['advise', 'offset', badOffset('undefined'), (m, v) => m.advise('normal', v)],
    ['advise', 'length', badOffset('undefined'), (m, v) => m.advise('normal', 0, v)],
    ['lock', 'offset', badOffset('undefined'), (m, v) => m.lock(v)],
    ['lock', 'length', badOffset('undefined'), (m, v) => m.lock(0, v)],
    ['unlock', 'offset', badOffset('undefined'), (m, v) => m.unlock(v)],
    ['unlock', 'length', badOffset('undefined'), (m, v) => m.unlock(0, v)],
    ['protect', 'access', [...badWord(), ...wrongType(undefined, 'copy')], (m, v) => m.protect(v)],
    ['protect', 'offset', badOffset('undefined'), (m, v) => m.protect('read', v)],
    ['protect', 'length', badOffset('undefined'), (m, v) => m.protect('read', 0, v)],
    ['residency', 'offset', badOffset('undefined'), (m, v) => m.residency(v)],
    ['residency', 'length', badOffset('undefined'), (m, v) => m.residency(0, v)],
  ])('%s(): %s', (_, name, bad, call) => {
    const { mapping, state } = fileMapping();
    refuses(name, bad, (value) => call(mapping, value), state);
    using memory = anonymous(LENGTH);
    refuses(name, bad, (value) => call(memory, value));
    expect(mapping).toMatchObject({ length: LENGTH, offset: 0 });
  });

  test('prefetch(): offset and length', async () => {
    const { mapping, state } = fileMapping();
    await rejectsAll('offset', badOffset('undefined'), (v) => mapping.prefetch(v), state);
    await rejectsAll('length', badOffset('undefined'), (v) => mapping.prefetch(0, v), state);
    await rejectsAll('length', outOfRange(2), (v) => mapping.prefetch(LENGTH - 1, v), state);
  });

  test('windows(): a size that does not divide the mapping', () => {
    using mapping = map(tempFile(LENGTH + 4));
    refuses('type', outOfRange(Float64Array, BigInt64Array), (type) => mapping.windows(type, 1));
  });

  test('from(): anything but a SharedArrayBuffer of a mapping', () => {
    refuses('shared', wrongTypes(), (value) => Mapping.from(value));
    const ours = anonymous(PAGE_SIZE);
    onTestFinished(() => ours.unmap());
    refuses('shared', wrongType(ours, ours.buffer, ours.bytes), (value) => Mapping.from(value));
    for (const foreign of [new SharedArrayBuffer(PAGE_SIZE), new SharedArrayBuffer(0)]) {
      expect(shape(refused(() => Mapping.from(foreign)))).toEqual({
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_TYPE',
      });
    }
  });

  test('what a closed mapping cannot do', async () => {
    const { mapping, state } = fileMapping();
    mapping.unmap();
    for (const call of [
      () => mapping.resize(1),
      () => mapping.resize(LENGTH),
      () => mapping.slide(0),
      () => mapping.refresh(),
      () => mapping.windows(Uint8Array, 1),
      () => mapping.advise('normal'),
      () => mapping.lock(),
      () => mapping.unlock(),
      () => mapping.protect('read'),
      () => mapping.residency(),
      () => mapping.usage(),
      () => mapping.sharedBuffer,
    ]) {
      expect(shape(refused(call, state)), String(call)).toEqual(CLOSED);
    }
    const error = await mapping.prefetch().catch((reason: unknown) => reason);
    expect(shape(error)).toEqual(CLOSED);
  });
});

describe('memmap/posix', () => {
  const foreign = () => [new ArrayBuffer(8), new Uint8Array(8), new SharedArrayBuffer(8)];

  test.each<[string, (region: never) => unknown]>([
    ['madvise', (region) => posix.madvise(region, MADV.NORMAL)],
    ['mprotect', (region) => posix.mprotect(region, PROT.READ)],
    ['mlock', posix.mlock],
    ['munlock', posix.munlock],
    ['mincore', posix.mincore],
  ])('%s(): region', (_, call) => {
    refuses('region', wrongTypes(), call);
    const closed = mapped();
    const view = new Uint8Array(closed);
    munmap(closed);
    for (const region of [...foreign(), closed, view]) {
      expect(shape(refused(() => call(region as never)))).toEqual({
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_TYPE',
      });
    }
  });

  test.each<[string, string, Bad[], (region: ArrayBuffer, value: never) => unknown]>([
    ['madvise', 'advice', badInteger({ min: -(2 ** 31), max: MAX_INT }), posix.madvise],
    ['mprotect', 'prot', badInteger({ max: MAX_INT }), posix.mprotect],
    ['mprotect', 'prot', outOfRange(8, 0x01000000, MAX_INT), posix.mprotect],
    ['mremap', 'newLength', badInteger(), posix.mremap],
  ])('%s(): %s', (_, name, bad, call) => {
    const region = mapped();
    refuses(name, bad, (value) => call(region, value));
    expect(region.byteLength).toBe(PAGE_SIZE);
  });

  test('madvise(): what harms more than the range, or leaves pages that nothing survives', () => {
    const region = mapped();
    // HWPOISON, SOFT_OFFLINE, GUARD_INSTALL, GUARD_REMOVE
    for (const advice of [100, 101, 102, 103]) {
      expect(shape(refused(() => posix.madvise(region, advice)))).toEqual({
        name: 'RangeError',
        code: 'ERR_OUT_OF_RANGE',
      });
    }
    const unknown = { name: 'Error', code: 'EINVAL', errno: -22, syscall: 'madvise' };
    for (const advice of [-1, 99, 1000, MAX_INT]) {
      expect(shape(refused(() => posix.madvise(region, advice)))).toEqual(unknown);
    }
  });

  test('mremap(): buffer', () => {
    refuses('buffer', wrongTypes(), (value) => posix.mremap(value, PAGE_SIZE));
    const [plain, ...others] = foreign();
    refuses('buffer', wrongType(...others), (value) => posix.mremap(value, PAGE_SIZE));
    using mapping = anonymous(PAGE_SIZE);
    for (const buffer of [plain, mapping.buffer]) {
      expect(shape(refused(() => posix.mremap(buffer as ArrayBuffer, 1)))).toEqual({
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_TYPE',
      });
    }
    expect(mapping.closed).toBe(false);
  });

  test.each<[string, string, Bad[], (value: never) => unknown]>([
    ['memfd_create', 'name', badName(), (name) => posix.memfd_create(name)],
    ['memfd_create', 'flags', badInteger({ max: 2 ** 32 - 1 }, 'undefined'), (v) => posix.memfd_create('x', v)], // biome-ignore format: a table
    ['shm_open', 'name', badName(), (name) => posix.shm_open(name, 0)],
    ['shm_open', 'oflag', badInteger({ max: MAX_INT }), (v) => posix.shm_open('memmap-none', v)],
    ['shm_open', 'mode', badInteger({ max: 0o7777 }, 'undefined'), (v) => posix.shm_open('memmap-none', 0, v)], // biome-ignore format: a table
    ['shm_unlink', 'name', badName(), posix.shm_unlink],
    ['add_seals', 'fd', badInteger({ max: MAX_INT }), (fd) => posix.add_seals(fd, 0)],
    ['add_seals', 'seals', badInteger({ max: MAX_INT }), (seals) => posix.add_seals(0, seals)],
    ['get_seals', 'fd', badInteger({ max: MAX_INT }), posix.get_seals],
  ])('%s(): %s', (_, name, bad, call) => {
    refuses(name, bad, call, () => readdirSync('/dev/shm').filter((n) => n === 'memmap-none'));
  });

  test.each<[string, () => unknown, string, number, string]>([
    ['a name too long', () => posix.memfd_create('n'.repeat(250)), 'EINVAL', 22, 'memfd_create'],
    ['flags that are none', () => posix.memfd_create('x', 1 << 20), 'EINVAL', 22, 'memfd_create'],
    ['no such name', () => posix.shm_open('memmap-none', 0), 'ENOENT', 2, 'shm_open'],
    ['a name with a slash', () => posix.shm_open('a/b', 0), 'EINVAL', 22, 'shm_open'],
    ['no such name to take away', () => posix.shm_unlink('memmap-none'), 'ENOENT', 2, 'shm_unlink'],
    ['no descriptor', () => posix.get_seals(999_999), 'EBADF', 9, 'fcntl'],
    ['no descriptor to seal', () => posix.add_seals(999_999, 1), 'EBADF', 9, 'fcntl'],
  ])('%s is an error of the system', (_, call, code, errno, syscall) => {
    expect(shape(refused(call))).toEqual({ name: 'Error', code, errno: -errno, syscall });
  });

  test('seals of what cannot be sealed', () => {
    const fd = openSync(tempFile(1), 'r+');
    onTestFinished(() => closeSync(fd));
    const error = { name: 'Error', code: 'EINVAL', errno: -22, syscall: 'fcntl' };
    expect(shape(refused(() => posix.get_seals(fd)))).toEqual(error);
    expect(shape(refused(() => posix.add_seals(fd, 1)))).toEqual(error);
  });
});

describe('SharedMemory', () => {
  const NAME = 'memmap-none';
  const names = () => readdirSync('/dev/shm').filter((name) => name.includes(NAME));
  const access = () => [...badWord(), ...wrongType('copy')];

  test.each<[string, string, Bad[], (value: never) => unknown]>([
    ['adopt', 'fd', badInteger({ max: MAX_INT }), (fd) => SharedMemory.adopt(fd)],
    ['adopt', 'options', badOptions(), (v) => SharedMemory.adopt(999_999, v)],
    ['adopt', 'options.access', access(), (v) => SharedMemory.adopt(999_999, { access: v })],
    ['adopt', 'options.trusted', badBoolean('undefined'), (v) => SharedMemory.adopt(999_999, { trusted: v })], // biome-ignore format: a table
    ['createNamed', 'name', badName(), (v) => SharedMemory.createNamed(v, 1)],
    ['createNamed', 'length', badInteger({ min: 1 }), (v) => SharedMemory.createNamed(NAME, v)],
    ['createNamed', 'options', badOptions(), (v) => SharedMemory.createNamed(NAME, 1, v)],
    ['createNamed', 'options.mode', badInteger({ max: 0o7777 }, 'undefined'), (mode) => SharedMemory.createNamed(NAME, 1, { mode })], // biome-ignore format: a table
    ['createNamed', 'options.exclusive', badBoolean('undefined'), (exclusive) => SharedMemory.createNamed(NAME, 1, { exclusive })], // biome-ignore format: a table
    ['open', 'name', badName(), (v) => SharedMemory.open(v)],
    ['open', 'options', badOptions(), (v) => SharedMemory.open(NAME, v)],
    ['open', 'options.access', access(), (v) => SharedMemory.open(NAME, { access: v })],
    ['unlink', 'name', badName(), SharedMemory.unlink],
  ])('%s(): %s', (_, name, bad, call) => {
    refuses(name, bad, call, names);
  });

  test('seal(): what', () => {
    using memory = SharedMemory.create(PAGE_SIZE);
    const words = [...badWord(), ...wrongType(undefined, 'shrink')];
    refuses('what', words, (what) => memory.seal(what));
  });

  test('a name that leads out of its directory', () => {
    for (const name of ['../memmap-none', 'a/../b', '/a/b', '..', '.', '/', '', '//', '/..']) {
      for (const call of [
        () => SharedMemory.createNamed(name, 1),
        () => SharedMemory.open(name),
        () => SharedMemory.unlink(name),
      ]) {
        const error = shape(refused(call, names));
        expect(error['code'], name).toMatch(/^(ERR_INVALID_ARG_TYPE|ERR_OUT_OF_RANGE|EINVAL)$/);
      }
    }
  });
});
