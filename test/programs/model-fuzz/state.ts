// What there is at a moment: files, mappings, buffers, each beside its model; and the look at all of it.

import { closeSync, fstatSync, ftruncateSync, openSync, readSync, unlinkSync } from 'node:fs';
import { type Mapping, stats } from 'memmap';
import { Faults, FileModel, MAX_PAGES, P, type RegionModel } from './memory.js';
import { names, type World } from './world.js';

/** A file that is really there. */
export interface OpenFile {
  model: FileModel;
  fd: number;
  readFd: number;
  /** undefined: it has no name. */
  path: string | undefined;
  /** Of a memfd. */
  seals: number | undefined;
}

/** An array over mapped bytes. */
export interface Window {
  bytes: Uint8Array;
  region: RegionModel;
  /** In the region, in bytes. */
  start: number;
  length: number;
  /** `unmap()` leaves it, over retired pages: a SharedArrayBuffer, or one that was transferred. */
  stays: boolean;
  /** Which object gave it out. */
  maker: object | undefined;
  label: string;
}

/** What several Mapping objects may stand for. */
export interface Core {
  label: string;
  open: OpenFile | undefined;
  region: RegionModel | undefined;
  offset: number;
  length: number;
  delta: number;
  access: 'read' | 'write' | 'copy';
  anonymous: boolean;
  reserve: number;
  populate: boolean;
  closed: boolean;
  /** There were faults that a flush of the whole must tell of. */
  lost: boolean;
  faults: Faults;
  /** map() was asked to lock; or what resize() found locked. */
  lock: boolean;
  /** Held, so that they are alive. */
  shared: SharedArrayBuffer[];
  windows: Window[];
}

export interface Mapped {
  label: string;
  mapping: Mapping;
  core: Core;
  borrowed: boolean;
  ended: boolean;
  buffer: ArrayBuffer | undefined;
}

/** Of memmap/posix. */
export interface Raw {
  label: string;
  buffer: ArrayBuffer;
  region: RegionModel;
  length: number;
  windows: Window[];
  /** Calls may have cut it into areas that do not move together. */
  cut: boolean;
}

export const isClosed = ({ core, ended }: Mapped): boolean => ended || core.closed;

export class State {
  readonly world: World;
  readonly directory: string;
  files: OpenFile[] = [];
  mapped: Mapped[] = [];
  raw: Raw[] = [];
  /** Of mappings that are gone. */
  stray: Window[] = [];
  #number = 0;

  constructor(world: World, directory: string) {
    this.world = world;
    this.directory = directory;
  }

  label(prefix: string): string {
    this.#number++;
    return `${prefix}${this.#number}`;
  }

  addFile(size: number): OpenFile {
    const label = this.label('file');
    const path = `${this.directory}/${label}`;
    const fd = openSync(path, 'w+');
    ftruncateSync(fd, size);
    return this.adoptFile(label, fd, size, path);
  }
  openThere(label: string, path: string, size: number): OpenFile {
    return this.adoptFile(label, openSync(path, 'r+'), size, path);
  }
  /** @param fd is closed by us in the end */
  adoptFile(label: string, fd: number, size: number, path?: string, seals?: number): OpenFile {
    const readFd = openSync(path ?? `/proc/self/fd/${fd}`, 'r');
    const model = new FileModel(label, size);
    const file = { model, fd, readFd, path, seals };
    this.files.push(file);
    return file;
  }
  dropFile(file: OpenFile): void {
    closeSync(file.fd);
    closeSync(file.readFd);
    if (file.path !== undefined) unlinkSync(file.path);
    this.files = this.files.filter((other) => other !== file);
  }

  addMapping(mapping: Mapping, core: Core, borrowed = false): Mapped {
    const label = borrowed ? this.label('borrowed') : core.label;
    const mapped = { label, mapping, core, borrowed, ended: false, buffer: undefined };
    this.mapped.push(mapped);
    names.set(mapping, label);
    return mapped;
  }

  newCore(label: string, from: Partial<Core>): Core {
    const core: Core = {
      ...{ label, open: undefined, region: undefined, offset: 0, length: 0, delta: 0 },
      ...{ access: 'read', anonymous: false, reserve: 0, populate: false, lock: false },
      ...{ closed: false, lost: false, faults: new Faults(), shared: [], windows: [] },
      ...from,
    };
    core.delta = core.anonymous ? 0 : core.offset % P;
    return core;
  }

  readFile({ fd }: OpenFile, into: Uint8Array, position: number): void {
    readSync(fd, into, 0, into.length, position);
  }

  /** Told when a mapping ends: its locks are given up. */
  locksLeft: (core: Core) => void = () => {};

  // --- touching -------------------------------------------------------------------------------------

  /** Each page of the window for which it is called lies in it with `[from, to)` of its own bytes. */
  #pages(
    window: Window,
    begin: number,
    end: number,
    each: (i: number, from: number, to: number) => void,
  ) {
    const first = window.start + begin;
    const last = window.start + end;
    for (let at = first; at < last; ) {
      const i = Math.floor(at / P);
      const to = Math.min((i + 1) * P, last);
      each(i, at - i * P, to - i * P);
      at = to;
    }
  }

  /** Compares the bytes of a window with the model. */
  look(window: Window, begin = 0, end = window.length): void {
    const { bytes, region, start } = window;
    this.#pages(window, begin, end, (i, from, to) => {
      const at = i * P + from - start;
      region.touch(i, false);
      const first = bytes[at];
      const right = region.content(i);
      const same =
        first === right[from] &&
        Buffer.compare(bytes.subarray(at, at + to - from), right.subarray(from, to)) === 0;
      if (same) return;
      const wrong = bytes
        .subarray(at, at + to - from)
        .findIndex((byte, j) => byte !== right[from + j]);
      this.world.note(
        '',
        `look at byte ${at + wrong} of ${bytes.length} of ${window.label}, page ${i} of ${region}`,
      );
      this.world.fail('a byte', bytes[at + wrong], right[from + wrong]);
    });
  }

  /** Writes into a window, and into the model. Not past the end of a file: what is there is nobody's. */
  write(window: Window, begin: number, data: Uint8Array): void {
    const { bytes, region, start } = window;
    this.#pages(window, begin, begin + data.length, (i, from, to) => {
      region.touch(i, true);
      const base = region.offset + i * P;
      const end = region.isFiles(i) ? Math.min(to, (region.file as FileModel).size - base) : to;
      const at = i * P + from - start;
      if (end <= from || (region.isFiles(i) && region.file?.locks && base === 0)) return;
      const piece = data.subarray(at - begin, at - begin + end - from);
      bytes[at] = piece[0] as number;
      bytes.set(piece, at);
      region.write(i, from, piece);
    });
  }

  // --- the look at everything -----------------------------------------------------------------------

  lookAtFile({ model, fd }: OpenFile): void {
    const bytes = Buffer.alloc(MAX_PAGES * P);
    this.world.equal(`size of ${model.label}`, fstatSync(fd).size, model.size);
    readSync(fd, bytes, 0, bytes.length, 0);
    if (bytes.equals(model.bytes)) return;
    const at = bytes.findIndex((byte, i) => byte !== model.bytes[i]);
    this.world.fail(`byte ${at} of ${model.label}`, bytes[at], model.bytes[at]);
  }

  lookAtMapping(mapped: Mapped): void {
    const { world } = this;
    const { label, mapping, core } = mapped;
    const closed = isClosed(mapped);
    world.equal(`${label}.length`, world.peek('Mapping', mapping, 'length'), core.length);
    world.equal(`${label}.offset`, world.peek('Mapping', mapping, 'offset'), core.offset);
    world.equal(`${label}.access`, world.peek('Mapping', mapping, 'access'), core.access);
    world.equal(`${label}.closed`, world.peek('Mapping', mapping, 'closed'), closed);
    this.lookAtFaults(mapped);
    for (const window of core.windows) this.look(window);
  }

  lookAtFaults({ label, mapping, core }: Mapped): void {
    const got = this.world.peek<readonly object[]>('Mapping', mapping, 'faults');
    // One has room for 64.
    if (core.faults.list.length > 60) return;
    type One = { offset: number; kind: string };
    const order = (a: One, b: One) => a.offset - b.offset || (a.kind < b.kind ? -1 : 1);
    const right = [...core.faults.list].sort(order);
    this.world.equal(`${label}.faults`, [...(got as One[])].sort(order), right);
    const offsets = (got as { offset: number }[]).map((f) => f.offset);
    this.world.equal(
      `order of ${label}.faults`,
      offsets,
      offsets.toSorted((a, b) => a - b),
    );
  }

  lookAtAll(): void {
    for (const mapped of this.mapped) this.lookAtMapping(mapped);
    for (const raw of this.raw) for (const window of raw.windows) this.look(window);
    for (const window of this.stray) this.look(window);
    for (const file of this.files) this.lookAtFile(file);
    this.lookAtStats();
  }

  lookAtStats(): void {
    const now = this.world.call<ReturnType<typeof stats>>('memmap', '', { stats }, 'stats');
    this.world.equal('stats().faults', now?.faults, this.world.faults);
    const live = this.mapped.filter((m) => !m.borrowed && !m.core.closed && m.core.region);
    const least = live.length + this.raw.length;
    if ((now?.regions ?? 0) < least) this.world.fail('stats().regions', now?.regions, least);
  }
}
