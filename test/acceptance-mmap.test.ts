// What CPython tests of its mmap module (Lib/test/test_mmap.py), as far as mapping.test.ts, flush.test.ts
// and bad-input-*.test.ts do not: see docs/acceptance.md.

import { closeSync, ftruncateSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { anonymous, type Mapping, map } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Outcome } from './programs/unmap-in-argument.js';
import { fileState, refused, shape } from './support/bad.js';
import { openFd } from './support/posix.js';
import { areasOf, maps } from './support/proc.js';
import { program, run } from './support/program.js';
import { tempFile } from './support/temp.js';

const SIZE = 2 * PAGE_SIZE + 100;
const pattern = (size = SIZE) =>
  Buffer.from(Array.from({ length: size }, (_, i) => (i * 13) & 255));
const OUT = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
const NO_ACCESS = { name: 'Error', code: 'ERR_MAPPING_ACCESS' };
const code = (wanted: string) => expect.objectContaining({ code: wanted });

describe('resize', () => {
  test('to 512: mapping and file are 512 bytes, and the next index is past the end', () => {
    const path = tempFile(pattern());
    using mapping = map(path, { access: 'write' });
    const before = [mapping.buffer, mapping.bytes] as const;
    mapping.resize(512);
    expect(mapping.length).toBe(512);
    expect(statSync(path).size).toBe(512);
    expect(mapping.bytes.length).toBe(512);
    expect(mapping.bytes[512]).toBeUndefined();
    expect(mapping.bytes.equals(pattern().subarray(0, 512))).toBe(true);
    expect(before.map((one) => one.byteLength)).toEqual([0, 0]);
    expect(readFileSync(path).equals(pattern().subarray(0, 512))).toBe(true);
  });

  test.each([0, 3 * SIZE])(
    'and back, with a reserve of %i: what was cut off reads as zero',
    (reserve) => {
      const path = tempFile(pattern());
      using mapping = map(path, { access: 'write', ...(reserve ? { reserve } : {}) });
      for (const length of [512, SIZE, 3 * SIZE, 1, PAGE_SIZE, PAGE_SIZE + 1, 0, SIZE]) {
        mapping.resize(length);
        expect([mapping.length, mapping.bytes.length, statSync(path).size]).toEqual([
          length,
          length,
          length,
        ]);
      }
      expect(mapping.bytes.every((byte) => byte === 0)).toBe(true);
      expect(mapping.bytes.fill(9).length).toBe(SIZE);
      expect(readFileSync(path).every((byte) => byte === 9)).toBe(true);
      expect(mapping.faults).toEqual([]);
    },
  );

  test('after the descriptor was closed: the mapping has its own', async () => {
    const path = tempFile(pattern());
    const fd = openSync(path, 'r+');
    using mapping = map(fd, { access: 'write' });
    closeSync(fd);
    mapping.resize(2 * SIZE);
    expect(statSync(path).size).toBe(2 * SIZE);
    mapping.bytes.write('the end', 2 * SIZE - 7);
    await mapping.flush();
    mapping.flushSync(SIZE);
    expect(readFileSync(path).toString('latin1', 2 * SIZE - 7)).toBe('the end');
  });

  test.each(['read', 'copy'] as const)("'%s' refuses it, and the file stays as it is", (access) => {
    const path = tempFile(pattern());
    using mapping = map(path, { access });
    for (const length of [0, 1, SIZE, SIZE + 1, 2 ** 40]) {
      const error = refused(
        () => mapping.resize(length),
        () => fileState(path),
      );
      expect(shape(error)).toEqual(NO_ACCESS);
    }
    expect(mapping.length).toBe(SIZE);
    expect(mapping.bytes.equals(pattern())).toBe(true);
  });

  test.each([PAGE_SIZE - 3, PAGE_SIZE + 3, 2 * PAGE_SIZE + 3])(
    'with offset %i: the file ends at offset + length',
    (offset) => {
      const path = tempFile(pattern(3 * PAGE_SIZE));
      using mapping = map(path, { access: 'write', offset });
      const rest = pattern(3 * PAGE_SIZE).subarray(offset);
      for (const length of [512, 3 * PAGE_SIZE, PAGE_SIZE - 7, 1, 2]) {
        mapping.resize(length);
        expect([mapping.offset, mapping.length]).toEqual([offset, length]);
        expect(statSync(path).size).toBe(offset + length);
        expect(mapping.bytes[0]).toBe(rest[0]);
        mapping.bytes[length - 1] = length === 1 ? rest[0]! : 0xee;
        expect(readFileSync(path).at(-1)).toBe(mapping.bytes[length - 1]);
      }
      // What lies before the window was never touched.
      expect(readFileSync(path).subarray(0, offset).equals(pattern(offset))).toBe(true);
    },
  );

  test('where the file goes on past the mapping it is refused: nothing outside is cut', () => {
    const path = tempFile(pattern());
    using mapping = map(path, { access: 'write', length: SIZE - 1 });
    for (const length of [0, 512, SIZE - 1, SIZE, 2 * SIZE]) {
      const error = refused(
        () => mapping.resize(length),
        () => fileState(path),
      );
      expect(shape(error)).toEqual(OUT);
    }
  });
});

describe('access', () => {
  test("what is written and filled through 'read' never reaches the file, and is recorded", () => {
    const path = tempFile(pattern());
    using mapping = map(path);
    const { bytes } = mapping;
    bytes[0] = 0xff;
    bytes.fill(0xff, PAGE_SIZE, PAGE_SIZE + 10);
    expect(readFileSync(path).equals(pattern())).toBe(true);
    using other = map(path);
    expect(other.bytes.equals(pattern())).toBe(true);
    expect(mapping.faults).toEqual([{ offset: 0, length: 2 * PAGE_SIZE, kind: 'read-only' }]);
    expect(() => mapping.flushSync()).toThrow(code('ERR_MAPPING_FAULT'));
  });

  test.each(['read', 'copy', 'write'] as const)(
    "'%s', longer than a file whose descriptor may only be read: refused",
    (access) => {
      const path = tempFile(pattern());
      const fd = openFd(path, 'r');
      const error = refused(
        () => map(fd, { access, length: SIZE + 1 }),
        () => fileState(path),
      );
      const denied = { name: 'Error', code: 'EACCES', errno: -13, syscall: 'mmap' };
      expect(shape(error)).toEqual(access === 'write' ? denied : OUT);
    },
  );
});

describe('search', () => {
  const text = 'one two ones';

  /** The text at the very end of a page, behind which lies one that may not be touched. */
  function beforeGuard(): { mapping: Mapping; bytes: Buffer; touch: () => unknown } {
    const mapping = anonymous(2 * PAGE_SIZE);
    onTestFinished(() => mapping.unmap());
    mapping.protect('none', PAGE_SIZE, PAGE_SIZE);
    const view = mapping.view(Uint8Array, PAGE_SIZE - text.length, text.length);
    const bytes = Buffer.from(view.buffer);
    bytes.write(text);
    return { mapping, bytes, touch: () => mapping.view(Uint8Array, PAGE_SIZE, 1)[0] };
  }

  const forwards: [string, number, number | undefined, number][] = [
    ['one', 0, undefined, 0],
    ['one', 1, undefined, 8],
    ['one', 8, undefined, 8],
    ['one', 9, undefined, -1],
    ['one', -1, undefined, -1],
    ['one', -4, undefined, 8],
    ['one', 1, 11, 8],
    ['one', 1, 10, -1],
    ['ones', 0, undefined, 8],
    ['onesie', 0, undefined, -1],
    ['s', 0, undefined, 11],
    ['s\0', 0, undefined, -1],
    ['two', 0, 7, 4],
    ['two', 0, 6, -1],
    [text, 0, undefined, 0],
    [`${text} `, 0, undefined, -1],
    ['', 12, undefined, 12],
  ];
  test.each(forwards)('forwards for %j from %i to %s: %i', (what, from, to, found) => {
    const { mapping, bytes } = beforeGuard();
    const end = to ?? bytes.length;
    for (const needle of [what, Buffer.from(what)]) {
      expect(bytes.subarray(0, end).indexOf(needle, from)).toBe(found);
      expect(bytes.subarray(0, end).includes(needle, from)).toBe(found >= 0);
    }
    // The same in two bytes a letter, another search of Node's.
    const wide = Buffer.from(mapping.view(Uint8Array, 2 * text.length, 2 * text.length).buffer);
    wide.write(text, 'utf16le');
    const there = wide.subarray(0, 2 * end).indexOf(what, 2 * from, 'utf16le');
    expect(there).toBe(found < 0 ? -1 : 2 * found);
    expect(mapping.faults).toEqual([]);
  });

  const backwards: [string, number | undefined, number][] = [
    ['one', undefined, 8],
    ['one', 8, 8],
    ['one', 7, 0],
    ['one', -1, 8],
    ['one', -5, 0],
    ['one', 0, 0],
    ['ones', undefined, 8],
    ['ones', 7, -1],
    ['two', undefined, 4],
    ['two', 3, -1],
    ['onesie', undefined, -1],
    ['s\0', undefined, -1],
    [text, undefined, 0],
    [`${text} `, undefined, -1],
  ];
  test.each(backwards)('backwards for %j from %s: %i', (what, from, found) => {
    const { mapping, bytes } = beforeGuard();
    expect(bytes.lastIndexOf(what, from)).toBe(found);
    expect(bytes.lastIndexOf(Buffer.from(what), from)).toBe(found);
    expect(mapping.faults).toEqual([]);
  });

  test('comparing, copying and printing read nothing behind the end either', () => {
    const { mapping, bytes, touch } = beforeGuard();
    expect(bytes.toString()).toBe(text);
    expect(bytes.equals(Buffer.from(text))).toBe(true);
    expect(bytes.compare(Buffer.from(`${text}!`))).toBe(-1);
    expect(bytes.subarray(4).toString('hex')).toBe(Buffer.from(text).toString('hex', 4));
    expect(Buffer.concat([bytes]).toString('base64')).toBe(Buffer.from(text).toString('base64'));
    expect(bytes.copyWithin(0, 4).toString()).toBe('two onesones');
    expect(mapping.faults).toEqual([]);
    // One byte further there is what would have told.
    expect(touch()).toBe(0);
    expect(mapping.faults).toEqual([{ offset: PAGE_SIZE, length: PAGE_SIZE, kind: 'unmapped' }]);
  });
});

describe('moving', () => {
  test('every overlap within a mapping is right, also across pages', () => {
    const size = 3 * PAGE_SIZE;
    using mapping = map(tempFile(pattern(size)), { access: 'copy' });
    const { bytes } = mapping;
    const places = [0, 1, 7, PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1, 2 * PAGE_SIZE];
    for (const target of places) {
      for (const from of places) {
        for (const count of [0, 1, 9, PAGE_SIZE + 3]) {
          if (Math.max(target, from) + count > size) continue;
          pattern(size).copy(bytes);
          bytes.copyWithin(target, from, from + count);
          const expected = pattern(size);
          pattern(size).copy(expected, target, from, from + count);
          expect(bytes.equals(expected), `${target} ${from} ${count}`).toBe(true);
        }
      }
    }
  });

  test('out of range: copyWithin() moves what there is, set() refuses and moves nothing', () => {
    using mapping = map(tempFile('ABCDEFGHIJ'), { access: 'copy' });
    const { bytes } = mapping;
    expect(bytes.copyWithin(6, 0, 10).toString()).toBe('ABCDEFABCD');
    expect(bytes.copyWithin(0, 8, 100).toString()).toBe('CDCDEFABCD');
    expect(bytes.copyWithin(11, 0).toString()).toBe('CDCDEFABCD');
    for (const offset of [-1, 9, 10, 11, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      expect(() => bytes.set(bytes.subarray(0, 2), offset)).toThrow(RangeError);
    }
    expect(() => bytes.write('x', 11)).toThrow(code('ERR_OUT_OF_RANGE'));
    expect(bytes.toString()).toBe('CDCDEFABCD');
    expect(mapping.faults).toEqual([]);
  });
});

describe('the end', () => {
  test.each(['read', 'write', 'copy'] as const)(
    "'%s': `using` unmaps, also when the block throws; closing twice is nothing",
    (access) => {
      const path = tempFile(pattern());
      let kept: Mapping | undefined;
      const block = (fails: boolean) => {
        using mapping = map(path, { access });
        kept = mapping;
        expect(areasOf(path, maps())).toHaveLength(1);
        if (fails) throw new Error('in the block');
      };
      block(false);
      expect(kept?.closed).toBe(true);
      expect(() => block(true)).toThrow('in the block');
      expect(kept?.closed).toBe(true);
      expect(areasOf(path, maps())).toEqual([]);
      expect([kept?.unmap(), kept?.unmap(), kept?.[Symbol.dispose]()]).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
    },
  );

  test('unmap() from inside the valueOf of an argument: refused by us, survived by the language', async () => {
    const path = tempFile(pattern(PAGE_SIZE));
    const { code, signal, stdout, stderr } = await run(program('unmap-in-argument'), [path]);
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    const { ours, theirs } = JSON.parse(stdout) as Record<'ours' | 'theirs', Outcome[]>;
    expect(ours.length).toBeGreaterThan(15);
    for (const outcome of ours) {
      const { name } = outcome;
      expect(outcome).toEqual({ name, end: 'ERR_INVALID_ARG_TYPE', asked: false, closed: false, faults: 0 }); // biome-ignore format: one idea
    }
    expect(theirs.length).toBeGreaterThan(15);
    for (const outcome of theirs) {
      expect(outcome).toMatchObject({ asked: true, closed: true, faults: 0 });
    }
    // Nothing of it has reached the file.
    expect(readFileSync(path).equals(pattern(PAGE_SIZE))).toBe(true);
  });
});

describe('large files, made of holes', () => {
  const GIB = 2 ** 30;
  const ends = [2 * GIB, 4 * GIB].flatMap((size) => [-PAGE_SIZE, -1, 0, 1, PAGE_SIZE].map((d) => size + d)); // biome-ignore format: a list

  test.each([0x14fff_ffff, 0x17fff_ffff, ...ends])('of %i bytes: the last ones', (size) => {
    const path = tempFile(0);
    const fd = openFd(path);
    ftruncateSync(fd, size);
    for (const offset of [size - 4096, size - 5, size - PAGE_SIZE - 3]) {
      using mapping = map(path, { access: 'write', offset });
      expect(mapping.length).toBe(size - offset);
      mapping.bytes.write('DEAR', mapping.length - 4);
      const read = Buffer.alloc(4);
      readSync(fd, read, 0, 4, size - 4);
      expect(read.toString()).toBe('DEAR');
      expect(mapping.bytes[size - offset]).toBeUndefined();
      mapping.bytes.fill(0);
    }
    const error = refused(() => map(path, { offset: size + 1 }));
    expect(shape(error)).toEqual(OUT);
    expect(statSync(path).size).toBe(size);
  });

  test.each([0x17fff_ffff, ...ends])(
    'of %i bytes, mapped whole: the first bytes, the last, and some between',
    (size) => {
      const path = tempFile(0);
      const fd = openFd(path);
      ftruncateSync(fd, size);
      using mapping = map(path, { access: 'write' });
      expect(mapping.length).toBe(size);
      for (const place of [0, Math.floor(size / 2), 2 * GIB - 2 * PAGE_SIZE - 5, size - 8]) {
        mapping.view(DataView, place, 8).setFloat64(0, place);
        const read = Buffer.alloc(8);
        readSync(fd, read, 0, 8, place);
        expect(read.readDoubleBE()).toBe(place);
      }
      const error = refused(() => mapping.view(Uint8Array, size, 1));
      expect(shape(error)).toEqual(OUT);
      mapping.flushSync(size - 8, 8);
    },
  );

  test('a window at offset 0x14fffffff is resized over the boundary, without blocks', () => {
    const path = tempFile(0);
    ftruncateSync(openFd(path), 0x14fff_ffff);
    using mapping = map(path, { access: 'write', offset: 0x14fff_ffff, sparse: true });
    expect(mapping.length).toBe(0);
    mapping.resize(0x3000_0000);
    expect(statSync(path)).toMatchObject({ size: 0x17fff_ffff, blocks: 0 });
    const view = mapping.view(Uint8Array, mapping.length - 1);
    view[0] = 7;
    expect(mapping.view(Uint8Array, 0x2fff_ffff)[0]).toBe(7);
    mapping.resize(1);
    expect(statSync(path).size).toBe(0x14fff_ffff + 1);
  });
});
