// Writes through mappings and flushes them in every way there is, and tells what has resolved, until it is
// killed or has used up its room.
//
//   node power-cut-writer DIRECTORY MARKS SEED [sound | no-flush | no-barrier]
//
// Told is by writing to MARKS, in the order of what it is about. `no-flush` only says that it flushes;
// `no-barrier` marks its records valid before they are flushed: what must be seen to lose.

import { fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Mapping, map } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { FLUSHES } from '../support/flushes.js';
import { random } from '../support/orders.js';
import { content, type Mark, type Place } from '../support/power-cut.js';

const [directory = '', marks = '', seed = '1', mode = 'sound'] = process.argv.slice(2);
const next = random(Number(seed));
const between = (low: number, high: number) => low + Math.floor(next() * (high - low));

const pick = <T>(all: readonly T[]): T => all[between(0, all.length)]!;

const channel = openSync(marks, 'w');
function tell(mark: Mark): void {
  writeSync(channel, JSON.stringify(mark));
}

let ids = 0;
const newId = () => ++ids * 65536; // room for the generations of a cell

/** Flushes a range in one of the ways there are. */
async function flush(mapping: Mapping, offset: number, length: number): Promise<void> {
  if (mode !== 'no-flush') await pick(FLUSHES)(mapping, offset, length);
}

function store(mapping: Mapping, { offset, length, id }: Place): void {
  mapping.bytes.set(content(id, length), offset);
}

const mapped = (file: string, length: number) =>
  map(join(directory, file), { access: 'write', create: true, length });

/** A part of a mapped file, and how far it is used. */
class Journal {
  #used: number;
  readonly #end: number;
  constructor(
    readonly file: string,
    readonly mapping: Mapping,
    from = 0,
    end = mapping.length,
  ) {
    this.#used = from;
    this.#end = end;
  }

  /** The next bytes of it, at any place that holds a word; undefined when it is full. */
  take(length: number): Place | undefined {
    const offset = this.#used;
    if (offset + length > this.#end) return undefined;
    this.#used = (offset + length + 7) & ~7;
    return { file: this.file, offset, length, id: newId() };
  }
}

mkdirSync(join(directory, 'sub'));
for (const path of [join(directory, 'sub'), directory]) fsyncSync(openSync(path, 'r'));
tell({ ready: true });

const SIGNS = 1 << 16;
const data = mapped('records.dat', 8 << 20);
const records = new Journal('records.dat', data, 0, data.length - SIGNS);
const far = new Journal('records.dat', data, data.length - SIGNS);
const valid = new Journal('valid.dat', mapped('valid.dat', SIGNS));
const cells = new Journal('cells.dat', mapped('cells.dat', 1 << 16));
const noise = new Journal('noise.dat', mapped('noise.dat', 1 << 20));
/** Written to through a window that slides over it. */
const slid = new Journal('slid.dat', mapped('slid.dat', 2 << 20));

/** Records, flushed; then the marks that they are valid, flushed: in another file, elsewhere in this one, or behind each. */
async function write(count: number): Promise<boolean> {
  const all: { record: Place; mark: Place; signs: Journal }[] = [];
  const barrier = mode !== 'no-barrier';
  for (let i = 0; i < count; i++) {
    const record = records.take(between(8, (count > 5 ? 1 : 4) * PAGE_SIZE));
    const signs = barrier ? pick([records, far, valid]) : far;
    const mark = signs.take(8);
    if (!record || !mark) return false;
    store(records.mapping, record);
    all.push({ record, mark, signs });
  }
  if (barrier) {
    const ranges = all.map(({ record }) => [record.offset, record.length] as const);
    if (count > 1 && mode === 'sound') await records.mapping.flush(ranges);
    else for (const range of ranges) await flush(records.mapping, ...range);
    for (const { record } of all) tell({ is: record });
  }
  for (const { record, mark, signs } of all) {
    tell({ record, mark });
    store(signs.mapping, mark);
  }
  if (!barrier) await records.mapping.flush();
  for (const { mark, signs } of all) {
    if (barrier) await flush(signs.mapping, mark.offset, mark.length);
    tell({ is: mark });
  }
  return true;
}

let files = 0;
/** A file of its own: made, written, flushed or disposed of or unmapped meanwhile; or grown and flushed again. */
async function create(): Promise<boolean> {
  const file = `${next() < 0.5 ? 'sub/' : ''}file-${++files}`;
  const length = between(8, 8 * PAGE_SIZE);
  const more = between(8, 8 * PAGE_SIZE);
  const options = { access: 'write', create: true, length, sparse: next() < 0.5 } as const;
  const mapping = map(join(directory, file), { ...options, reserve: length + more });
  const place = { file, offset: 0, length, id: newId() };
  store(mapping, place);
  const end = mode === 'no-flush' ? 0 : between(0, 4);
  if (end === 1) {
    await mapping[Symbol.asyncDispose]();
  } else if (end === 2) {
    const flushed = mapping.flush();
    mapping.unmap();
    await flushed;
  } else {
    await flush(mapping, 0, length);
  }
  tell({ is: place });
  if (end === 3) {
    mapping.resize(length + more);
    const grown = { file, offset: length, length: more, id: newId() };
    store(mapping, grown);
    await flush(mapping, length, more);
    tell({ is: grown });
  }
  mapping.unmap();
  return files < 400;
}

const WINDOW = 16 * PAGE_SIZE;
const window = map(join(directory, slid.file), { access: 'write', length: WINDOW });
let sliding = false;
/** Stores through several windows; one flush covers all that were left behind. */
async function slide(): Promise<boolean> {
  if (sliding) return true; // the window is another task's
  sliding = true;
  const places: Place[] = [];
  for (let i = between(1, 5); i > 0; i--) {
    const place = slid.take(between(8, 4 * PAGE_SIZE));
    if (!place) break;
    window.slide(Math.min(place.offset - (place.offset % PAGE_SIZE), slid.mapping.length - WINDOW));
    store(window, { ...place, offset: place.offset - window.offset });
    places.push(place);
  }
  if (mode !== 'no-flush') await window.flush();
  for (const place of places) tell({ is: place });
  sliding = false;
  return true;
}

/** Places that are overwritten again and again, each by the task that took it. */
const own: { place: Place; generation: number }[] = [];
async function overwrite(task: number): Promise<boolean> {
  own[task] ??= { place: cells.take(512) as Place, generation: 0 };
  const { place } = own[task];
  const generation = ++own[task].generation;
  tell({ cell: place, generation, done: false });
  store(cells.mapping, { ...place, id: place.id + generation });
  await flush(cells.mapping, place.offset, place.length);
  tell({ cell: place, generation, done: true });
  return true;
}

/** Dirty pages all over a file; now and then written all at once, while others wait for theirs. */
async function disturb(): Promise<boolean> {
  const ranges: [number, number][] = [];
  for (let i = between(1, 60); i > 0; i--) {
    const offset = between(0, noise.mapping.length - 8);
    store(noise.mapping, { file: noise.file, offset, length: 8, id: newId() });
    ranges.push([offset, 8]);
  }
  if (next() < 0.5 && mode === 'sound') await noise.mapping.flush(ranges);
  return true;
}

async function work(task: number): Promise<void> {
  for (let more = true; more; ) {
    const kind = mode === 'no-barrier' ? 3 : between(0, 10);
    if (kind < 3) more = await write(1);
    else if (kind < 5) more = await write(between(2, 30));
    else if (kind < 7) more = await create();
    else if (kind < 8) more = await slide();
    else if (kind < 9) more = await overwrite(task);
    else more = await disturb();
  }
}

await Promise.all([work(0), work(1), work(2)]);
