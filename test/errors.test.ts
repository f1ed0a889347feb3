// Errors: of system calls as those of node:fs, of a device that fails, and of every number there is.

import {
  closeSync,
  constants,
  fsyncSync,
  ftruncateSync,
  openSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { constants as osConstants } from 'node:os';
import { join } from 'node:path';
import { getSystemErrorMap, inspect } from 'node:util';
import { map } from 'memmap';
import { ftruncate, MAP, MS, mmap, msync, munmap, PAGE_SIZE, PROT } from 'memmap/posix';
import { describe, expect, onTestFinished, test } from 'vitest';
import { systemError } from '../src/errors.js';
import { shape, thrown } from './support/bad.js';
import { failingDevice } from './support/mount.js';
import { tempDir, tempFile } from './support/temp.js';

/** All of an error that a program, or a person, can see, but for the places in the stack. */
function everything(error: unknown): object {
  const { message, stack = '' } = error as Error;
  return {
    prototype: Object.getPrototypeOf(error),
    own: { ...(error as object) },
    enumerable: Object.keys(error as object).sort(),
    json: JSON.parse(JSON.stringify(error)) as unknown,
    message,
    text: String(error),
    firstLine: stack.split('\n')[0],
    shown: inspect(error).split('\n')[0],
  };
}

describe('as node:fs', () => {
  const paths: [string, () => string | Buffer | Promise<string>, 'r' | 'r+'][] = [
    ['a file that is missing', () => join(tempDir(), 'missing'), 'r'],
    ['one that is missing, to write', () => join(tempDir(), 'missing'), 'r+'],
    ['a directory that is missing', () => join(tempDir(), 'no', 'such'), 'r'],
    ['no path at all', () => '', 'r'],
    ['no bytes of a path', () => Buffer.alloc(0), 'r'],
    ['quotes, a line break and letters of the world', () => join(tempDir(), `'"\n\u{1f4be}é`), 'r'],
    ['bytes that are no letters', () => Buffer.from([0x2f, 0xff, 0xfe]), 'r'],
    ['a path as bytes', () => Buffer.from(join(tempDir(), 'missing')), 'r'],
    ['a directory, to write', () => tempDir(), 'r+'],
    ['through a file', () => join(tempFile(1), 'deeper'), 'r'],
    ['a name that is too long', () => join(tempDir(), 'n'.repeat(256)), 'r'],
    [
      'a link to itself',
      () => {
        const path = join(tempDir(), 'loop');
        symlinkSync(path, path);
        return path;
      },
      'r',
    ],
    [
      'a socket',
      async () => {
        const path = join(tempDir(), 'socket');
        const server = createServer();
        await new Promise<void>((resolve) => server.listen(path, resolve));
        onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
        return path;
      },
      'r',
    ],
  ];

  test.each(paths)('map() of %s', async (_, make, flags) => {
    const path = await make();
    const theirs = thrown(() => openSync(path, flags));
    const ours = thrown(() => map(path, { access: flags === 'r' ? 'read' : 'write' }));
    expect(everything(ours)).toEqual(everything(theirs));
  });

  const descriptors: [string, () => number, number][] = [
    ['a descriptor that is closed', () => 999_999, 0],
    ['one that is open for reading only', () => openSync(tempFile(1), 'r'), 0],
    ['a directory', () => openSync(tempDir(), 'r'), 0],
    ['a device', () => openSync('/dev/null', 'r+'), 0],
    ['a length that no file has', () => openSync(tempFile(1), 'r+'), Number.MAX_SAFE_INTEGER],
    ['a path only', () => openSync(tempFile(1), 0o10000000 | constants.O_RDONLY), 0],
  ];

  test.each(descriptors)('ftruncate() of %s', (_, make, length) => {
    const fd = make();
    const theirs = thrown(() => ftruncateSync(fd, length));
    const ours = thrown(() => ftruncate(fd, length));
    expect(everything(ours)).toEqual(everything(theirs));
    if (fd < 999_999) closeSync(fd);
  });

  test('calls that node:fs has not got have the same form', () => {
    const error = thrown(() => mmap(PAGE_SIZE, PROT.READ, MAP.SHARED, 999_999));
    expect(everything(error)).toEqual({
      prototype: Error.prototype,
      own: { code: 'EBADF', errno: -9, syscall: 'mmap' },
      enumerable: ['code', 'errno', 'syscall'],
      json: { code: 'EBADF', errno: -9, syscall: 'mmap' },
      message: 'EBADF: bad file descriptor, mmap',
      text: 'Error: EBADF: bad file descriptor, mmap',
      firstLine: 'Error: EBADF: bad file descriptor, mmap',
      shown: 'Error: EBADF: bad file descriptor, mmap',
    });
    const path = tempDir();
    const ofPath = thrown(() => map(path));
    expect(everything(ofPath)).toMatchObject({
      own: { code: 'ENODEV', errno: -19, syscall: 'mmap', path },
      message: `ENODEV: no such device, mmap '${path}'`,
    });
  });
});

describe('every number of errno(3)', () => {
  // Two names for one number: the one that the man pages of our calls use.
  const preferred: Record<string, string> = { EWOULDBLOCK: 'EAGAIN', ENOTSUP: 'EOPNOTSUPP' };

  // Node has none for the one, and those of a network for the other.
  const texts: Record<string, string> = {
    EDEADLK: 'resource deadlock would occur',
    ETIMEDOUT: 'operation timed out',
  };

  test('has its name, and the text that Node has for it', () => {
    for (const [name, number] of Object.entries(osConstants.errno)) {
      const error = systemError(number, 'call', '/path');
      const code = preferred[name] ?? name;
      expect(shape(error)).toEqual({
        name: 'Error',
        code,
        errno: -number,
        syscall: 'call',
        path: '/path',
      });
      const text = texts[code] ?? getSystemErrorMap().get(-number)?.[1] ?? 'unknown error';
      expect(error.message).toBe(`${code}: ${text}, call '/path'`);
    }
  });

  test('and one that has no name is still told apart', () => {
    expect(systemError(4000, 'call')).toMatchObject({
      code: 'E4000',
      errno: -4000,
      message: 'E4000: unknown error, call',
    });
  });
});

describe('a device that fails', () => {
  const ROOM = 64 * PAGE_SIZE;
  const SIZE = 4 * ROOM;
  const EIO = { name: 'Error', code: 'EIO', errno: -5, syscall: 'msync' };
  const POISONED = { name: 'Error', code: 'ERR_MAPPING_POISONED' };
  const reason = (promise: Promise<unknown>) =>
    promise.then(
      () => 'resolved',
      (error: unknown) => error,
    );

  test('is the error of the flush, and from then on the mapping is poisoned', async (context) => {
    const device = failingDevice(context, SIZE, ROOM);
    using mapping = map(device, { access: 'write' });
    expect(mapping.length).toBe(SIZE);
    expect(await reason(mapping.flush())).toBe('resolved'); // nothing to write so far
    mapping.bytes.fill(7);
    // The second was asked for before the first has failed.
    const [first, second] = await Promise.all([
      reason(mapping.flush()),
      reason(mapping.flush([[0, 10], [SIZE - 10, 10]])), // biome-ignore format: a list
    ]);
    expect(shape(first)).toEqual(EIO);
    expect(shape(second)).toEqual(POISONED);
    expect(shape((second as Error).cause)).toEqual(EIO);
    for (let again = 0; again < 3; again++) {
      expect(shape(await reason(mapping.flush(0, 1)))).toEqual(POISONED);
      expect(shape(thrown(() => mapping.flushSync()))).toEqual(POISONED);
    }
    // It is not the bytes that are lost, in memory, nor the guard's business.
    expect(mapping.bytes.every((byte) => byte === 7)).toBe(true);
    expect(mapping.faults).toEqual([]);
    expect(shape(await reason(mapping[Symbol.asyncDispose]()))).toEqual(POISONED);
    expect(mapping.closed).toBe(true);
  });

  test('is told by flushSync(), and by a flush that unmap() has overtaken', async (context) => {
    const device = failingDevice(context, SIZE, ROOM);
    using mapping = map(device, { access: 'write' });
    mapping.bytes.fill(7);
    expect(shape(thrown(() => mapping.flushSync()))).toEqual(EIO);
    expect(shape(await reason(mapping.flush()))).toEqual(POISONED);

    const other = map(device, { access: 'write' });
    other.bytes.fill(8);
    const flushed = reason(other.flush());
    other.unmap();
    expect(shape(await flushed)).toEqual(EIO);
  });

  test("is told by the user's own fsync() as well: our flush has not used the error up", async (context) => {
    const device = failingDevice(context, SIZE, ROOM);
    const fd = openSync(device, 'r+');
    onTestFinished(() => closeSync(fd));
    using mapping = map(fd, { access: 'write' });
    mapping.bytes.fill(7);
    expect(shape(await reason(mapping.flush()))).toEqual(EIO);
    expect(shape(thrown(() => fsyncSync(fd)))).toMatchObject({ code: 'EIO', syscall: 'fsync' });
  });

  test('is told by msync()', (context) => {
    const device = failingDevice(context, SIZE, ROOM);
    const fd = openSync(device, 'r+');
    onTestFinished(() => closeSync(fd));
    const buffer = mmap(SIZE, PROT.READ | PROT.WRITE, MAP.SHARED, fd);
    onTestFinished(() => munmap(buffer));
    new Uint8Array(buffer).fill(7);
    expect(shape(thrown(() => msync(buffer, MS.SYNC)))).toEqual(EIO);
    expect(shape(thrown(() => fsyncSync(fd)))).toMatchObject({ code: 'EIO', syscall: 'fsync' });
  });

  test('is no reason to poison another mapping, which meets its own error', async (context) => {
    const device = failingDevice(context, SIZE, ROOM);
    using first = map(device, { access: 'write' });
    using second = map(device, { access: 'write', length: PAGE_SIZE });
    first.bytes.fill(7);
    expect(shape(await reason(first.flush()))).toEqual(EIO);
    expect(shape(await reason(first.flush()))).toEqual(POISONED);
    const outcome = await reason(second.flush());
    expect(outcome === 'resolved' ? outcome : shape(outcome)['code']).toMatch(/^(resolved|EIO)$/);
    using third = map(device);
    expect(third.bytes.length).toBe(SIZE);
  });
});

test('an error that a program has caught can be told by its code alone', () => {
  const path = tempFile(0);
  writeFileSync(path, 'content');
  const codes = [
    () => map(path, { offset: 8 }),
    () => map(path, { offset: '8' as never }),
    () => map(`${path}.missing`),
  ].map((call) => (thrown(call) as { code: string }).code);
  expect(codes).toEqual(['ERR_OUT_OF_RANGE', 'ERR_INVALID_ARG_TYPE', 'ENOENT']);
});
