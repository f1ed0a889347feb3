// Files that map() makes or extends: complete, or not at all.

import {
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statfsSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { map } from 'memmap';
import { memfd_create, PAGE_SIZE } from 'memmap/posix';
import { describe, expect, onTestFinished, test } from 'vitest';
import { fileState, refused, shape } from './support/bad.js';
import { smallTmpfs } from './support/mount.js';
import { program, run } from './support/program.js';
import { tempDir, tempFile } from './support/temp.js';

const create = { access: 'write', create: true } as const;
const ENOSPC = { name: 'Error', code: 'ENOSPC', errno: -28, syscall: 'fallocate' };
const ENOMEM = { name: 'Error', code: 'ENOMEM', errno: -12, syscall: 'mmap' };
const TOO_MUCH = 2 ** 50; // of address space

describe('create', () => {
  test('makes a missing file, with its blocks, and leaves one that exists as it is', () => {
    const path = join(tempDir(), 'made');
    using mapping = map(path, { ...create, length: 2 * PAGE_SIZE + 1 });
    expect(mapping).toMatchObject({ length: 2 * PAGE_SIZE + 1, offset: 0, access: 'write' });
    const { size, blocks, mode } = statSync(path);
    expect({ size, mode: mode & 0o777 }).toEqual({
      size: mapping.length,
      mode: 0o666 & ~process.umask(),
    });
    expect(blocks * 512).toBeGreaterThanOrEqual(size);
    mapping.bytes.write('first');
    using again = map(path, { ...create, length: 5 });
    expect(again.bytes.toString()).toBe('first');
    expect(statSync(path).size).toBe(size);
  });

  test('with an offset: the file ends where the mapping does', () => {
    const path = join(tempDir(), 'made');
    using mapping = map(path, { ...create, offset: PAGE_SIZE + 3, length: 10 });
    mapping.bytes.fill(1);
    expect(statSync(path).size).toBe(PAGE_SIZE + 13);
    expect(readFileSync(path).subarray(PAGE_SIZE)).toEqual(
      Buffer.from([0, 0, 0, ...Array(10).fill(1)]),
    );
  });

  test('sparse: takes no blocks', () => {
    const path = join(tempDir(), 'made');
    using mapping = map(path, { ...create, sparse: true, length: 2 ** 30 });
    expect(mapping.length).toBe(2 ** 30);
    expect(statSync(path)).toMatchObject({ size: 2 ** 30, blocks: 0 });
  });

  test('through a symbolic link to a file that is missing', () => {
    const directory = tempDir();
    mkdirSync(join(directory, 'deeper'));
    symlinkSync('deeper/link', join(directory, 'link'));
    symlinkSync('made', join(directory, 'deeper/link'));
    using mapping = map(join(directory, 'link'), { ...create, length: 7 });
    expect(mapping.length).toBe(7);
    expect(lstatSync(join(directory, 'deeper/made'))).toMatchObject({ size: 7 });
  });

  test('through a symbolic link to where nothing can be: refused, and does not wait', async () => {
    const path = join(tempDir(), 'link');
    symlinkSync('/no/such/directory/file', path);
    const order = { attempts: [[path, { ...create, length: 1 }]] };
    // A process of its own: one that waits for ever can only be killed.
    const { code, signal, stdout, stderr } = await run(program('attempts'), [
      JSON.stringify(order),
    ]);
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({
      outcomes: [{ name: 'Error', code: 'ENOENT', errno: -2, syscall: 'open', path }],
    });
  });
});

describe('a mapping that fails after its file was made or extended', () => {
  test('a file that was made is gone again; one that was there stays', () => {
    const path = join(tempDir(), 'made');
    for (const options of [
      { length: 1 },
      { length: 3 * PAGE_SIZE, sparse: true },
      { length: 1, offset: 99 },
    ]) {
      const error = refused(
        () => map(path, { ...create, ...options, reserve: TOO_MUCH }),
        () => fileState(path),
      );
      expect(shape(error)).toEqual({ ...ENOMEM, path });
      expect(fileState(path)).toBe('ENOENT');
    }
    writeFileSync(path, 'mine');
    const state = () => fileState(path);
    const error = refused(() => map(path, { ...create, length: 1, reserve: TOO_MUCH }), state);
    expect(shape(error)).toEqual({ ...ENOMEM, path });
    expect(readFileSync(path, 'utf8')).toBe('mine');
  });

  test('so is one behind a symbolic link, which itself stays', () => {
    const directory = tempDir();
    const path = join(directory, 'link');
    symlinkSync('made', path);
    const error = refused(() => map(path, { ...create, length: 1, reserve: TOO_MUCH }));
    expect(shape(error)).toEqual({ ...ENOMEM, path });
    expect(readdirSync(directory)).toEqual(['link']);
    expect(readlinkSync(path)).toBe('made');
  });

  test('a file that was extended has its old size and blocks', () => {
    const path = tempFile('content');
    const { size, blocks } = statSync(path);
    const fd = openSync(path, 'r+');
    onTestFinished(() => closeSync(fd));
    for (const file of [path, fd]) {
      for (const sparse of [true, false]) {
        const options = { access: 'write', length: 1 << 20, reserve: TOO_MUCH, sparse } as const;
        const error = refused(() => map(file, options));
        expect(shape(error)).toEqual(file === path ? { ...ENOMEM, path } : ENOMEM);
        expect(statSync(path)).toMatchObject({ size, blocks });
      }
    }
    expect(readFileSync(path, 'utf8')).toBe('content');
  });
});

describe('a full disk', () => {
  const SIZE = 16 * PAGE_SIZE;

  test('is ENOSPC now, and the file is gone again', (context) => {
    const path = join(smallTmpfs(context, SIZE), 'made');
    const before = statfsSync(dirname(path)).bfree;
    for (const length of [SIZE + 1, 2 * SIZE, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
      const error = refused(
        () => map(path, { ...create, length }),
        () => fileState(path),
      );
      expect(shape(error)).toEqual({ ...ENOSPC, path });
    }
    const error = refused(() => map(path, { ...create, offset: SIZE, length: 1 }));
    expect(shape(error)).toEqual({ ...ENOSPC, path });
    expect(readdirSync(dirname(path))).toEqual([]);
    expect(statfsSync(dirname(path)).bfree).toBe(before);
  });

  test('leaves a file that was to be extended as it was', (context) => {
    const path = join(smallTmpfs(context, SIZE), 'file');
    writeFileSync(path, 'content');
    // All but the time of its last change: what was allocated in part had to be cut off again.
    const state = () => ({ ...(fileState(path) as object), mtimeMs: 0 });
    for (const options of [
      { length: 2 * SIZE },
      { offset: 3, length: SIZE },
      { offset: SIZE, length: 1 },
    ]) {
      const error = refused(() => map(path, { access: 'write', ...options }), state);
      expect(shape(error)).toEqual({ ...ENOSPC, path });
    }
    expect(readFileSync(path, 'utf8')).toBe('content');
  });

  test('what fits to the last page fits', (context) => {
    const path = join(smallTmpfs(context, SIZE), 'made');
    using mapping = map(path, { ...create, length: SIZE });
    mapping.bytes.fill(7);
    expect(statfsSync(dirname(path)).bfree).toBe(0);
    // Shorter, or as it is: nothing to allocate.
    using same = map(path, { ...create, length: SIZE });
    expect(same.bytes.every((byte) => byte === 7)).toBe(true);
  });

  test('so is more memory than the machine has, for a file in memory without a limit', () => {
    const fd = memfd_create('memmap-test');
    onTestFinished(() => closeSync(fd));
    for (const length of [2 ** 44, 2 ** 48, Number.MAX_SAFE_INTEGER]) {
      const state = () => fstatSync(fd).size;
      const error = refused(() => map(fd, { access: 'write', length }), state);
      expect(shape(error)).toEqual(ENOSPC);
    }
    using mapping = map(fd, { access: 'write', length: SIZE });
    expect([mapping.length, fstatSync(fd).size]).toEqual([SIZE, SIZE]);
  });

  test('is met later by a sparse file, which can be mapped', (context) => {
    const path = join(smallTmpfs(context, SIZE), 'made');
    using mapping = map(path, { ...create, sparse: true, length: 4 * SIZE });
    mapping.bytes.write('fits');
    expect(statSync(path)).toMatchObject({ size: 4 * SIZE, blocks: PAGE_SIZE / 512 });
    truncateSync(path, 0);
  });
});
