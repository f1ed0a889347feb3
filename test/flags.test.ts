// What MAP_SHARED and MAP_PRIVATE do, as the kernel shows it, and the everyday use of the second.

import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { map } from 'memmap';
import { MAP, MS, mmap, msync, munmap, PAGE_SIZE, PROT } from 'memmap/posix';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Command } from './programs/file-mapper.js';
import { addonText, areasOf, pagemap, smaps, total } from './support/proc.js';
import { type Program, program, start } from './support/program.js';
import { tempFile } from './support/temp.js';

const PAGES = 8;
const LENGTH = PAGES * PAGE_SIZE;
const OLD = 'as it was';
const NEW = 'after the change';

/** A file that begins with OLD, then zeros; on the disk, so that its pages are clean. */
function file(): string {
  const path = tempFile(LENGTH);
  const fd = openSync(path, 'r+');
  writeSync(fd, OLD);
  fsyncSync(fd);
  closeSync(fd);
  return path;
}

/** Maps the file, the posix way, until the test is done. */
function mapFile(path: string, flags: MAP): Buffer {
  const fd = openSync(path, 'r+');
  const buffer = mmap(LENGTH, PROT.READ | PROT.WRITE, flags, fd);
  closeSync(fd);
  onTestFinished(() => munmap(buffer));
  return Buffer.from(buffer);
}

/** Another process that maps the file too, until the test is done. */
async function mapElsewhere(path: string, flags: 'shared' | 'private') {
  const other: Program = start(program('file-mapper'), [path, flags], { ipc: true });
  onTestFinished(async () => {
    expect(await other.finish()).toMatchObject({ code: 0, signal: null, stderr: '' });
  });
  await other.message();
  return (command: Command) => other.ask<string>(command);
}

const text = (bytes: Buffer) => bytes.toString('utf8', 0, bytes.indexOf(0));

/** Reads every page, so that all of them are in this process's page table. */
function touch(bytes: Buffer): void {
  for (let page = 0; page < PAGES; page++) expect(bytes[page * PAGE_SIZE + 99]).toBe(0);
}

/** Of each page: 'file' while it is the file's own, 'copy' once it is this process's alone. */
function kinds(path: string): string[] {
  const areas = areasOf(path, smaps());
  expect(areas).toHaveLength(1);
  const [area] = areas;
  const pages = pagemap(area?.start ?? 0, PAGES);
  expect(pages.every((page) => page.present)).toBe(true);
  return pages.map((page) => (page.fileOrShared ? 'file' : 'copy'));
}

const allFile = Array.from({ length: PAGES }, () => 'file');
const copied = (...which: number[]) =>
  allFile.map((kind, page) => (which.includes(page) ? 'copy' : kind));

/** What smaps counts over the file's areas, in pages. */
function counts(path: string) {
  const areas = areasOf(path, smaps());
  const pages = (...names: string[]) => total(areas, ...names) / PAGE_SIZE;
  return {
    resident: pages('Rss'),
    privateDirty: pages('Private_Dirty'),
    anonymous: pages('Anonymous'),
    // Clean ones on a disk; a file in memory (tmpfs) has no clean pages.
    shared: pages('Shared_Clean', 'Shared_Dirty'),
  };
}

describe('MAP_SHARED', () => {
  test('others see the change: every process that maps the file, either way', async () => {
    const path = file();
    const shared = await mapElsewhere(path, 'shared');
    const untouched = await mapElsewhere(path, 'private');
    const bytes = mapFile(path, MAP.SHARED);
    const second = map(path);
    expect(await shared({ do: 'look' })).toBe(OLD);

    bytes.write(`${NEW}\0`);
    expect(await shared({ do: 'look' })).toBe(NEW);
    // A private page that was never written to is still the file's page.
    expect(await untouched({ do: 'look' })).toBe(NEW);
    expect(text(second.bytes)).toBe(NEW);
    second.unmap();
  });

  test('the change of another process is seen here', async () => {
    const path = file();
    const bytes = mapFile(path, MAP.SHARED);
    const other = await mapElsewhere(path, 'shared');
    await other({ do: 'write', text: NEW });
    expect(text(bytes)).toBe(NEW);
  });

  test('the file changes, before and after msync', () => {
    const path = file();
    const bytes = mapFile(path, MAP.SHARED);
    bytes.write(`${NEW}\0`);
    expect(text(readFileSync(path))).toBe(NEW);
    for (const flags of [MS.ASYNC, MS.SYNC, MS.SYNC | MS.INVALIDATE]) {
      msync(bytes, flags);
      expect(text(readFileSync(path))).toBe(NEW);
    }
  });

  test('no copy-on-write: a page that was written to is still the file', async () => {
    const path = file();
    const bytes = mapFile(path, MAP.SHARED);
    touch(bytes);
    bytes.write(NEW);
    bytes.write(NEW, 5 * PAGE_SIZE);
    expect(kinds(path)).toEqual(allFile);
    expect(counts(path)).toMatchObject({ anonymous: 0, resident: PAGES });
    expect(areasOf(path, smaps()).map((area) => area.perms)).toEqual(['rw-s']);
  });

  test("map() with 'write' is MAP_SHARED", () => {
    const path = file();
    const mapping = map(path, { access: 'write' });
    mapping.bytes.write(`${NEW}\0`);
    expect(areasOf(path, smaps()).map((area) => area.perms)).toEqual(['rw-s']);
    expect(text(readFileSync(path))).toBe(NEW);
    mapping.unmap();
  });

  test("map() with 'read' is MAP_SHARED without write", () => {
    const path = file();
    const mapping = map(path);
    expect(text(mapping.bytes)).toBe(OLD);
    expect(areasOf(path, smaps()).map((area) => area.perms)).toEqual(['r--s']);
    mapping.unmap();
  });
});

describe('MAP_PRIVATE', () => {
  test('others do not see the change', async () => {
    const path = file();
    const shared = await mapElsewhere(path, 'shared');
    const other = await mapElsewhere(path, 'private');
    const bytes = mapFile(path, MAP.PRIVATE);
    const second = map(path);

    bytes.write(`${NEW}\0`);
    expect(text(bytes)).toBe(NEW);
    expect(await shared({ do: 'look' })).toBe(OLD);
    expect(await other({ do: 'look' })).toBe(OLD);
    expect(text(second.bytes)).toBe(OLD);
    second.unmap();
  });

  test('the private change of another process is not seen here', async () => {
    const path = file();
    const bytes = mapFile(path, MAP.SHARED);
    const other = await mapElsewhere(path, 'private');
    expect(await other({ do: 'write', text: NEW })).toBe(NEW);
    expect(text(bytes)).toBe(OLD);
  });

  test('the file never changes, with msync or without', () => {
    const path = file();
    const before = readFileSync(path);
    const bytes = mapFile(path, MAP.PRIVATE);
    bytes.write(`${NEW}\0`);
    expect(readFileSync(path).equals(before)).toBe(true);
    for (const flags of [MS.ASYNC, MS.SYNC, MS.SYNC | MS.INVALIDATE]) {
      msync(bytes, flags);
      expect(readFileSync(path).equals(before)).toBe(true);
    }
    expect(text(bytes)).toBe(NEW);
  });

  test("map() with 'copy' is MAP_PRIVATE, unmapped without a trace", () => {
    const path = file();
    const before = readFileSync(path);
    const mapping = map(path, { access: 'copy' });
    mapping.bytes.write(`${NEW}\0`);
    expect(areasOf(path, smaps()).map((area) => area.perms)).toEqual(['rw-p']);
    mapping.unmap();
    expect(areasOf(path, smaps())).toEqual([]);
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test('copy-on-write: the first write to each page copies that page', () => {
    const path = file();
    const bytes = mapFile(path, MAP.PRIVATE);
    touch(bytes);
    expect(kinds(path)).toEqual(allFile);
    bytes.write('x', 3 * PAGE_SIZE);
    expect(kinds(path)).toEqual(copied(3));
    bytes.write('a second write to that page', 3 * PAGE_SIZE + 1000);
    expect(kinds(path)).toEqual(copied(3));
    bytes.write('across a boundary', 6 * PAGE_SIZE - 8);
    expect(kinds(path)).toEqual(copied(3, 5, 6));
  });

  test.each([
    ['MAP_PRIVATE', (path: string) => mapFile(path, MAP.PRIVATE)],
    [
      "map() with 'copy'",
      (path: string) => {
        const mapping = map(path, { access: 'copy' });
        onTestFinished(() => mapping.unmap());
        return mapping.bytes;
      },
    ],
  ])('%s: one write makes one page private, the others stay shared', async (_, make) => {
    const path = file();
    // Pages are shared when somebody else has them too.
    const other = await mapElsewhere(path, 'shared');
    await other({ do: 'touch' });
    const bytes = make(path);
    touch(bytes);
    expect(counts(path)).toEqual({
      resident: PAGES,
      privateDirty: 0,
      anonymous: 0,
      shared: PAGES,
    });
    bytes.write('x', 2 * PAGE_SIZE);
    expect(counts(path)).toEqual({
      resident: PAGES,
      privateDirty: 1,
      anonymous: 1,
      shared: PAGES - 1,
    });
    expect(kinds(path)).toEqual(copied(2));
    // And of the process that did not write, all are still the file's.
    expect(await other({ do: 'look' })).toBe(OLD);
  });
});

describe('MAP_PRIVATE as every program uses it: the code of a library', () => {
  test("the add-on's own text is private, and shared with every process that loaded it", async () => {
    const other = start(program('hold-addon'), [], { ipc: true });
    onTestFinished(async () => {
      expect(await other.finish()).toMatchObject({ code: 0, signal: null, stderr: '' });
    });
    expect(await other.message()).toBe(0);

    const [{ path } = { path: '' }] = addonText(smaps());
    // A library that was just built counts as dirty until it has been written to the disk.
    const fd = openSync(path, 'r');
    fsyncSync(fd);
    closeSync(fd);

    for (const pid of ['self', other.pid] as const) {
      const segments = addonText(smaps(pid));
      expect(segments.map((area) => area.path)).toEqual([path]);
      expect(segments.map((area) => area.perms)).toEqual(['r-xp']);
      expect(total(segments, 'Shared_Clean')).toBeGreaterThan(0);
      expect(total(segments, 'Private_Dirty')).toBe(0);
    }
  });
});
