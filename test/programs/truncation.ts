// A mapping that four workers read at random while its file is cut and grown again at random. Prints a line
// of JSON: what went wrong, and counts.
//
//   node --no-warnings truncation PATH BYTES CUTS [SECONDS]
//
// It goes on for so many cuts, and, where SECONDS are given, until they have passed. The byte at `offset` of
// the file is `byteAt(offset)`, never zero: what is read is that, or the zero of a page that was cut.

import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Mapping, map, stats } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { areasIn, maps, pagemap } from '../support/proc.js';
import { until } from '../support/until.js';

const WORKERS = 4;
const BATCH = 100;
const MiB = 1 << 20;
const KINDS = ['truncated'];

/** The same for all bytes of a page, never 0. */
const byteOf = (page: number): number => 1 + ((((page * 2654435761) % 2 ** 32) >>> 8) % 255);

// Cells that all threads see. BELOW: pages below the lowest cut there has been are never zero.
const STOP = 0;
const LOWEST = 1; // in pages
const WRONG = 2; // bytes that are neither what was written nor zero
const LOST = 3; // zeros in a page that was never cut
const READS = 4; // one for each worker
const ZEROS = READS + WORKERS; // one for each worker

interface Task {
  index: number;
  shared: SharedArrayBuffer;
  cells: Int32Array;
}

function read({ index, shared, cells }: Task): void {
  const bytes = new Uint8Array(shared);
  const mapping = Mapping.from(shared);
  const pages = bytes.length / PAGE_SIZE;
  let random = 88_172_645 + index;
  while (Atomics.load(cells, STOP) === 0) {
    for (let i = 0; i < BATCH; i++) {
      random ^= random << 13;
      random ^= random >>> 17;
      random ^= random << 5;
      const page = (random >>> 0) % pages;
      const byte = bytes[page * PAGE_SIZE + ((random >>> 0) % PAGE_SIZE)];
      if (byte === byteOf(page)) continue;
      if (byte !== 0) Atomics.add(cells, WRONG, 1);
      else if (page < Atomics.load(cells, LOWEST)) Atomics.add(cells, LOST, 1);
      else Atomics.add(cells, ZEROS + index, 1);
    }
    Atomics.add(cells, READS + index, 1);
  }
  // The mapping is the same one: each worker sees the faults of all.
  parentPort?.postMessage(mapping.faults.every(({ kind }) => KINDS.includes(kind)));
}

function makeFile(path: string, size: number): number {
  const fd = openSync(path, 'w+');
  const block = Buffer.alloc(MiB);
  for (let at = 0; at < size; at += MiB) {
    for (let page = 0; page < MiB / PAGE_SIZE; page++) {
      block.fill(byteOf(at / PAGE_SIZE + page), page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
    }
    writeSync(fd, block, 0, MiB, at);
  }
  return fd;
}

/** Pages that are no longer the file's and that no fault tells of. */
function unreported(start: number, mapping: Mapping): number {
  const faults = mapping.faults;
  return pagemap(start, mapping.length / PAGE_SIZE).filter((page, i) => {
    if (!page.present || page.fileOrShared) return false;
    return !faults.some((f) => f.offset <= i * PAGE_SIZE && i * PAGE_SIZE < f.offset + f.length);
  }).length;
}

async function main(): Promise<unknown> {
  const [path = '', bytes = '', many = '', seconds = '0'] = process.argv.slice(2);
  const size = Number(bytes);
  const pages = size / PAGE_SIZE;
  const fd = makeFile(path, size);
  const mapping = map(path, { access: 'write', advice: 'random' });
  const shared = mapping.sharedBuffer;
  const { start } = maps().find((area) => area.path === path) ?? { start: 0 };
  const there = () => areasIn(start, start + size, maps()).length;

  const cells = new Int32Array(new SharedArrayBuffer(4 * (ZEROS + WORKERS)));
  Atomics.store(cells, LOWEST, pages);
  const workers = Array.from(
    { length: WORKERS },
    (_, index) =>
      new Worker(new URL(import.meta.url), { workerData: { index, shared, cells } satisfies Task }),
  );
  const verdicts = workers.map(
    (worker) =>
      new Promise<unknown>((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
        worker.once('exit', (code) => reject(new Error(`a worker ended with ${code}`)));
      }),
  );
  const reads = () => Array.from({ length: WORKERS }, (_, i) => Atomics.load(cells, READS + i));
  const progress = async (what: string) => {
    const before = reads();
    await until(what, () => reads().every((n, i) => n > (before[i] ?? 0)));
  };
  await progress('every worker reads');

  let cuts = 0;
  let mostAreas = 0;
  let missing = 0;
  const end = performance.now() + 1000 * Number(seconds);
  const dirty = new Uint8Array(1);
  for (; cuts < Number(many) || performance.now() < end; cuts++) {
    // In the upper three quarters; the quarter below stays as it was written. Not at page boundaries only.
    const at = Math.floor(size / 4 + Math.random() * (size - size / 4));
    // Told before it is done: a zero above that line is no error, at no time.
    const lowest = Math.floor(at / PAGE_SIZE);
    Atomics.store(cells, LOWEST, Math.min(Atomics.load(cells, LOWEST), lowest));
    ftruncateSync(fd, at);
    if (cuts % 3 === 0) await progress('reads of the file that was cut');
    else await turn();
    ftruncateSync(fd, Math.random() < 0.5 ? size : at + Math.floor(Math.random() * (size - at)));
    if (cuts % 5 === 0) await progress('reads of the file that has grown');
    if (cuts % 7 === 0) mapping.refresh();
    if (cuts % 20 === 0) {
      mostAreas = Math.max(mostAreas, there());
      missing += unreported(start, mapping);
    }
    // Writing goes on as well, to a place that is never cut.
    mapping.view(Uint8Array, 5, 1).set(dirty.fill(byteOf(0)));
  }
  ftruncateSync(fd, size / 2); // whatever there was before: this one is met
  await progress('reads of the file that was cut in the middle');
  const flush = await mapping.flush().then(
    () => 'resolved',
    (error: { code: string; faults: unknown[] }) => `${error.code}, ${error.faults.length > 0}`,
  );
  missing += unreported(start, mapping);
  Atomics.store(cells, STOP, 1);
  const known = await Promise.all(verdicts);

  // The file is whole again, and so is the mapping.
  const lowest = Atomics.load(cells, LOWEST);
  ftruncateSync(fd, size);
  const refreshed = mapping.refresh();
  const { faults } = mapping;
  const before = stats().faults;
  const view = mapping.view(Uint8Array, size / 2, size / 2);
  for (let at = 0; at < view.length; at += PAGE_SIZE) view[at] = 200;
  await mapping.flush();
  const file = readFileSync(path).subarray(size / 2);
  let unwritten = 0;
  for (let at = 0; at < view.length; at += PAGE_SIZE) if (file[at] !== 200) unwritten++;
  const untouched = mapping.view(Uint8Array, 0, Math.min(lowest, pages / 2) * PAGE_SIZE);
  let lost = Atomics.load(cells, LOST);
  for (let at = 0; at < untouched.length; at += PAGE_SIZE) {
    if (untouched[at] !== byteOf(at / PAGE_SIZE)) lost++;
  }
  const report = {
    wrong: Atomics.load(cells, WRONG),
    lost,
    missing,
    flush,
    known,
    kinds: [...new Set(faults.map(({ kind }) => kind))],
    bounded: faults.length <= 64 && mostAreas <= 2 * 128 + 2,
    refreshed: refreshed === size,
    healed: stats().faults === before && there() === 1 && unwritten === 0,
    counts: {
      cuts,
      faults: before,
      entries: faults.length,
      mostAreas,
      reads: BATCH * reads().reduce((a, b) => a + b, 0),
      zeros: reads().reduce((sum, _, i) => sum + Atomics.load(cells, ZEROS + i), 0),
    },
  };
  closeSync(fd);
  return report;
}

if (isMainThread) console.log(JSON.stringify(await main()));
else read(workerData as Task);
