// The cases of the Linux Test Project (testcases/kernel/syscalls/) that posix.test.ts does not have:
// mprotect01, madvise02, mlock02, mmap12 and mmap14 of a Mapping, memfd_create01 and 02.

import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readlinkSync,
  readSync,
  writeSync,
} from 'node:fs';
import { anonymous, map, SharedMemory } from 'memmap';
import {
  add_seals,
  F_SEAL,
  ftruncate,
  get_seals,
  MADV,
  MAP,
  MFD,
  madvise,
  memfd_create,
  mlock,
  mmap,
  mprotect,
  munlock,
  munmap,
  PAGE_SIZE,
  PROT,
} from 'memmap/posix';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Outcome } from './programs/lock-limits.js';
import { refused, shape } from './support/bad.js';
import { failure, mapped, openFd } from './support/posix.js';
import { areasOf, lockedPages, maps, pagemap, smaps } from './support/proc.js';
import { program, start } from './support/program.js';
import { tempFile } from './support/temp.js';

const RW = PROT.READ | PROT.WRITE;
const ANON = MAP.PRIVATE | MAP.ANONYMOUS;

describe('mprotect01', () => {
  test('write on a mapping of a descriptor that may only be read: EACCES, and it stays readable', () => {
    const path = tempFile(PAGE_SIZE);
    const buffer = mapped(PAGE_SIZE, PROT.READ, MAP.SHARED, openFd(path, 'r'));
    for (const prot of [PROT.WRITE, RW, RW | PROT.EXEC]) {
      for (const region of [buffer, new Uint8Array(buffer, 8, 8)]) {
        const error = refused(
          () => mprotect(region, prot),
          () => areasOf(path, maps()).map((area) => area.perms),
        );
        expect(shape(error)).toEqual(failure('EACCES', 13, 'mprotect'));
      }
    }
    expect(new Uint8Array(buffer)[0]).toBe(0);
    // Its private pages are another matter.
    const copy = mapped(PAGE_SIZE, PROT.READ, MAP.PRIVATE, openFd(path, 'r'));
    mprotect(copy, RW);
    new Uint8Array(copy)[0] = 1;
    expect(readFileSync(path)[0]).toBe(0);
  });

  test('memory that is mapped no more, or that is not ours: TypeError', () => {
    const buffer = mmap(PAGE_SIZE, RW, ANON);
    const view = new Uint8Array(buffer);
    munmap(buffer);
    for (const region of [buffer, view, new ArrayBuffer(PAGE_SIZE), new Uint8Array(8)]) {
      const error = refused(() => mprotect(region, PROT.READ));
      expect(shape(error)).toEqual({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
    }
  });
});

describe('madvise02', () => {
  /** Memory of each kind; `file` has something in it. */
  const kinds = {
    'a shared file': () => mapped(2 * PAGE_SIZE, RW, MAP.SHARED, openFd(tempFile(2 * PAGE_SIZE))),
    'a private file': () => mapped(2 * PAGE_SIZE, RW, MAP.PRIVATE, openFd(tempFile(2 * PAGE_SIZE))),
    'shared memory': () => mapped(2 * PAGE_SIZE, RW, MAP.SHARED | MAP.ANONYMOUS),
    'private memory': () => mapped(2 * PAGE_SIZE, RW, ANON),
  };
  type Kind = keyof typeof kinds;
  const names = Object.keys(kinds) as Kind[];
  const EINVAL = failure('EINVAL', 22, 'madvise');

  test.each(names)('unknown advice on %s: EINVAL', (kind) => {
    const buffer = kinds[kind]();
    for (const advice of [1212, 99, -1, 0x7fffffff, 5, 26 << 8]) {
      const error = refused(() => madvise(buffer, advice));
      expect(shape(error)).toEqual(EINVAL);
    }
  });

  test.each(names)(
    'REMOVE and DONTNEED on locked pages of %s: EINVAL, and nothing is dropped',
    (kind) => {
      const buffer = kinds[kind]();
      const bytes = new Uint8Array(buffer).fill(7);
      mlock(buffer);
      for (const advice of [MADV.REMOVE, MADV.DONTNEED]) {
        for (const region of [buffer, bytes.subarray(PAGE_SIZE)]) {
          expect(shape(refused(() => madvise(region, advice)))).toEqual(EINVAL);
        }
      }
      expect(bytes.every((byte) => byte === 7)).toBe(true);
      munlock(buffer);
      madvise(buffer, MADV.DONTNEED);
      const dropped = kind.includes('private');
      expect(bytes.every((byte) => byte === (dropped ? 0 : 7))).toBe(true);
    },
  );

  test.each(names.slice(0, 3))('FREE and WIPEONFORK on %s: EINVAL', (kind) => {
    const buffer = kinds[kind]();
    const bytes = new Uint8Array(buffer).fill(7);
    for (const advice of [MADV.FREE, MADV.WIPEONFORK]) {
      expect(shape(refused(() => madvise(buffer, advice)))).toEqual(EINVAL);
    }
    expect(bytes.every((byte) => byte === 7)).toBe(true);
  });

  test('on private memory both are taken, and REMOVE punches a hole into shared memory', () => {
    const own = kinds['private memory']();
    madvise(own, MADV.FREE);
    madvise(own, MADV.WIPEONFORK);
    madvise(own, MADV.KEEPONFORK);
    new Uint8Array(own).fill(1);
    const shared = kinds['shared memory']();
    new Uint8Array(shared).fill(7);
    madvise(new Uint8Array(shared, 0, 1), MADV.REMOVE);
    expect([0, PAGE_SIZE].map((at) => new Uint8Array(shared)[at])).toEqual([0, 7]);
    expect(shape(refused(() => madvise(own, MADV.REMOVE)))).toEqual(EINVAL);
  });

  test("a Mapping's advise() says the same", () => {
    using file = map(tempFile(PAGE_SIZE), { access: 'write', lock: true });
    expect(shape(refused(() => file.advise('dontneed')))).toEqual(EINVAL);
    expect(shape(refused(() => file.advise('free')))).toEqual(EINVAL);
    using memory = anonymous(PAGE_SIZE);
    expect(shape(refused(() => memory.advise('wipeonfork')))).toEqual(EINVAL);
  });
});

describe('mlock02', () => {
  const page = PAGE_SIZE / 1024;
  test.for([
    [0, { code: 'EPERM', errno: -1 }],
    [4, { code: 'ENOMEM', errno: -12 }],
  ] as const)('more than the limit of %i pages', async ([may, beyond], context) => {
    if (process.getuid?.() !== 0) context.skip('becoming another user needs root');
    const args = [process.execPath, program('lock-limits'), '65534', String(may)];
    const shell = ['-c', `ulimit -l ${may * page}; exec "$@"`, 'sh', ...args];
    const { code, signal, stdout, stderr } = await start('/bin/sh', shell).ended;
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    const call = (name: string, syscall: string, locked: number) => ({ name, syscall, locked, ...beyond }); // biome-ignore format: one idea
    const all = JSON.parse(stdout) as Outcome[];
    const atOnce = { name: 'MAP_LOCKED', syscall: 'mmap', locked: 0 };
    expect(all).toEqual([
      call('mlock', 'mlock', 0),
      call('Mapping.lock', 'mlock', 0),
      // mmap(2) has a code of its own for it.
      may === 0 ? { ...atOnce, ...beyond } : { ...atOnce, code: 'EAGAIN', errno: -11 },
      call('anonymous', 'mlock', 0),
      { name: 'as many as it may', code: null, locked: may },
      call('one more', 'mlock', may),
    ]);
  });

  test('pages past the end of the file: ENOMEM', () => {
    const fd = openFd(tempFile(PAGE_SIZE));
    const buffer = mapped(2 * PAGE_SIZE, RW, MAP.SHARED, fd);
    const error = refused(() => mlock(buffer));
    expect(shape(error)).toEqual(failure('ENOMEM', 12, 'mlock'));
    munlock(buffer);
    mlock(new Uint8Array(buffer, 0, PAGE_SIZE));
  });
});

describe('of a Mapping', () => {
  // mmap12
  test('populate: every page is there before it is touched', () => {
    const path = tempFile(16 * PAGE_SIZE);
    const present = () => {
      const [area] = areasOf(path, maps());
      return pagemap(area!.start, 16).filter((one) => one.present).length;
    };
    for (const access of ['read', 'write', 'copy'] as const) {
      const populated = map(path, { access, populate: true });
      expect(present()).toBe(16);
      expect(populated.residency()).toMatchObject({ pages: 16, resident: 16 });
      populated.unmap();
      using bare = map(path, { access });
      expect(present()).toBe(0);
      expect(bare.usage().rss).toBe(0);
    }
    using memory = anonymous(16 * PAGE_SIZE, { populate: true });
    expect(memory.usage().rss).toBe(16 * PAGE_SIZE);
    using empty = anonymous(16 * PAGE_SIZE);
    expect(empty.usage().rss).toBe(0);
  });

  // mmap14
  test('lock: counted in VmLck, until it is unmapped', () => {
    const path = tempFile(4 * PAGE_SIZE);
    const before = lockedPages();
    for (const access of ['read', 'write', 'copy'] as const) {
      const mapping = map(path, { access, lock: true, offset: PAGE_SIZE + 1 });
      expect(lockedPages() - before).toBe(3);
      expect(areasOf(path, smaps())[0]?.flags).toContain('lo');
      mapping.unmap();
      expect(lockedPages()).toBe(before);
    }
    const memory = anonymous(5 * PAGE_SIZE, { lock: true });
    expect(lockedPages() - before).toBe(5);
    memory.unmap();
    expect(lockedPages()).toBe(before);
  });
});

function memfd(...args: Parameters<typeof memfd_create>): number {
  const fd = memfd_create(...args);
  onTestFinished(() => closeSync(fd));
  return fd;
}

describe('memfd_create01: what each seal blocks', () => {
  const SIZE = 2 * PAGE_SIZE;
  /** A memfd of two pages with these seals on it. */
  function sealed(seals: number): number {
    const fd = memfd('sealed', MFD.ALLOW_SEALING);
    ftruncate(fd, SIZE);
    add_seals(fd, seals);
    expect(get_seals(fd)).toBe(seals);
    return fd;
  }
  /** What may still be done, tried one after the other, each undone again. */
  function allowed(seals: number): Record<string, string> {
    const fd = sealed(seals);
    const tries: Record<string, () => unknown> = {
      read: () => readSync(fd, Buffer.alloc(1), 0, 1, 0),
      write: () => writeSync(fd, 'x', 0),
      shrink: () => ftruncate(fd, SIZE - 1),
      grow: () => ftruncate(fd, 2 * SIZE),
      mapRead: () => munmap(mmap(SIZE, PROT.READ, MAP.SHARED, fd)),
      mapWrite: () => munmap(mmap(SIZE, RW, MAP.SHARED, fd)),
      mapPrivate: () => munmap(mmap(SIZE, RW, MAP.PRIVATE, fd)),
      seal: () => add_seals(fd, F_SEAL.SHRINK),
    };
    const entries = Object.entries(tries).map(([name, attempt]) => {
      try {
        attempt();
        return [name, 'ok'];
      } catch (error) {
        return [name, (error as NodeJS.ErrnoException).code ?? String(error)];
      }
    });
    return Object.fromEntries(entries);
  }
  const all = {
    read: 'ok',
    write: 'ok',
    shrink: 'ok',
    grow: 'ok',
    mapRead: 'ok',
    mapWrite: 'ok',
    mapPrivate: 'ok',
    seal: 'ok',
  };

  test.each([
    ['none', 0, {}],
    ['SHRINK', F_SEAL.SHRINK, { shrink: 'EPERM' }],
    ['GROW', F_SEAL.GROW, { grow: 'EPERM' }],
    ['SHRINK and GROW', F_SEAL.SHRINK | F_SEAL.GROW, { shrink: 'EPERM', grow: 'EPERM' }],
    ['WRITE', F_SEAL.WRITE, { write: 'EPERM', mapWrite: 'EPERM' }],
    ['FUTURE_WRITE', F_SEAL.FUTURE_WRITE, { write: 'EPERM', mapWrite: 'EPERM' }],
    ['SEAL', F_SEAL.SEAL, { seal: 'EPERM' }],
  ])('%s', (_, seals, blocked) => {
    expect(allowed(seals)).toEqual({ ...all, ...blocked });
  });

  test('seals add up, and none is ever taken off', () => {
    const fd = sealed(F_SEAL.SHRINK);
    add_seals(fd, F_SEAL.GROW);
    expect(get_seals(fd)).toBe(F_SEAL.SHRINK | F_SEAL.GROW);
    add_seals(fd, 0);
    add_seals(fd, F_SEAL.SEAL);
    for (const seals of [0, F_SEAL.SHRINK, F_SEAL.WRITE, F_SEAL.SEAL]) {
      expect(shape(refused(() => add_seals(fd, seals)))).toEqual(failure('EPERM', 1, 'fcntl'));
    }
    expect(get_seals(fd)).toBe(F_SEAL.SHRINK | F_SEAL.GROW | F_SEAL.SEAL);
  });

  test('WRITE is EBUSY while somebody could write through a mapping; FUTURE_WRITE lets him', () => {
    const fd = sealed(0);
    const buffer = mmap(SIZE, RW, MAP.SHARED, fd);
    expect(shape(refused(() => add_seals(fd, F_SEAL.WRITE)))).toEqual(
      failure('EBUSY', 16, 'fcntl'),
    );
    add_seals(fd, F_SEAL.FUTURE_WRITE);
    Buffer.from(buffer).write('still');
    const bytes = Buffer.alloc(5);
    readSync(fd, bytes, 0, 5, 0);
    expect(bytes.toString()).toBe('still');
    munmap(buffer);
    add_seals(fd, F_SEAL.WRITE);
    expect(get_seals(fd)).toBe(F_SEAL.WRITE | F_SEAL.FUTURE_WRITE);
  });

  test('without ALLOW_SEALING it is sealed against sealing; what is no memfd has no seals', () => {
    const fd = memfd('plain');
    expect(get_seals(fd)).toBe(F_SEAL.SEAL);
    expect(shape(refused(() => add_seals(fd, F_SEAL.GROW)))).toEqual(failure('EPERM', 1, 'fcntl'));
    const file = openFd(tempFile(1));
    for (const call of [() => get_seals(file), () => add_seals(file, F_SEAL.GROW)]) {
      expect(shape(refused(call))).toEqual(failure('EINVAL', 22, 'fcntl'));
    }
    const free = memfd('a', MFD.ALLOW_SEALING);
    expect(shape(refused(() => add_seals(free, 1 << 20)))).toEqual(failure('EINVAL', 22, 'fcntl'));
    const closed = openSync('/dev/null', 'r');
    closeSync(closed);
    expect(shape(refused(() => get_seals(closed)))).toEqual(failure('EBADF', 9, 'fcntl'));
  });

  test('SharedMemory.create() is sealed in its size, and seal() against new writers', () => {
    using memory = SharedMemory.create(SIZE);
    expect(get_seals(memory.fd)).toBe(F_SEAL.SHRINK | F_SEAL.GROW);
    for (const length of [0, 1, SIZE - 1, SIZE + 1, 2 * SIZE]) {
      const error = refused(() => ftruncateSync(memory.fd, length));
      expect(shape(error)).toMatchObject({ code: 'EPERM' });
    }
    memory.seal('write');
    expect(get_seals(memory.fd) & F_SEAL.FUTURE_WRITE).toBe(F_SEAL.FUTURE_WRITE);
    memory.bytes.write('still');
    const error = refused(() => SharedMemory.adopt(memory.fd));
    expect(shape(error)).toMatchObject({ code: 'EPERM', syscall: 'mmap' });
    using reader = SharedMemory.adopt(memory.fd, { access: 'read' });
    expect(reader.bytes.toString('latin1', 0, 5)).toBe('still');
    expect(fstatSync(memory.fd).size).toBe(SIZE);
  });
});

describe('memfd_create02', () => {
  test('a name of 249 bytes is not too long, one of 250 is: EINVAL', () => {
    for (const name of ['', 'n', 'n'.repeat(249), 'é'.repeat(124)]) {
      expect(readlinkSync(`/proc/self/fd/${memfd(name)}`)).toBe(`/memfd:${name} (deleted)`);
    }
    for (const name of ['n'.repeat(250), 'n'.repeat(5000), 'é'.repeat(125)]) {
      const error = refused(() => memfd_create(name));
      expect(shape(error)).toEqual(failure('EINVAL', 22, 'memfd_create'));
    }
    for (const name of ['a\0b', '\0', 1, null, undefined]) {
      const error = refused(() => memfd_create(name as string));
      expect(shape(error)).toEqual({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
    }
  });

  test('unknown flags: EINVAL', () => {
    for (const flags of [0x20, 0x100, 1 << 20, 0x8000_0000, 0xffff_ffff]) {
      const error = refused(() => memfd_create('flags', flags));
      expect(shape(error)).toEqual(failure('EINVAL', 22, 'memfd_create'));
    }
  });

  test('two of one name are two, and each is closed on exec', () => {
    const [one, two] = [memfd('same'), memfd('same', MFD.CLOEXEC)];
    writeSync(one, 'one');
    expect([fstatSync(one).size, fstatSync(two).size]).toEqual([3, 0]);
    for (const fd of [one, two]) {
      expect(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')).toMatch(/^flags:\s+0*2\d{6}$/m);
    }
  });
});
