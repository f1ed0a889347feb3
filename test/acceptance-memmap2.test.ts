// What the tests of memmap2 (src/lib.rs) show, as far as mapping.test.ts and bad-input-*.test.ts do not:
// see docs/acceptance.md.

import { constants } from 'node:buffer';
import { readFileSync, statfsSync, statSync, truncateSync } from 'node:fs';
import { anonymous, type Mapping, map } from 'memmap';
import { MAP, mlock, mmap, mprotect, mremap, munlock, PAGE_SIZE, PROT } from 'memmap/posix';
import { describe, expect, test } from 'vitest';
import { fileState, refused, shape } from './support/bad.js';
import { failure, mapped, openFd } from './support/posix.js';
import { areasOf, lockedBytes, maps, smaps, total } from './support/proc.js';
import { tempFile } from './support/temp.js';

const RW = PROT.READ | PROT.WRITE;
const LENGTH = 4 * PAGE_SIZE;
const pattern = (size = LENGTH) =>
  Buffer.from(Array.from({ length: size }, (_, i) => (i * 11) & 255));
const OUT = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
const perms = (path: string) => areasOf(path, maps()).map((area) => area.perms);

describe('flush of a range at offset 2', () => {
  const ways: [string, (m: Mapping, offset: number, length: number) => unknown][] = [
    ['flush()', (m, offset, length) => m.flush(offset, length)],
    ['flushSync()', (m, offset, length) => m.flushSync(offset, length)],
    ['flush() of ranges', (m, offset, length) => m.flush([[offset, length]])],
  ];
  test.for(ways)(
    '%s: what was written there is on the disk, and only its page',
    async ([, flush], context) => {
      const path = tempFile(0);
      if (statfsSync(path).type === 0x01021994)
        context.skip('the temporary directory is in memory');
      const size = 8 << 20;
      const far = size / 2;
      // Read without read-ahead a hole comes in page by page, and each page is dirty by itself.
      const options = { access: 'write', length: size, sparse: true, advice: 'random' } as const;
      using mapping = map(path, options);
      const write = Buffer.from('abc123');
      const dirty = () => total(areasOf(path, smaps()), 'Shared_Dirty', 'Private_Dirty');
      write.copy(mapping.bytes, 2);
      write.copy(mapping.bytes, far);
      expect(dirty()).toBe(2 * PAGE_SIZE);
      await flush(mapping, 2, write.length);
      expect(dirty()).toBe(PAGE_SIZE);
      expect(readFileSync(path).toString('latin1', 0, 9)).toBe('\0\0abc123\0');
      // The end of the mapping, from offset 2 on, and not a byte more.
      expect(await flush(mapping, 2, size - 2)).toBeUndefined();
      expect(dirty()).toBe(0);
      await expect(async () => flush(mapping, 2, size - 1)).rejects.toMatchObject(OUT);
    },
  );
});

describe('copy-on-write', () => {
  test('at an offset beyond 2^32, over a descriptor that may only be read', () => {
    const path = tempFile(0);
    const offset = 2 ** 32 + PAGE_SIZE + 2;
    using writer = map(path, { access: 'write', offset, length: 16, sparse: true });
    writer.bytes.write('of the file');
    using mapping = map(openFd(path, 'r'), { access: 'copy', offset, length: 16 });
    using reader = map(path, { offset });
    expect(mapping.bytes.toString('latin1', 0, 11)).toBe('of the file');
    mapping.bytes.write('my own copy');
    expect(mapping.bytes.toString('latin1', 0, 11)).toBe('my own copy');
    expect(reader.bytes.toString('latin1', 0, 11)).toBe('of the file');
    // A page that is mine already does not follow the file.
    writer.bytes.write('OF');
    expect(mapping.bytes.toString('latin1', 0, 11)).toBe('my own copy');
  });
});

describe('protect', () => {
  test('a file: read-only and back, whole and in part, and what is written meanwhile is no write', () => {
    const path = tempFile(pattern());
    using mapping = map(path, { access: 'write' });
    mapping.protect('read');
    expect(perms(path)).toEqual(['r--s']);
    mapping.protect('write');
    expect(perms(path)).toEqual(['rw-s']);
    mapping.bytes[0] = 0xaa;
    expect(readFileSync(path)[0]).toBe(0xaa);
    mapping.protect('none', PAGE_SIZE, PAGE_SIZE);
    mapping.protect('read', 2 * PAGE_SIZE, 1);
    expect(perms(path)).toEqual(['rw-s', '---s', 'r--s', 'rw-s']);
    mapping.bytes[2 * PAGE_SIZE] = 0x55;
    expect(mapping.faults).toEqual([
      { offset: 2 * PAGE_SIZE, length: PAGE_SIZE, kind: 'read-only' },
    ]);
    expect(readFileSync(path)[2 * PAGE_SIZE]).toBe(pattern()[2 * PAGE_SIZE]);
    mapping.refresh();
    mapping.protect('write');
    expect(perms(path)).toEqual(['rw-s']);
    mapping.bytes[2 * PAGE_SIZE] = 0x66;
    expect(readFileSync(path)[2 * PAGE_SIZE]).toBe(0x66);
  });

  test('a copy: what was written before is still there', () => {
    const path = tempFile(pattern());
    using mapping = map(path, { access: 'copy' });
    mapping.bytes.fill(1, 0, PAGE_SIZE);
    mapping.protect('read');
    expect(perms(path)).toEqual(['r--p']);
    expect(mapping.bytes.subarray(0, PAGE_SIZE).every((byte) => byte === 1)).toBe(true);
    mapping.protect('write');
    expect(perms(path)).toEqual(['rw-p']);
    mapping.bytes.fill(2);
    expect(readFileSync(path).equals(pattern())).toBe(true);
    expect(mapping.faults).toEqual([]);
  });

  test.each([true, false])('anonymous memory, shared %s', (shared) => {
    using mapping = anonymous(LENGTH, { shared });
    mapping.bytes.fill(3);
    for (const access of ['read', 'none', 'write'] as const) mapping.protect(access);
    expect(mapping.bytes.every((byte) => byte === 3)).toBe(true);
    mapping.bytes.fill(4);
    mapping.protect('read', LENGTH - 1);
    expect(mapping.bytes[LENGTH - 1]).toBe(4);
    expect(mapping.faults).toEqual([]);
    mapping.bytes[LENGTH - 1] = 5;
    expect(mapping.faults).toEqual([
      { offset: LENGTH - PAGE_SIZE, length: PAGE_SIZE, kind: 'read-only' },
    ]);
  });

  test("a mapping to read never becomes one to write: EACCES, the file's and the mapping's", () => {
    const path = tempFile(pattern());
    for (const file of [path, openFd(path, 'r+')]) {
      using mapping = map(file);
      const error = refused(
        () => mapping.protect('write'),
        () => [fileState(path), perms(path)],
      );
      expect(shape(error)).toEqual(failure('EACCES', 13, 'mprotect'));
    }
  });
});

describe('advise', () => {
  const words = ['normal', 'random', 'sequential', 'willneed', 'cold', 'dontdump', 'dodump'];
  test.each(words)("'%s' changes no byte of any mapping", (advice) => {
    const path = tempFile(pattern());
    using file = map(path, { access: 'write', offset: 3 });
    using copy = map(path, { access: 'copy' });
    using memory = anonymous(LENGTH);
    copy.bytes.fill(1);
    memory.bytes.fill(2);
    for (const mapping of [file, copy, memory]) {
      mapping.advise(advice);
      mapping.advise(advice, 2);
      mapping.advise(advice, PAGE_SIZE + 1, 1);
      mapping.advise(advice, mapping.length, 0);
    }
    expect(file.bytes.equals(pattern().subarray(3))).toBe(true);
    expect(copy.bytes.every((byte) => byte === 1)).toBe(true);
    expect(memory.bytes.every((byte) => byte === 2)).toBe(true);
  });

  test.each([
    ['random', 'rr'],
    ['sequential', 'sr'],
  ])("'%s' is seen by the kernel, and outlives resize and slide", (advice, flag) => {
    const path = tempFile(pattern());
    using mapping = map(path, { access: 'write', reserve: 2 * LENGTH });
    const flags = () => areasOf(path, smaps()).map((area) => area.flags.includes(flag));
    expect(flags()).toEqual([false]);
    mapping.advise(advice);
    expect(flags()).toEqual([true]);
    mapping.resize(LENGTH + PAGE_SIZE);
    expect(flags().every(Boolean)).toBe(true);
    mapping.resize(4 * LENGTH);
    expect(flags()).toEqual([true]);
    mapping.slide(PAGE_SIZE);
    expect(flags()).toEqual([true]);
    mapping.advise('normal');
    expect(flags()).toEqual([false]);
    mapping.resize(8 * LENGTH);
    expect(flags()).toEqual([false]);
  });

  test("'dontneed' drops what is in anonymous and private memory, whole pages of it, and nothing of a file", () => {
    using memory = anonymous(LENGTH, { shared: false });
    memory.bytes.fill(7);
    memory.advise('dontneed', PAGE_SIZE, PAGE_SIZE);
    const left = Array.from({ length: 4 }, (_, page) => memory.bytes[page * PAGE_SIZE]);
    expect(left).toEqual([7, 0, 7, 7]);
    memory.advise('dontneed');
    expect(memory.bytes.every((byte) => byte === 0)).toBe(true);
    memory.bytes.fill(8);
    expect(memory.bytes.every((byte) => byte === 8)).toBe(true);

    const path = tempFile(pattern());
    using copy = map(path, { access: 'copy' });
    using file = map(path, { access: 'write' });
    copy.bytes.fill(9);
    copy.advise('dontneed');
    expect(copy.bytes.equals(pattern())).toBe(true);
    file.bytes[0] = 0xcc;
    file.advise('dontneed');
    expect(file.bytes[0]).toBe(0xcc);
  });
});

describe('lock', () => {
  test('and protection of the whole outlive resize, slide and refresh', () => {
    const path = tempFile(pattern());
    const before = lockedBytes();
    const locked = () => lockedBytes() - before;
    const mapping = map(path, { access: 'write', reserve: 2 * LENGTH });
    mapping.lock();
    mapping.resize(2 * LENGTH);
    expect(locked()).toBe(2 * LENGTH);
    mapping.resize(4 * LENGTH); // beyond the reserve
    expect(locked()).toBe(4 * LENGTH);
    mapping.slide(PAGE_SIZE);
    expect(locked()).toBe(4 * LENGTH); // of the last page, which the file does not have, nothing is in
    expect(mapping.residency()).toMatchObject({ pages: 16, resident: 15 });
    expect(
      mapping.bytes.subarray(0, LENGTH - PAGE_SIZE).equals(pattern().subarray(PAGE_SIZE)),
    ).toBe(true);
    truncateSync(path, 3 * LENGTH);
    mapping.bytes[4 * LENGTH - 1] = 1;
    expect(mapping.faults).toMatchObject([{ kind: 'truncated' }]);
    expect(mapping.refresh()).toBe(3 * LENGTH - PAGE_SIZE);
    truncateSync(path, 4 * LENGTH);
    mapping.slide(0);
    expect(locked()).toBe(4 * LENGTH);
    mapping.protect('read');
    mapping.unlock();
    mapping.resize(6 * LENGTH);
    expect(perms(path)).toEqual(['r--s']);
    expect(locked()).toBe(0);
    mapping.bytes[0] = 0xdd;
    expect(mapping.faults).toMatchObject([{ kind: 'read-only' }, { kind: 'truncated' }]);
    mapping.refresh();
    expect(perms(path)).toEqual(['r--s']);
    mapping.unmap();
    expect(readFileSync(path)[0]).toBe(pattern()[0]);
    // Asked for at the beginning, and taken back: not there again after a move.
    using other = map(path, { access: 'write', lock: true, advice: 'random' });
    other.unlock();
    other.resize(8 * LENGTH);
    expect(locked()).toBe(0);
  });

  test('shows in VmLck, and unlock takes it back', () => {
    const path = tempFile(pattern());
    const before = lockedBytes();
    const locked = () => lockedBytes() - before;
    const file = map(path, { access: 'write' });
    using memory = anonymous(LENGTH);
    file.lock();
    expect(locked()).toBe(LENGTH);
    file.lock(); // locks do not add up
    expect(locked()).toBe(LENGTH);
    memory.lock(PAGE_SIZE + 1, 1);
    expect(locked()).toBe(LENGTH + PAGE_SIZE);
    expect(memory.residency(PAGE_SIZE, PAGE_SIZE)).toMatchObject({ pages: 1, resident: 1 });
    file.unlock(0, 2 * PAGE_SIZE);
    expect(locked()).toBe(LENGTH - PAGE_SIZE);
    file.unlock();
    expect(locked()).toBe(PAGE_SIZE);
    file.lock();
    file.unmap(); // takes it back too
    expect(locked()).toBe(PAGE_SIZE);
    memory.unlock();
    expect(locked()).toBe(0);
    memory.unlock(); // none left
    expect(locked()).toBe(0);
  });

  test('mlock and munlock of a view: the pages that it touches', () => {
    const before = lockedBytes();
    const buffer = mapped(LENGTH, RW, MAP.PRIVATE | MAP.ANONYMOUS);
    mlock(new Uint8Array(buffer, PAGE_SIZE - 1, 2));
    expect(lockedBytes() - before).toBe(2 * PAGE_SIZE);
    munlock(new Uint8Array(buffer, 0, 1));
    expect(lockedBytes() - before).toBe(PAGE_SIZE);
    munlock(buffer);
    expect(lockedBytes()).toBe(before);
  });
});

describe('remap', () => {
  /** Mappings of every kind, with a pattern in them. */
  const kinds: [string, () => ArrayBuffer][] = [
    ['a shared file', () => mmap(LENGTH, RW, MAP.SHARED, openFd(tempFile(pattern(4 * LENGTH))))],
    [
      'a shared file from its second page on',
      () => mmap(LENGTH, RW, MAP.SHARED, openFd(tempFile(pattern(4 * LENGTH))), PAGE_SIZE),
    ],
    [
      'a private file',
      () => mmap(LENGTH, RW, MAP.PRIVATE, openFd(tempFile(pattern(4 * LENGTH)), 'r')),
    ],
    ['private memory', () => mmap(LENGTH, RW, MAP.PRIVATE | MAP.ANONYMOUS)],
  ];

  test.each(kinds)('%s grows, shrinks, and has its bytes', (_, make) => {
    let buffer = make();
    const bytes = Buffer.from(buffer);
    bytes.write('mine', LENGTH - 4);
    const content = Buffer.from(bytes);
    for (const length of [LENGTH + 1, 3 * LENGTH, LENGTH, LENGTH]) {
      const old = buffer;
      buffer = mremap(buffer, length);
      expect([old.byteLength, bytes.length]).toEqual([0, 0]);
      expect(buffer.byteLength).toBe(length);
      const now = Buffer.from(buffer);
      expect(now.subarray(0, LENGTH).equals(content)).toBe(true);
      now[length - 1] = content[length - 1] ?? 1; // there is a page
    }
    buffer = mremap(buffer, 10);
    expect(Buffer.from(buffer).equals(content.subarray(0, 10))).toBe(true);
    mremap(buffer, 1);
  });

  test('with an offset: what comes after is what follows in the file', () => {
    const file = pattern(4 * LENGTH);
    const fd = openFd(tempFile(file));
    let buffer = mapped(PAGE_SIZE, RW, MAP.SHARED, fd, 2 * PAGE_SIZE);
    buffer = mremap(buffer, LENGTH);
    expect(Buffer.from(buffer).equals(file.subarray(2 * PAGE_SIZE, 2 * PAGE_SIZE + LENGTH))).toBe(
      true,
    );
    mprotect(buffer, PROT.READ);
    buffer = mremap(buffer, PAGE_SIZE + 1);
    expect(Buffer.from(buffer).equals(file.subarray(2 * PAGE_SIZE, 3 * PAGE_SIZE + 1))).toBe(true);
  });

  test.each(kinds)('%s: an overflow, and nothing, is refused: length and bytes stay', (_, make) => {
    const buffer = make();
    const content = Buffer.from(Buffer.from(buffer));
    const large = [Number.MAX_SAFE_INTEGER, 2 ** 52, 2 ** 48];
    for (const length of [...large, 0]) {
      const error = refused(() => mremap(buffer, length));
      if (length > constants.MAX_LENGTH) {
        expect(shape(error)).toEqual({ name: 'Error', code: 'ERR_FEATURE_UNAVAILABLE' });
      } else {
        // Longer than the address space is EINVAL (mm/mremap.c), longer than what is free in it ENOMEM.
        const refusals = [failure('EINVAL', 22, 'mremap'), failure('ENOMEM', 12, 'mremap')];
        expect(length === 0 ? refusals.slice(0, 1) : refusals).toContainEqual(shape(error));
      }
      expect(buffer.byteLength).toBe(LENGTH);
      expect(Buffer.from(buffer).equals(content)).toBe(true);
    }
    Buffer.from(buffer).fill(1); // and can be written
    mremap(mremap(buffer, LENGTH), 1);
  });

  test('resize(): grows, shrinks, and refuses an overflow, with an offset too', () => {
    for (const offset of [0, PAGE_SIZE + 3]) {
      const path = tempFile(pattern());
      using mapping = map(path, { access: 'write', offset, sparse: true });
      const length = LENGTH - offset;
      const { buffer } = mapping;
      const top = Number.MAX_SAFE_INTEGER - offset;
      for (const [wanted, codes] of [
        [top + 1, ['ERR_OUT_OF_RANGE']],
        [Number.MAX_SAFE_INTEGER + 1, ['ERR_OUT_OF_RANGE']],
        [top, ['EFBIG', 'EINVAL', 'ENOMEM']], // of the file system, or of the addresses
        [2 ** 48, ['EFBIG', 'ENOMEM']],
      ] as const) {
        const error = refused(
          () => mapping.resize(wanted),
          () => ({ ...(fileState(path) as object), mtimeMs: 0 }),
        );
        expect(codes).toContain((error as { code: string }).code);
        expect([mapping.length, mapping.buffer, buffer.byteLength]).toEqual([
          length,
          buffer,
          length,
        ]);
        expect(mapping.bytes.equals(pattern().subarray(offset))).toBe(true);
      }
      mapping.resize(3 * LENGTH);
      expect(statSync(path).size).toBe(offset + 3 * LENGTH);
      expect(mapping.bytes.subarray(0, length).equals(pattern().subarray(offset))).toBe(true);
      expect(mapping.bytes.subarray(length).every((byte) => byte === 0)).toBe(true);
      mapping.resize(5);
      expect(mapping.bytes.equals(pattern().subarray(offset, offset + 5))).toBe(true);
    }
  });
});
