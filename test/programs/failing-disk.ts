// Flushes to a disk that fails, and works again. Prints a line of JSON: what was wrong, and how often what
// was seen.
//
//   node --no-warnings failing-disk CASE DIRECTORY SEED CONTROL HEAL MARKS
//
// CONTROL and MARKS are block_log's; HEAL is a command of the shell after which the disk works again.

import { execSync } from 'node:child_process';
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fsyncSync,
  openSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Mapping, map } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { FLUSHES } from '../support/flushes.js';
import { random } from '../support/orders.js';
import { content, type Mark, type Place } from '../support/power-cut.js';
import { rejected, thrown } from '../support/told.js';

const [name = '', directory = '', seed = '1', control = '', heal = '', marks = ''] =
  process.argv.slice(2);
const next = random(Number(seed));
const between = (low: number, high: number) => low + Math.floor(next() * (high - low));
const pick = <T>(all: readonly T[]): T => all[between(0, all.length)]!;

const fdatasyncSoon = promisify(fdatasync);

const FOREVER = 1_000_000;
const SYSTEM = /^(EIO|ENOSPC|EROFS) (msync|fsync)$/;
const GIVEN_UP = /^(EIO|EROFS) mmap$/; // the file system: nothing of this file was tried
const POISONED = /^ERR_MAPPING_POISONED (EIO|ENOSPC|EROFS)$/;
const FAULT = 'ERR_MAPPING_FAULT with faults';

const wrong: string[] = [];
const counts = {
  resolved: 0,
  failed: 0,
  poisoned: 0,
  faulted: 0,
  own: 0,
  refused: 0,
  anew: 0,
  not: 0,
};
const expected = (what: string, seen: string, wanted: RegExp | string): void => {
  const fits = typeof wanted === 'string' ? seen === wanted : wanted.test(seen);
  if (!fits) wrong.push(`${what}: ${seen}`);
};

const command = (text: string) => writeFileSync(control, text);
const channel = openSync(marks, 'w');
const tell = (mark: Mark) => writeSync(channel, JSON.stringify(mark));

let ids = 0;
const flush = (mapping: Mapping, offset: number, length: number): Promise<string> =>
  rejected(pick(FLUSHES)(mapping, offset, length));

/** A mapping, and what its flushes told. */
class Watched {
  readonly mapping: Mapping;
  failures = 0;
  poisoned = 0;
  constructor(readonly file: string) {
    this.mapping = map(join(directory, file), { access: 'write' });
  }

  /** Flushes in one of the ways. Nothing resolves that is not on the disk, or after a failure. */
  async flush(place: Place): Promise<void> {
    const before = this.failures + this.poisoned;
    const seen = await flush(this.mapping, place.offset, place.length);
    if (name === 'deaf') {
      tell({ is: place });
    } else if (seen === 'resolved') {
      counts.resolved++;
      if (before > 0) wrong.push(`${this.file}: a flush resolved after a failure`);
      tell({ is: place });
    } else if (SYSTEM.test(seen)) {
      counts.failed++;
      this.failures++;
      if (this.failures > 1) wrong.push(`${this.file}: told twice of a failure: ${seen}`);
    } else if (POISONED.test(seen)) {
      counts.poisoned++;
      this.poisoned++;
    } else if (GIVEN_UP.test(seen)) {
      counts.refused++;
    } else if (seen === FAULT && this.mapping.faults.length > 0) {
      counts.faulted++;
    } else {
      wrong.push(`${this.file}: ${seen}`);
    }
  }

  /** Whether it has ended as it must after a failure: told once, then poisoned for good. */
  async end(): Promise<void> {
    if (this.poisoned > 0 && this.failures === 0) wrong.push(`${this.file}: poisoned by nothing`);
    if (this.failures > 0) {
      // Brings no page to the disk, where the file system still knows the file at all.
      expected(
        'refresh()',
        thrown(() => this.mapping.refresh()),
        /^nothing$|^EIO fstat$/,
      );
      const places = [0, between(0, this.mapping.length)];
      for (const way of FLUSHES) {
        for (const at of places) {
          const seen = await rejected(way(this.mapping, at, 1));
          if (seen !== FAULT) expected(`${this.file}, after the failure`, seen, POISONED);
        }
      }
    }
    this.mapping.unmap();
  }
}

const LENGTH = 1 << 20;

/** Stores and flushes at random, on several files, while the disk fails at some moment. */
async function anywhere(): Promise<void> {
  const files = ['a', 'b', 'c'];
  const used = new Map<string, Place[]>();
  for (const file of files) {
    const options = { access: 'write', create: true, length: LENGTH } as const;
    const mapping = map(join(directory, file), options);
    if (name === 'written') mapping.bytes.fill(1); // else its blocks are allocated, and no more
    await mapping.flush();
    mapping.unmap();
    used.set(file, []);
  }
  // Two for each file: each is told for itself.
  const watched = [...files, ...files].map((file) => new Watched(file));
  let end = 0;
  const place = ({ file, mapping }: Watched): Place => {
    const offset = end;
    const length = between(8, 3 * PAGE_SIZE);
    end = (end + length + 7) & ~7;
    const taken = { file, offset, length, id: ++ids };
    used.get(file)?.push(taken);
    mapping.bytes.set(content(taken.id, length), offset);
    return taken;
  };
  const lasting = next() < 0.5 ? FOREVER : between(1, 4);
  const fault = `${pick(['write', 'write', 'flush'])} ${between(0, 30)} ${lasting}`;
  command(name === 'deaf' ? `write 0 ${FOREVER}` : fault);
  const room = name === 'deaf' ? LENGTH / 4 : LENGTH - 20 * PAGE_SIZE;
  while (end < room && !watched.some(({ poisoned }) => poisoned > 3)) {
    const one = pick(watched);
    const flushes = [one.flush(place(one))];
    for (let i = between(0, 3); i > 0; i--) {
      await turn(); // that one runs now
      const other = next() < 0.5 ? one : pick(watched);
      flushes.push(other.flush(place(other)));
    }
    await Promise.all(flushes);
  }
  execSync(heal);
  for (const one of watched) await one.end();
  if (name === 'fresh, once' || name === 'deaf') return;
  // What was lost was this program's to write again; through a new mapping it can.
  for (const file of files) {
    const places = used.get(file) ?? [];
    const seen = await rejected(again(file, places));
    if (seen === 'resolved') {
      counts.anew++;
      for (const is of places) tell({ is });
    } else {
      counts.not++; // the file system has given up
      if (seen !== FAULT)
        expected(`${file}, a new mapping`, seen, /^(EIO|ENOSPC|EROFS) (open|mmap|msync|fsync)$/);
    }
  }
}

async function again(file: string, places: Place[]): Promise<void> {
  const mapping = map(join(directory, file), { access: 'write' });
  for (const { id, offset, length } of places) mapping.bytes.set(content(id, length), offset);
  await mapping.flush().finally(() => mapping.unmap());
}

/** What `fresh, once` does, without mappings: write(2) and fdatasync(2). */
async function plain(): Promise<void> {
  const own = ['a', 'b', 'c'].map((file) => {
    const path = join(directory, file);
    map(path, { access: 'write', create: true, length: LENGTH }).unmap(); // allocates
    const fd = openSync(path, 'r+');
    fsyncSync(fd);
    return { file, fd };
  });
  command(`${pick(['write', 'flush'])} ${between(0, 60)} ${pick([FOREVER, 1])}`);
  const work = async ({ file, fd }: { file: string; fd: number }): Promise<void> => {
    for (let offset = 0; offset < LENGTH; offset += 4 * PAGE_SIZE) {
      const place = { file, offset, length: PAGE_SIZE, id: ++ids };
      writeSync(fd, content(place.id, PAGE_SIZE), 0, PAGE_SIZE, offset);
      await fdatasyncSoon(fd);
      tell({ is: place });
      counts.resolved++;
    }
  };
  // Each until it is told.
  for (const { status } of await Promise.allSettled(own.map(work))) {
    if (status === 'rejected') counts.failed++;
  }
  execSync(heal);
}

/** One write that fails: every description of the file is told of it once, whoever is first. */
async function each(): Promise<void> {
  const path = join(directory, name === 'direct' ? 'disk' : 'each');
  const length = 16 * PAGE_SIZE;
  for (let round = 0; round < 20; round++) {
    const first = map(path, { access: 'write', create: true, length });
    first.bytes.fill(round + 1);
    await first.flush();
    const mappings = [first, map(path, { access: 'write', length })];
    const own = [openSync(path, 'r+'), openSync(path, 'r+')];
    const page = between(0, 16) * PAGE_SIZE;
    pick(mappings).bytes[page] = 99;
    command(`write 0 ${FOREVER}`);
    const told = new Set<Mapping | number>();
    const ask = async (who: Mapping | number, sync: (fd: number) => void): Promise<void> => {
      const isOwn = typeof who === 'number';
      const seen = isOwn ? thrown(() => sync(who)) : await flush(who, page, 1);
      const again = told.has(who);
      told.add(who);
      if (isOwn)
        expected(
          'own',
          seen,
          again ? 'nothing' : `EIO ${sync === fsyncSync ? 'fsync' : 'fdatasync'}`,
        );
      else expected('a mapping', seen, again ? POISONED : /^EIO msync$/);
      if (isOwn) counts.own++;
      else if (again) counts.poisoned++;
      else counts.failed++;
    };
    const all = [...mappings, ...own];
    await ask(pick(all), fdatasyncSync); // writes the page, and nothing of the inode
    execSync(heal);
    const rest = all.filter((who) => !told.has(who));
    while (rest.length > 0) {
      const [who] = rest.splice(between(0, rest.length), 1);
      await ask(who as Mapping | number, fsyncSync);
    }
    for (const who of all) await ask(who, fsyncSync);
    for (const mapping of mappings) mapping.unmap();
    for (const fd of own) closeSync(fd);
  }
}

/** Pages that cannot be read, and can be again. */
async function reading(): Promise<void> {
  const path = join(directory, name === 'read directly' ? 'disk' : 'a');
  if (name === 'read directly') writeFileSync(path, content(1, LENGTH), { flag: 'r+' });
  // One page at a time: what is read ahead would be there already.
  const mapping = map(path, { access: 'write', length: LENGTH, advice: 'random' });
  const original = (page: number) =>
    content(1, LENGTH).subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
  const there = (page: number) => mapping.bytes.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
  expected('before', String(there(0).equals(original(0))), 'true');
  command(`read 0 ${FOREVER}`);
  const pages = new Set(Array.from({ length: 8 }, () => between(64, LENGTH / PAGE_SIZE)));
  for (const page of pages)
    expected('a page that cannot be read', String(there(page).every((b) => b === 0)), 'true');
  const kinds = [...new Set(mapping.faults.map(({ kind }) => kind))];
  expected('faults', kinds.join(), 'io');
  for (const page of pages) {
    for (const way of FLUSHES) {
      expected('over the fault', await rejected(way(mapping, page * PAGE_SIZE, 1)), FAULT);
      counts.faulted++;
    }
  }
  expected('beside the fault', await rejected(mapping.flush(0, PAGE_SIZE)), 'resolved');
  execSync(heal);
  mapping.refresh();
  for (const page of pages) {
    expected('after refresh()', String(there(page).equals(original(page))), 'true');
    const place = { file: 'a', offset: page * PAGE_SIZE, length: PAGE_SIZE, id: ++ids };
    there(page).set(content(place.id, PAGE_SIZE));
    expected('after refresh()', await flush(mapping, place.offset, PAGE_SIZE), 'resolved');
    counts.resolved++;
  }
  mapping.unmap();
}

/** The file for `read`. */
async function fill(): Promise<void> {
  const mapping = map(join(directory, 'a'), { access: 'write', create: true, length: LENGTH });
  mapping.bytes.set(content(1, LENGTH));
  await mapping.flush();
}

const cases: Record<string, () => Promise<void>> = {
  written: anywhere,
  fresh: anywhere,
  'fresh, once': anywhere,
  deaf: anywhere, // takes every flush for resolved: what must be seen to lose
  each,
  direct: each,
  plain,
  read: reading,
  'read directly': reading,
  fill,
};
await cases[name]?.();
console.log(JSON.stringify({ wrong, counts }));
