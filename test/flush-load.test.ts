// Flushes of much, and flushes that race what happens to their mapping: the event loop goes on, and what is
// on the disk in the end is what was written before the call.

import { statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Mapping, map, stats } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { describe, expect, onTestFinished, type TestContext, test } from 'vitest';
import { smaps, total } from './support/proc.js';
import { program, run } from './support/program.js';
import { tempDir, tempFile } from './support/temp.js';

const MiB = 1 << 20;
const WINDOW = 64 * PAGE_SIZE;
const TMPFS = 0x01021994; // statfs(2)

/** In memory no page is ever clean. */
function onDisk(context: TestContext, path: string): string {
  if (statfsSync(path).type === TMPFS) context.skip('the temporary directory is in memory');
  return path;
}

/** Another reader of some pages of a file, which tells whether they are dirty: on the disk or not. */
class Witness {
  readonly #mapping: Mapping;
  readonly #start: number;
  constructor(path: string, offset: number, length: number) {
    this.#mapping = map(path, { offset, length });
    onTestFinished(() => this.#mapping.unmap());
    const inode = statSync(path).ino;
    const area = smaps().findLast(
      (one) => one.inode === inode && one.perms === 'r--s' && one.offset === offset,
    );
    if (!area) throw new Error('the witness is no area of its own');
    this.#start = area.start;
  }
  get bytes(): Buffer {
    return this.#mapping.bytes;
  }
  /** Bytes of dirty pages, as smaps counts them. */
  dirty(): number {
    const sum = this.bytes.reduce((all, byte) => all + byte, 0); // its own table has every page
    if (Number.isNaN(sum)) throw new Error('a byte is none');
    const area = smaps().filter(({ start }) => start === this.#start);
    return total(area, 'Shared_Dirty', 'Private_Dirty');
  }
  all(byte: number): boolean {
    return this.bytes.every((one) => one === byte);
  }
}

test('256 MiB of dirty pages: the event loop goes on', async (context) => {
  const path = join(onDisk(context, tempDir()), 'dirty.dat');
  const { stdout, ...ended } = await run(program('flush-load'), [path, String(256 * MiB)]);
  expect(ended).toEqual({ code: 0, signal: null, stderr: '' });
  const report = JSON.parse(stdout) as {
    dirty: number;
    left: number;
    timers: number;
    turns: number;
    ms: object;
  };
  console.log(`flush of ${report.dirty / MiB} MiB: ${JSON.stringify(report)}`);
  // The kernel may have begun to write some back by itself.
  expect(report.dirty).toBeGreaterThan(64 * MiB);
  expect(report.left).toBe(0);
  // A flush on this thread would have let none of them run.
  expect(report.timers).toBeGreaterThan(5);
  expect(report.turns).toBeGreaterThan(50);
});

describe('a flush that races', () => {
  const ranges = (mapping: Mapping) =>
    mapping.flush(Array.from({ length: 8 }, (_, i) => [(i * mapping.length) / 8, mapping.length / 8] as const)); // biome-ignore format: one call
  const forms: [string, (mapping: Mapping) => Promise<void>][] = [
    ['flush()', (mapping) => mapping.flush()],
    ['flush() of eight ranges', ranges],
  ];

  test.for(forms)('unmap(): %s', async ([, flush], context) => {
    const path = onDisk(context, tempFile(WINDOW));
    const witness = new Witness(path, 0, WINDOW);
    for (let round = 1; round <= 10; round++) {
      const mapping = map(path, { access: 'write' });
      mapping.bytes.fill(round);
      expect(witness.dirty()).toBeGreaterThan(0);
      const flushed = flush(mapping);
      mapping.unmap();
      expect(await flushed).toBeUndefined();
      expect(witness.dirty()).toBe(0);
      expect(witness.all(round)).toBe(true);
    }
  });

  test.for(forms)('slide(): %s', async ([, flush], context) => {
    const path = onDisk(context, tempFile(5 * WINDOW));
    const first = new Witness(path, 0, WINDOW);
    const second = new Witness(path, 3 * WINDOW, WINDOW);
    using mapping = map(path, { access: 'write', length: WINDOW });
    for (let round = 1; round <= 10; round++) {
      mapping.slide(0);
      mapping.bytes.fill(round);
      expect(first.dirty()).toBeGreaterThan(0);
      const flushed = flush(mapping);
      mapping.slide(3 * WINDOW);
      mapping.bytes.fill(100 + round);
      expect(await flushed).toBeUndefined();
      // What the window showed at the call, not what it shows now.
      expect(first.dirty()).toBe(0);
      expect([first.all(round), second.all(100 + round)]).toEqual([true, true]);
      await mapping.flush();
      expect(second.dirty()).toBe(0);
    }
  });

  test('slide(): a flush without a range covers every window since the last one', async (context) => {
    const path = onDisk(context, tempFile(9 * WINDOW));
    const witnesses = [0, 2, 4, 6, 8].map((i) => new Witness(path, i * WINDOW, WINDOW));
    using mapping = map(path, { access: 'write', length: WINDOW });
    for (const sync of [false, true]) {
      for (let i = 0; i < 9; i += 2) {
        mapping.slide(i * WINDOW);
        mapping.bytes.fill(sync ? 2 : 1);
      }
      for (const witness of witnesses) expect(witness.dirty()).toBeGreaterThan(0);
      if (sync) mapping.flushSync();
      else await mapping.flush();
      expect(witnesses.map((witness) => witness.dirty())).toEqual([0, 0, 0, 0, 0]);
      expect(witnesses.every((witness) => witness.all(sync ? 2 : 1))).toBe(true);
    }
  });

  test.for(forms)('resize(): %s', async ([, flush], context) => {
    const path = onDisk(context, tempFile(WINDOW));
    const before = stats().descriptors;
    const witness = new Witness(path, 0, WINDOW / 2); // the part that is never cut
    for (const reserve of [0, 4 * WINDOW]) {
      using mapping = map(path, { access: 'write', ...(reserve ? { reserve } : {}) });
      for (let round = 1; round <= 9; round++) {
        // Longer in place or elsewhere; shorter; and back.
        const length = [3 * WINDOW, WINDOW / 2, WINDOW][round % 3] ?? 0;
        mapping.bytes.fill(round);
        expect(witness.dirty()).toBeGreaterThan(0);
        const flushed = flush(mapping);
        mapping.resize(length);
        expect(await flushed).toBeUndefined();
        expect(mapping.length).toBe(length);
        expect(witness.dirty()).toBe(0);
        expect(witness.all(round)).toBe(true);
      }
    }
    expect(stats().descriptors).toBe(before + 1); // the witness's
  });
});

test('several ranges in one call: each is on the disk when it resolves', async (context) => {
  const path = onDisk(context, tempFile(17 * WINDOW));
  const places = Array.from({ length: 8 }, (_, i) => (2 * i + 1) * WINDOW);
  const witnesses = places.map((place) => new Witness(path, place, WINDOW));
  using mapping = map(path, { access: 'write' });
  for (let round = 1; round <= 3; round++) {
    for (const place of places) mapping.bytes.fill(round, place, place + WINDOW);
    for (const witness of witnesses) expect(witness.dirty()).toBeGreaterThan(0);
    // Any order, and parts of pages: the pages they touch.
    const order = round % 2 ? places : [...places].reverse();
    await mapping.flush(order.map((place) => [place + 5, WINDOW - 10] as const));
    expect(witnesses.map((witness) => witness.dirty())).toEqual(places.map(() => 0));
    expect(witnesses.every((witness) => witness.all(round))).toBe(true);
  }
});

test('flushes of one mapping run in the order of their calls', async (context) => {
  const path = onDisk(context, tempFile(16 * MiB));
  const witness = new Witness(path, 0, WINDOW);
  using mapping = map(path, { access: 'write' });
  const order: string[] = [];
  const note = (what: string) => () => {
    order.push(what);
  };
  mapping.bytes.fill(1);
  const large = mapping.flush().then(note('16 MiB'));
  mapping.bytes.fill(2, 0, WINDOW);
  const small = mapping.flush(0, WINDOW).then(() => {
    order.push(`a window, ${witness.dirty()} bytes dirty`);
  });
  const none = mapping.flush(0, 0).then(note('nothing'));
  const wrong = mapping.flush(-1).catch(note('refused'));
  await Promise.all([large, small, none, wrong]);
  // What is refused waits for nobody.
  expect(order).toEqual(['refused', '16 MiB', 'a window, 0 bytes dirty', 'nothing']);
  expect(witness.all(2)).toBe(true);
});
