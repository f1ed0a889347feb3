// What CPython tests of its shared memory (_test_multiprocessing.py), and of a name's life and death.

import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { SharedMemory } from 'memmap';
import {
  add_seals,
  F_SEAL,
  ftruncate,
  MAP,
  MFD,
  memfd_create,
  mmap,
  munmap,
  PAGE_SIZE,
  PROT,
  shm_open,
  shm_unlink,
} from 'memmap/posix';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Command } from './programs/named-memory.js';
import { badInteger, badName, badWord, fileState, refused, refuses, shape } from './support/bad.js';
import { failure, openFd } from './support/posix.js';
import { areasOf, maps } from './support/proc.js';
import { type Program, program, start } from './support/program.js';
import { tempFile } from './support/temp.js';

const LENGTH = 2 * PAGE_SIZE + 10;
const TYPE = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const OUT = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
const file = (name: string) => `/dev/shm/${name.replace(/^\//, '')}`;
const { O_RDWR, O_RDONLY, O_CREAT, O_EXCL } = constants;

/** A name of this test's own, gone when it is done. */
function ownName(): string {
  const name = `memmap-test-${process.pid}-${randomBytes(6).toString('hex')}`;
  onTestFinished(() => rmSync(file(name), { force: true }));
  return name;
}

/** What stands in /dev/shm by a name that a call of this file may have made: others are at work there too. */
const mine = () =>
  readdirSync('/dev/shm').filter((name) => name.length < 3 || name.includes(`-${process.pid}-`));

function memory(name: string, length = LENGTH, options?: { mode?: number; exclusive?: boolean }) {
  const made = SharedMemory.createNamed(name, length, options);
  onTestFinished(() => made.unmap());
  return made;
}

/** Another process, until the test is done. */
async function process_(...args: string[]) {
  const other: Program = start(program('named-memory'), args, { ipc: true });
  onTestFinished(() => other[Symbol.asyncDispose]());
  expect(await other.message()).toBe('ready');
  return { other, tell: (command: Command) => other.ask<string | number>(command) };
}

describe('a name', () => {
  test('is created, opened and written to, here and by another process', async () => {
    const name = ownName();
    const mine = memory(name);
    expect(mine).toMatchObject({ name, length: LENGTH, offset: 0, access: 'write' });
    expect(mine.bytes.every((byte) => byte === 0)).toBe(true);
    expect(fstatSync(mine.fd)).toMatchObject({ size: LENGTH, ino: statSync(file(name)).ino });
    const { other, tell } = await process_();
    expect(await tell({ do: 'open', name })).toBe(LENGTH);
    mine.bytes.write('from here', 5);
    expect(await tell({ do: 'look', at: 5, length: 9 })).toBe('from here');
    await tell({ do: 'write', at: LENGTH - 10, text: 'from there' });
    expect(mine.bytes.toString('latin1', LENGTH - 10)).toBe('from there');
    using again = SharedMemory.open(`/${name}`, { access: 'read' });
    expect(again).toMatchObject({ name: `/${name}`, length: LENGTH, access: 'read' });
    expect(again.bytes.equals(mine.bytes)).toBe(true);
    expect(await other.finish()).toMatchObject({ code: 0, signal: null, stderr: '' });
  });

  test('counts the additions of two processes, every one', async () => {
    const name = ownName();
    const cells = memory(name).view(Int32Array, 0, 4);
    const both = await Promise.all([process_(), process_()]);
    for (const { tell } of both) {
      // Not a whole number of cells: it looks at the first part.
      expect(await tell({ do: 'open', name })).toBe(LENGTH);
    }
    ftruncateSync(openFd(file(name)), LENGTH + 2);
    for (const { tell } of both) expect(await tell({ do: 'open', name })).toBe(LENGTH + 2);
    await Promise.all(both.map(({ tell }) => tell({ do: 'add', index: 1, times: 20_000 })));
    expect([...cells]).toEqual([0, 40_000, 0, 0]);
  });

  test('that is in use: EEXIST with `exclusive`, else what is there, if it is long enough', async () => {
    const name = ownName();
    const mine = memory(name, LENGTH, { exclusive: true });
    mine.bytes.write('mine');
    const state = () => fileState(file(name));
    const { tell } = await process_();
    expect(await tell({ do: 'create', name, length: LENGTH, exclusive: true })).toBe('EEXIST');
    const error = refused(() => SharedMemory.createNamed(name, 1, { exclusive: true }), state);
    expect(shape(error)).toMatchObject({ name: 'Error', code: 'EEXIST', errno: -17 });
    expect(shape(refused(() => SharedMemory.createNamed(name, LENGTH + 1), state))).toEqual(OUT);
    expect(await tell({ do: 'create', name, length: LENGTH })).toBe(LENGTH);
    expect(await tell({ do: 'look', at: 0, length: 4 })).toBe('mine');
    const fd = () => shm_open(`/${name}`, O_RDWR | O_CREAT | O_EXCL);
    expect(shape(refused(fd, state))).toEqual(failure('EEXIST', 17, 'shm_open'));
  });

  test('that is missing: ENOENT', async () => {
    const name = ownName();
    const ENOENT = { name: 'Error', code: 'ENOENT', errno: -2 };
    for (const call of [
      () => SharedMemory.open(name),
      () => SharedMemory.open(name, { access: 'read' }),
      () => SharedMemory.unlink(name),
      () => shm_open(`/${name}`, O_RDONLY),
      () => shm_unlink(`/${name}`),
    ]) {
      expect(shape(refused(call))).toMatchObject(ENOENT);
    }
    const { tell } = await process_();
    expect(await tell({ do: 'open', name })).toBe('ENOENT');
    expect(existsSync(file(name))).toBe(false);
  });

  test('of zero bytes is refused: made, found, or not made yet', () => {
    const name = ownName();
    refuses('length', badInteger({ min: 1 }), (length) => SharedMemory.createNamed(name, length));
    expect(existsSync(file(name))).toBe(false);
    writeFileSync(file(name), '');
    const state = () => fileState(file(name));
    expect(shape(refused(() => SharedMemory.open(name), state))).toEqual(OUT);
    expect(shape(refused(() => SharedMemory.createNamed(name, 1), state))).toEqual(OUT);
    const empty = openFd(file(name));
    for (const trusted of [true, undefined]) {
      const options = trusted ? { trusted } : undefined;
      const error = refused(() => SharedMemory.adopt(empty, options), state);
      expect(shape(error)).toMatchObject(trusted ? OUT : { code: 'ERR_INVALID_STATE' });
    }
  });

  test('with a null byte, a slash or nothing in it is refused', () => {
    const before = mine();
    for (const call of [
      (name: never) => SharedMemory.createNamed(name, 1),
      (name: never) => SharedMemory.open(name),
      (name: never) => SharedMemory.unlink(name),
    ]) {
      refuses('name', badName(), call);
      for (const name of ['', '/', '//', '.', '..', '/..', 'a/b', '../a', '/a/', '//a', 'a\0']) {
        expect(shape(refused(() => call(name as never)))).toEqual(TYPE);
      }
      const long = refused(() => call('n'.repeat(256) as never));
      expect(shape(long)).toMatchObject({ name: 'Error', code: 'ENAMETOOLONG' });
    }
    refuses('name', badName(), (name) => shm_open(name, O_RDWR | O_CREAT));
    refuses('name', badName(), (name) => shm_unlink(name));
    expect(mine()).toEqual(before);
    const { open, createNamed } = SharedMemory;
    refuses('options.access', badWord(), (access) => open('a', { access }));
    refuses('options.mode', badInteger({ max: 0o7777 }, 'undefined'), (mode) => createNamed('a', 1, { mode })); // biome-ignore format: one idea
  });

  test('is no link to somewhere else', () => {
    const target = tempFile('somewhere else');
    const name = ownName();
    symlinkSync(target, file(name));
    for (const call of [
      () => shm_open(`/${name}`, O_RDWR),
      () => SharedMemory.open(name),
      () => SharedMemory.createNamed(name, 5),
    ]) {
      const error = refused(call, () => fileState(target));
      expect((error as NodeJS.ErrnoException).code).toBe('ELOOP');
    }
  });

  test('has the rights that were asked for, less the umask, and its bytes are allocated', () => {
    const umask = process.umask();
    for (const [mode, shown] of [
      [undefined, 0o600],
      [0o666, 0o666 & ~umask],
      [0o400, 0o400],
    ] as const) {
      const name = ownName();
      memory(name, 4 * PAGE_SIZE, mode === undefined ? {} : { mode });
      const { mode: has, blocks } = statSync(file(name));
      expect(has & 0o7777).toBe(shown);
      expect(blocks * 512).toBe(4 * PAGE_SIZE);
    }
  });
});

describe('life and death', () => {
  test("the creator's death leaves the mappings of others alive, and the name", async () => {
    const name = ownName();
    const { other, tell } = await process_();
    expect(await tell({ do: 'create', name, length: LENGTH })).toBe(LENGTH);
    await tell({ do: 'write', at: 0, text: 'last words' });
    using mine = SharedMemory.open(name);
    const { ino } = statSync(file(name));
    expect(await other.kill('SIGKILL')).toMatchObject({ code: null, signal: 'SIGKILL' });
    expect(mine.bytes.toString('latin1', 0, 10)).toBe('last words');
    mine.bytes.fill(1);
    expect(mine.faults).toEqual([]);
    expect(statSync(file(name)).ino).toBe(ino);
    const next = await process_();
    expect(await next.tell({ do: 'open', name })).toBe(LENGTH);
    expect(await next.tell({ do: 'look', at: 0, length: 2 })).toBe('\x01\x01');
  });

  test("nobody's unmap, exit or failure takes a name away: only unlink() does", async () => {
    const name = ownName();
    const mine = memory(name);
    mine.bytes.write('here');
    const { other, tell } = await process_();
    expect(await tell({ do: 'open', name })).toBe(LENGTH);
    await tell({ do: 'unmap' });
    expect(await tell({ do: 'create', name, length: LENGTH * 9 })).toBe('ERR_OUT_OF_RANGE');
    expect(await tell({ do: 'create', name, length: 1, exclusive: true })).toBe('EEXIST');
    expect(await tell({ do: 'open', name, access: 'read' })).toBe(LENGTH);
    expect(await other.finish()).toMatchObject({ code: 0, signal: null, stderr: '' });
    const { ino } = fstatSync(mine.fd);
    expect(statSync(file(name)).ino).toBe(ino);
    mine.unmap();
    expect(statSync(file(name)).ino).toBe(ino);
    expect(readFileSync(file(name), 'latin1').slice(0, 4)).toBe('here');
  });

  test('after unlink() mappings go on, and the name is free for another memory', async () => {
    const name = ownName();
    const mine = memory(name);
    const { tell } = await process_();
    await tell({ do: 'open', name });
    SharedMemory.unlink(name);
    expect(existsSync(file(name))).toBe(false);
    expect(shape(refused(() => SharedMemory.unlink(name)))).toMatchObject({ code: 'ENOENT' });
    mine.bytes.write('still');
    expect(await tell({ do: 'look', at: 0, length: 5 })).toBe('still');
    const second = memory(name, 1, { exclusive: true });
    second.bytes[0] = 7;
    // Whoever has the old one does not end the new one, by unmapping it or by its end.
    await tell({ do: 'unmap' });
    mine.unmap();
    expect(statSync(file(name)).ino).toBe(fstatSync(second.fd).ino);
    expect(await tell({ do: 'unlink', name })).toBe('done');
    expect(existsSync(file(name))).toBe(false);
    expect(second.bytes[0]).toBe(7);
  });

  test('a failed creation leaves no name, no file and no mapping', () => {
    const name = ownName();
    const before = mine();
    for (const length of [2 ** 50, Number.MAX_SAFE_INTEGER]) {
      const error = refused(() => SharedMemory.createNamed(name, length));
      expect(['ENOSPC', 'EFBIG', 'ENOMEM']).toContain((error as NodeJS.ErrnoException).code);
    }
    expect(mine()).toEqual(before);
    expect(areasOf(file(name), maps())).toEqual([]);
  });

  test('named memory that somebody cuts is survived; it cannot be sealed', () => {
    const name = ownName();
    const mine = memory(name);
    mine.bytes.fill(1);
    truncateSync(file(name), PAGE_SIZE);
    expect(mine.bytes[PAGE_SIZE]).toBe(0);
    expect(mine.faults).toMatchObject([{ offset: PAGE_SIZE, kind: 'truncated' }]);
    expect(shape(refused(() => mine.seal('write')))).toEqual(failure('EPERM', 1, 'fcntl'));
    refuses('what', badWord(), (what) => mine.seal(what));
  });

  test('what another user may not read, write or unlink stays out of reach', async (context) => {
    if (process.getuid?.() !== 0) context.skip('becoming another user needs root');
    const names = [ownName(), ownName()] as const;
    for (const name of names) memory(name).bytes.write('mine');
    chmodSync(file(names[1]), 0o444);
    const { tell } = await process_('65534');
    expect(await tell({ do: 'open', name: names[0], access: 'read' })).toBe('EACCES');
    expect(await tell({ do: 'open', name: names[1] })).toBe('EACCES');
    expect(await tell({ do: 'create', name: names[1], length: 1 })).toBe('EACCES');
    expect(await tell({ do: 'open', name: names[1], access: 'read' })).toBe(LENGTH);
    expect(await tell({ do: 'look', at: 0, length: 4 })).toBe('mine');
    for (const name of names) {
      expect(await tell({ do: 'unlink', name })).toMatch(/^E(ACCES|PERM)$/);
      expect(existsSync(file(name))).toBe(true);
    }
  });
});

describe('shm_open', () => {
  test('gives a descriptor of size 0, closed on exec, to be sized, mapped and closed', () => {
    const name = `/${ownName()}`;
    const fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0o640);
    onTestFinished(() => closeSync(fd));
    expect(fstatSync(fd)).toMatchObject({ size: 0, mode: 0o100640 });
    expect(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')).toMatch(/^flags:\s+0*2\d{6}$/m);
    ftruncate(fd, PAGE_SIZE);
    const buffer = mmap(PAGE_SIZE, PROT.READ | PROT.WRITE, MAP.SHARED, fd);
    Buffer.from(buffer).write('written');
    using other = SharedMemory.open(name, { access: 'read' });
    expect(other.bytes.toString('latin1', 0, 7)).toBe('written');
    munmap(buffer);
    shm_unlink(name);
    expect(existsSync(file(name))).toBe(false);
    for (const bad of ['', '/', '/a/b']) {
      expect((refused(() => shm_open(bad, O_RDWR)) as NodeJS.ErrnoException).code).toMatch(/^E(INVAL|ISDIR|NOENT)$/); // biome-ignore format: one idea
    }
  });
});

describe('adopt', () => {
  test('the position of its descriptor is its user’s', () => {
    using memory = SharedMemory.create(LENGTH);
    memory.bytes.write('shared', 'latin1');
    using adopted = SharedMemory.adopt(memory.fd);
    const read = Buffer.alloc(6);
    expect(adopted.refresh()).toBe(LENGTH);
    expect(readSync(adopted.fd, read, 0, 2, null)).toBe(2);
    expect(adopted.refresh()).toBe(LENGTH);
    expect(adopted.slide(0)).toBe(LENGTH);
    expect(readSync(adopted.fd, read, 2, 4, null)).toBe(4);
    expect(read.toString('latin1')).toBe('shared');
  });

  test('takes memory whose size is sealed, or that is trusted; the descriptor stays the caller’s', () => {
    const fd = memfd_create('adopted', MFD.ALLOW_SEALING);
    onTestFinished(() => closeSync(fd));
    ftruncate(fd, LENGTH);
    for (const seals of [0, F_SEAL.SHRINK]) {
      add_seals(fd, seals);
      const error = refused(() => SharedMemory.adopt(fd));
      expect(shape(error)).toEqual({ name: 'Error', code: 'ERR_INVALID_STATE' });
      using trusted = SharedMemory.adopt(fd, { trusted: true });
      expect(trusted.length).toBe(LENGTH);
    }
    add_seals(fd, F_SEAL.GROW);
    const adopted = SharedMemory.adopt(fd);
    expect(adopted).toMatchObject({ length: LENGTH, access: 'write', name: undefined });
    expect(adopted.fd).not.toBe(fd);
    adopted.bytes.write('shared');
    adopted.unmap();
    using reader = SharedMemory.adopt(fd, { access: 'read' });
    expect(reader.bytes.toString('latin1', 0, 6)).toBe('shared');
    refuses('fd', badInteger({ max: 0x7fffffff }), (bad) => SharedMemory.adopt(bad));
    refuses('options.access', badWord(), (access) => SharedMemory.adopt(fd, { access }));
    for (const path of ['/dev/null', '/']) {
      const none = openFd(path, 'r');
      expect(shape(refused(() => SharedMemory.adopt(none)))).toMatchObject({ name: 'Error' });
    }
  });
});
