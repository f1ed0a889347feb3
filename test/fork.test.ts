// What becomes of a mapping in a real fork(2): who sees whose writes, and that a child may go on
// touching memory, fault, and end.

import { closeSync, openSync, readFileSync, truncateSync } from 'node:fs';
import { anonymous, map, SharedMemory } from 'memmap';
import { MAP, mmap, munmap, PAGE_SIZE, PROT } from 'memmap/posix';
import { describe, expect, onTestFinished, test } from 'vitest';
import { forkAdd, forkRead, forkTouch, forkWrite, WELL } from './support/fork.js';
import { program, run } from './support/program.js';
import { tempFile } from './support/temp.js';

const OLD = 0x6f;
const BY_CHILD = 0x63;
const BY_PARENT = 0x70;
const PLACE = PAGE_SIZE + 11; // on the second of two pages
const LENGTH = 2 * PAGE_SIZE;

interface Case {
  mapping: string;
  seen: boolean;
  file: boolean;
  make: (path: string) => { bytes: Uint8Array; done: () => void };
}

function posix(flags: MAP, onFile: boolean): Case['make'] {
  return (path) => {
    const fd = onFile ? openSync(path, 'r+') : -1;
    const buffer = onFile
      ? mmap(LENGTH, PROT.READ | PROT.WRITE, flags, fd)
      : mmap(LENGTH, PROT.READ | PROT.WRITE, flags);
    if (onFile) closeSync(fd);
    return { bytes: new Uint8Array(buffer), done: () => munmap(buffer) };
  };
}

function mapped(make: (path: string) => { bytes: Buffer; unmap(): void }): Case['make'] {
  return (path) => {
    const mapping = make(path);
    return { bytes: mapping.bytes, done: () => mapping.unmap() };
  };
}

const table: Case[] = [
  {
    mapping: 'MAP_PRIVATE on a file',
    seen: false,
    file: true,
    make: posix(MAP.PRIVATE, true),
  },
  {
    mapping: 'MAP_PRIVATE|MAP_ANONYMOUS',
    seen: false,
    file: false,
    make: posix(MAP.PRIVATE | MAP.ANONYMOUS, false),
  },
  {
    mapping: 'MAP_SHARED on a file',
    seen: true,
    file: true,
    make: posix(MAP.SHARED, true),
  },
  {
    mapping: 'MAP_SHARED|MAP_ANONYMOUS',
    seen: true,
    file: false,
    make: posix(MAP.SHARED | MAP.ANONYMOUS, false),
  },
  {
    mapping: "map() with 'copy'",
    seen: false,
    file: true,
    make: mapped((path) => map(path, { access: 'copy' })),
  },
  {
    mapping: 'anonymous(), private',
    seen: false,
    file: false,
    make: mapped(() => anonymous(LENGTH, { shared: false })),
  },
  {
    mapping: "map() with 'write'",
    seen: true,
    file: true,
    make: mapped((path) => map(path, { access: 'write' })),
  },
  {
    mapping: 'anonymous()',
    seen: true,
    file: false,
    make: mapped(() => anonymous(LENGTH)),
  },
  {
    mapping: 'SharedMemory.create()',
    seen: true,
    file: false,
    make: mapped(() => SharedMemory.create(LENGTH)),
  },
];

describe.each(table)('a write after fork, $mapping', ({ seen, file, make }) => {
  function setUp() {
    const path = tempFile(new Uint8Array(LENGTH).fill(OLD));
    const { bytes, done } = make(path);
    onTestFinished(done);
    // Anonymous memory begins as zeros. In a file the bytes are there, and the page stays untouched
    // until after the fork: a private page that nobody has copied yet is the harder case.
    if (!file) bytes[PLACE] = OLD;
    return { path, bytes };
  }

  test(`by the child is ${seen ? 'seen' : 'not seen'} by the parent`, () => {
    const { bytes } = setUp();
    expect(forkWrite(bytes, PLACE, BY_CHILD)).toEqual(WELL);
    expect(bytes[PLACE]).toBe(seen ? BY_CHILD : OLD);
    expect(bytes[PLACE - 1]).toBe(file ? OLD : 0); // and nothing else was
  });

  test(`by the parent is ${seen ? 'seen' : 'not seen'} by the child`, () => {
    const { bytes } = setUp();
    const child = forkRead(bytes, PLACE, () => {
      bytes[PLACE] = BY_PARENT;
    });
    expect(child).toEqual({ code: seen ? BY_PARENT : OLD, signal: null });
    expect(bytes[PLACE]).toBe(BY_PARENT);
  });

  if (file) {
    test(`${seen ? 'reaches' : 'never reaches'} the file`, () => {
      const { path, bytes } = setUp();
      expect(forkWrite(bytes, PLACE, BY_CHILD)).toEqual(WELL);
      bytes[PLACE + 1] = BY_PARENT;
      const wanted = new Uint8Array(LENGTH).fill(OLD);
      if (seen) wanted.set([BY_CHILD, BY_PARENT], PLACE);
      expect(Buffer.compare(readFileSync(path), wanted)).toBe(0);
    });
  }

  test('what the parent has unmapped, the child still has', () => {
    const path = tempFile(new Uint8Array(LENGTH).fill(OLD));
    const { bytes, done } = make(path);
    if (!file) bytes[PLACE] = OLD;
    expect(forkRead(bytes, PLACE, done)).toEqual({ code: OLD, signal: null });
    expect(bytes.length).toBe(0);
  });
});

describe('parent and child add 1 a thousand times each', () => {
  const TIMES = 1000;

  function count(cells: Int32Array, how: 'atomic' | 'plain'): number {
    const child = forkAdd(cells, 0, TIMES, how);
    for (let i = 0; i < TIMES; i++) {
      if (how === 'atomic') Atomics.add(cells, 0, 1);
      else cells[0]!++;
    }
    expect(child()).toEqual(WELL);
    return Atomics.load(cells, 0);
  }

  const INT = Int32Array.BYTES_PER_ELEMENT;
  const RW = PROT.READ | PROT.WRITE;

  test.each([
    ['MAP_SHARED|MAP_ANONYMOUS', () => new Int32Array(mmap(INT, RW, MAP.SHARED | MAP.ANONYMOUS))],
    ['anonymous()', () => anonymous(INT).view(Int32Array)],
    ['SharedMemory.create()', () => SharedMemory.create(INT).view(Int32Array)],
    ['a file', () => map(tempFile(INT), { access: 'write' }).view(Int32Array)],
  ])('%s: 2000 with atomics', (_, cells) => {
    expect(count(cells(), 'atomic')).toBe(2 * TIMES);
  });

  test('anonymous(): with plain additions some may be lost, and none is made up', () => {
    const total = count(anonymous(INT).view(Int32Array), 'plain');
    expect(total).toBeLessThanOrEqual(2 * TIMES);
    expect(total).toBeGreaterThanOrEqual(TIMES);
  });

  test.each([
    ['MAP_PRIVATE|MAP_ANONYMOUS', () => new Int32Array(mmap(INT, RW, MAP.PRIVATE | MAP.ANONYMOUS))],
    ['anonymous(), private', () => anonymous(INT, { shared: false }).view(Int32Array)],
  ])('%s: the parent keeps its own 1000', (_, cells) => {
    expect(count(cells(), 'atomic')).toBe(TIMES);
  });
});

describe('a forked child may touch, fault and _exit', () => {
  test('touch a mapping that is whole', () => {
    const mapping = map(tempFile('whole'));
    expect(forkTouch(mapping.bytes, 4)).toEqual(WELL);
    mapping.unmap();
  });

  test.each(['read', 'write', 'copy'] as const)(
    "touch a file that was truncated, mapped with '%s'",
    (access) => {
      const path = tempFile(LENGTH);
      const mapping = map(path, { access });
      const { bytes } = mapping;
      truncateSync(path, 0);
      expect(forkTouch(bytes, 0)).toEqual(WELL);
      expect(forkTouch(bytes, LENGTH - 1)).toEqual(WELL);
      // The fault was the child's own. This process has not met it yet, and lives through it too.
      expect(mapping.faults).toEqual([]);
      expect(bytes[PLACE]).toBe(0);
      expect(mapping.faults).toMatchObject([{ kind: 'truncated' }]);
      mapping.unmap();
    },
  );

  test('write past the end of a truncated file: the file stays as it is', () => {
    const path = tempFile(LENGTH);
    const mapping = map(path, { access: 'write' });
    const { bytes } = mapping;
    truncateSync(path, PAGE_SIZE);
    expect(forkWrite(bytes, PLACE, BY_CHILD)).toEqual(WELL);
    expect(Buffer.compare(readFileSync(path), new Uint8Array(PAGE_SIZE))).toBe(0);
    mapping.unmap();
  });

  test('write to a read-only mapping: nobody else sees it', () => {
    const path = tempFile('as it was');
    const mapping = map(path, { access: 'read' });
    expect(forkWrite(mapping.bytes, 0, BY_CHILD)).toEqual(WELL);
    expect(mapping.bytes.toString()).toBe('as it was');
    expect(readFileSync(path, 'utf8')).toBe('as it was');
    mapping.unmap();
  });

  test('with the guard off, the truncated file kills the child', async () => {
    const result = await run(program('fork-unguarded'), [tempFile(LENGTH)], {
      // A sanitizer would take the signal for itself, and report it.
      env: { ASAN_OPTIONS: `${process.env['ASAN_OPTIONS'] ?? ''}:handle_sigbus=0` },
    });
    expect(result).toMatchObject({ code: 0, signal: null });
    expect(JSON.parse(result.stdout)).toEqual({ code: null, signal: 'SIGBUS' });
  });
});
