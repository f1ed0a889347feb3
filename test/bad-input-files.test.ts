// Files that cannot be mapped: each is the system's own error, and leaves nothing behind.

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { map } from 'memmap';
import { MAP, mmap, PAGE_SIZE, PROT } from 'memmap/posix';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Order, Outcome } from './programs/attempts.js';
import { fileState, outOfRange, refused, refuses, shape } from './support/bad.js';
import { program, run, start } from './support/program.js';
import { tempDir, tempFile } from './support/temp.js';

const O_PATH = 0o10000000; // Linux's; Node does not name it

/** `Error` with these, as node:fs would throw it. */
const failure = (code: string, errno: number, syscall: string, path?: string) => ({
  name: 'Error',
  code,
  errno: -errno,
  syscall,
  ...(path === undefined ? {} : { path }),
});

function openFd(path: string, flags: string | number): number {
  const fd = openSync(path, flags);
  onTestFinished(() => closeSync(fd));
  return fd;
}

function fifo(): string {
  const path = join(tempDir(), 'fifo');
  execFileSync('mkfifo', [path]);
  return path;
}

async function socket(): Promise<{ path: string; fd: number }> {
  const path = join(tempDir(), 'socket');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return { path, fd: (server as unknown as { _handle: { fd: number } })._handle.fd };
}

describe('a path', () => {
  const create = { access: 'write', create: true, length: PAGE_SIZE } as const;
  const write = { access: 'write' } as const;

  function expectRefused(path: string, code: string, errno: number, syscall: string, options = {}) {
    for (const file of [path, Buffer.from(path), ...(path === '' ? [] : [pathToFileURL(path)])]) {
      const error = refused(
        () => map(file, options),
        () => (path === '' ? '' : fileState(path)),
      );
      expect(shape(error)).toEqual(failure(code, errno, syscall, path));
    }
  }

  test('that does not exist', () => {
    const path = join(tempDir(), 'ENOENT');
    for (const access of ['read', 'write', 'copy'])
      expectRefused(path, 'ENOENT', 2, 'open', { access });
    expectRefused(join(path, 'deeper'), 'ENOENT', 2, 'open', create);
  });

  test('that is empty', () => {
    expectRefused('', 'ENOENT', 2, 'open');
    expectRefused('', 'ENOENT', 2, 'open', create);
  });

  test('of a directory', () => {
    const path = tempDir();
    expectRefused(path, 'ENODEV', 19, 'mmap');
    expectRefused(path, 'ENODEV', 19, 'mmap', { access: 'copy' });
    expectRefused(path, 'EISDIR', 21, 'open', write);
    expectRefused(path, 'EISDIR', 21, 'open', create);
  });

  test('of a FIFO that nobody has open at its other end: does not wait', () => {
    const path = fifo();
    for (const options of [{}, write, create, { access: 'copy' }, { length: 1 }]) {
      expectRefused(path, 'ENODEV', 19, 'mmap', options);
    }
  });

  test('of a socket', async () => {
    const { path } = await socket();
    for (const options of [{}, write, create]) expectRefused(path, 'ENXIO', 6, 'open', options);
  });

  test.each(['/dev/null', '/dev/zero', '/dev/full', '/dev/tty'])('of %s', (path) => {
    for (const options of [{}, write, { length: PAGE_SIZE }, create]) {
      const error = refused(() => map(path, options));
      expect(shape(error)).toMatchObject({ name: 'Error', path });
      // /dev/tty cannot even be opened by a process without a terminal.
      expect(['ENODEV', 'ENXIO']).toContain(shape(error)['code']);
    }
  });

  test('through a file, through links that lead to themselves, and too long', () => {
    const file = tempFile(PAGE_SIZE);
    expectRefused(join(file, 'deeper'), 'ENOTDIR', 20, 'open', create);
    const loop = join(tempDir(), 'loop');
    symlinkSync(loop, loop);
    const error = refused(() => map(loop, create));
    expect(shape(error)).toEqual(failure('ELOOP', 40, 'open', loop));
    const long = join(tempDir(), 'n'.repeat(256));
    const tooLong = refused(() => map(long, create));
    expect(shape(tooLong)).toEqual(failure('ENAMETOOLONG', 36, 'open', long));
  });

  test('of something that the kernel makes up as it is read', () => {
    // Regular files of no length, which the kernel does not map.
    const error = refused(() => map('/proc/self/maps', { length: 1 }));
    expect(shape(error)).toEqual({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
    expect(readFileSync('/proc/self/maps').length).toBeGreaterThan(0);
  });

  test('whose name is no UTF-8 is still that name', () => {
    const directory = Buffer.from(`${tempDir()}/`);
    const path = Buffer.concat([directory, Buffer.from([0xff, 0xfe, 0x41])]);
    writeFileSync(path, 'content');
    using mapping = map(path);
    expect(mapping.bytes.toString()).toBe('content');
    unlinkSync(path);
  });
});

describe('a descriptor', () => {
  const both = (fd: number, state: () => unknown, error: object, options = {}) => {
    expect(shape(refused(() => map(fd, options), state))).toEqual(error);
    const prot = options === WRITE ? PROT.READ | PROT.WRITE : PROT.READ;
    const posix = refused(() => mmap(PAGE_SIZE, prot, MAP.SHARED, fd), state);
    const { code, errno } = error as { code: string; errno: number };
    expect(shape(posix)).toEqual({ name: 'Error', code, errno, syscall: 'mmap' });
  };
  const WRITE = { access: 'write' } as const;

  test('below zero', () => {
    refuses('file', outOfRange(-1, -2), map);
    refuses('fd', outOfRange(-2), (fd) => mmap(PAGE_SIZE, PROT.READ, MAP.SHARED, fd));
    const none = refused(() => mmap(PAGE_SIZE, PROT.READ, MAP.SHARED, -1));
    expect(shape(none)).toEqual(failure('EBADF', 9, 'mmap'));
  });

  test('that is closed', async () => {
    const path = tempFile(PAGE_SIZE);
    const state = () => fileState(path);
    const fd = openSync(path, 'r+');
    closeSync(fd);
    // Nothing opens a file between: the number is free until the test is done.
    both(fd, state, failure('EBADF', 9, 'fcntl'));
    both(fd, state, failure('EBADF', 9, 'fcntl'), WRITE);
    const handle = await open(path, 'r+');
    await handle.close();
    refuses('file', outOfRange(handle), map, state);
  });

  test.each([
    ['open for writing only', constants.O_WRONLY, {}, failure('EACCES', 13, 'mmap')],
    [
      'open for writing only, to copy',
      constants.O_WRONLY,
      { access: 'copy' },
      failure('EACCES', 13, 'mmap'),
    ],
    ['open for reading only, to write', constants.O_RDONLY, WRITE, failure('EACCES', 13, 'mmap')],
    ['open as a path only', O_PATH, {}, failure('EBADF', 9, 'mmap')],
    ['open as a path only, to write', O_PATH, WRITE, failure('EBADF', 9, 'mmap')],
  ])('%s', (_, flags, options, error) => {
    const path = tempFile(PAGE_SIZE);
    both(openFd(path, flags), () => fileState(path), error, options);
  });

  test('of a directory, a FIFO, a socket, a device', async () => {
    const nodev = failure('ENODEV', 19, 'mmap');
    both(openFd(tempDir(), 'r'), () => 0, nodev);
    const path = fifo();
    const pipe = openFd(path, constants.O_RDWR | constants.O_NONBLOCK);
    both(pipe, () => fileState(path), nodev);
    both(pipe, () => fileState(path), nodev, WRITE);
    both((await socket()).fd, () => 0, nodev);
    const null_ = openFd('/dev/null', 'r+');
    both(null_, () => 0, nodev);
    both(null_, () => 0, nodev, WRITE);
  });
});

describe('rights and limits of another process', () => {
  interface Told {
    outcomes: Outcome[];
    opened: number;
    stats: object;
  }
  const nothing = { regions: 0, mappedBytes: 0, retiredBytes: 0, descriptors: 0 };

  /** Runs the program, perhaps under limits of the shell's `ulimit`. */
  async function attempts(order: Order, ulimit?: string): Promise<Outcome[]> {
    const args = [program('attempts'), JSON.stringify(order)];
    const { code, signal, stdout, stderr } = ulimit
      ? await start('/bin/sh', ['-c', `${ulimit}; exec "$@"`, 'sh', process.execPath, ...args])
          .ended
      : await run(args[0] ?? '', args.slice(1));
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    const told = JSON.parse(stdout) as Told;
    expect(told).toMatchObject({ opened: 0, stats: nothing });
    return told.outcomes;
  }
  const WRITE = { access: 'write' } as const;
  const uid = 65_534; // nobody

  test('a file and a directory that the user may not touch', async (context) => {
    if (process.getuid?.() !== 0) context.skip('becoming another user needs root');
    const path = tempFile(PAGE_SIZE);
    const directory = dirname(path);
    chmodSync(directory, 0o755);
    chmodSync(path, 0o600);
    const locked = join(directory, 'locked');
    mkdirSync(locked, { mode: 0o700 });
    const inside = join(locked, 'file');
    const made = join(directory, 'made');
    const create = { ...WRITE, create: true, length: 1 } as const;
    const before = fileState(path);

    const outcomes = await attempts({
      uid,
      // What the descriptor allows stays allowed, though its file may not be opened again.
      fds: [
        [path, 'r'],
        [path, 'r+'],
      ],
      attempts: [
        [path, {}],
        [path, WRITE],
        [path, { access: 'copy' }],
        [inside, {}],
        [inside, create],
        [made, create],
        [0, {}],
        [0, WRITE],
        [1, WRITE],
      ],
    });
    const denied = (where: string) => failure('EACCES', 13, 'open', where);
    expect(outcomes).toEqual([
      ...[path, path, path, inside, inside, made].map(denied),
      { length: PAGE_SIZE },
      failure('EACCES', 13, 'mmap'),
      { length: PAGE_SIZE },
    ]);
    expect(fileState(made)).toBe('ENOENT');
    expect(fileState(inside)).toBe('ENOENT');
    expect(fileState(path)).toEqual(before);
  });

  test('more locked memory than the user may have: the file is as it was', async (context) => {
    if (process.getuid?.() !== 0) context.skip('becoming another user needs root');
    const path = tempFile(100);
    const directory = dirname(path);
    chmodSync(directory, 0o777);
    chmodSync(path, 0o666);
    const made = join(directory, 'made');
    const before = fileState(path);
    const lock = { ...WRITE, lock: true, length: 4 * PAGE_SIZE } as const;

    const order = {
      uid,
      attempts: [
        [path, lock],
        [made, { ...lock, create: true }],
      ],
    } as const;
    const none = failure('EPERM', 1, 'mlock');
    expect(await attempts(order, 'ulimit -l 0')).toEqual([
      expect.objectContaining(none),
      { ...none, path: made },
    ]);
    const less = failure('ENOMEM', 12, 'mlock');
    expect(await attempts(order, 'ulimit -l 8')).toEqual([
      expect.objectContaining(less),
      { ...less, path: made },
    ]);
    expect(fileState(made)).toBe('ENOENT');
    expect(fileState(path)).toMatchObject({
      size: 100,
      blocks: (before as { blocks: number }).blocks,
    });
  });

  test('a longer file than the limit allows: it is gone again', async () => {
    const directory = tempDir();
    const path = join(directory, 'made');
    const create = { ...WRITE, create: true, length: 1 << 20 } as const;
    const tooMany = await attempts({ attempts: [[path, create]] }, 'ulimit -f 64');
    expect(tooMany).toEqual([failure('EFBIG', 27, 'fallocate', path)]);
    const sparse = { ...create, sparse: true } as const;
    expect(await attempts({ attempts: [[path, sparse]] }, 'ulimit -f 64')).toEqual([
      failure('EFBIG', 27, 'ftruncate', path),
    ]);
    expect(fileState(path)).toBe('ENOENT');
  });

  test('no descriptor left', async () => {
    const path = tempFile(PAGE_SIZE);
    const made = join(dirname(path), 'made');
    const create = { ...WRITE, create: true, length: 1 } as const;
    const order = {
      exhaust: true,
      fds: [[path, 'r']],
      attempts: [
        [path, {}],
        [made, create],
        [0, {}],
      ],
    } as const;
    expect(await attempts(order, 'ulimit -n 128')).toEqual([
      failure('EMFILE', 24, 'open', path),
      failure('EMFILE', 24, 'open', made),
      failure('EMFILE', 24, 'open'),
    ]);
    expect(fileState(made)).toBe('ENOENT');
  });
});
