// The model of memory: files as bytes, and the pages of a region as mmap(2) and the guard treat them.

import { PAGE_SIZE } from 'memmap/posix';
import type { World } from './world.js';

export const P: number = PAGE_SIZE;
/** No file gets longer. */
export const MAX_PAGES = 24;
const ZEROS = Buffer.alloc(P);
export const NONE = 0;
export const READ = 1;
export const WRITE = 3;

/** A file, or the object behind shared anonymous memory. */
export class FileModel {
  readonly label: string;
  readonly bytes = Buffer.alloc(MAX_PAGES * P);
  size = 0;
  /** Those that show it. */
  readonly regions = new Set<RegionModel>();
  /** Locks lie in its first page, which nothing else is written to. */
  locks = false;
  /** Without a size that could change. */
  readonly isObject: boolean;

  constructor(label: string, size: number, isObject = false) {
    this.label = label;
    this.size = size;
    this.isObject = isObject;
  }
  get pages(): number {
    return Math.ceil(this.size / P);
  }
  page(number: number): Buffer {
    return number < MAX_PAGES ? this.bytes.subarray(number * P, (number + 1) * P) : ZEROS;
  }
  /** ftruncate(2). Private copies of pages that are cut off are gone. */
  setSize(size: number): void {
    if (size < this.size) this.bytes.fill(0, size, this.size);
    this.size = size;
    for (const region of this.regions) region.dropCut();
  }
  write(at: number, data: Uint8Array): void {
    this.bytes.set(data, at);
    this.size = Math.max(this.size, at + data.length);
  }
}

export interface Fault {
  offset: number;
  length: number;
  kind: 'truncated' | 'no-space' | 'read-only' | 'unmapped';
}

/** Merged, by offset. */
export class Faults {
  list: Fault[] = [];
  record(kind: Fault['kind'], begin: number, end: number): void {
    const touches = (f: Fault) =>
      f.kind === kind && f.offset <= end && f.offset + f.length >= begin;
    const merged = this.list.filter(touches);
    const from = Math.min(begin, ...merged.map((f) => f.offset));
    const to = Math.max(end, ...merged.map((f) => f.offset + f.length));
    this.list = this.list.filter((f) => !touches(f));
    this.list.push({ offset: from, length: to - from, kind });
  }
}

export interface Page {
  prot: number;
  locked: boolean;
  /** Of private memory: written, and so no longer the file's. */
  own: Buffer | undefined;
  /** What the guard has put in its place. */
  patch: Buffer | undefined;
}

export interface RegionOptions {
  file: FileModel | undefined;
  shared: boolean;
  /** Of the file, in bytes: a whole number of pages. */
  offset: number;
  /** In pages. */
  length: number;
  reserved?: number;
  prot: number;
  /** Whether the descriptor allows it to be written; and then whether the kernel still does, after a seal. */
  writable: boolean;
  mayWrite?: boolean;
  populate?: boolean;
  faults?: Faults;
}

export class RegionModel {
  readonly world: World;
  readonly file: FileModel | undefined;
  readonly shared: boolean;
  readonly writable: boolean;
  readonly mayWrite: boolean;
  readonly #populate: boolean;
  readonly faults: Faults;
  /** As many as are reserved. */
  readonly pages: Page[];
  offset: number;
  length: number;
  /** That pages get which are mapped anew. */
  prot: number;
  locked = false;
  retired = false;
  /** Patches so far: the next ones are larger. */
  generation = 0;

  constructor(world: World, options: RegionOptions) {
    this.world = world;
    this.file = options.file;
    this.shared = options.shared;
    this.writable = options.writable || !options.shared;
    this.mayWrite = this.writable && (!options.shared || options.mayWrite !== false);
    this.#populate = options.populate ?? false;
    this.faults = options.faults ?? new Faults();
    this.offset = options.offset;
    this.length = options.length;
    this.prot = options.prot;
    this.pages = Array.from({ length: Math.max(options.reserved ?? 0, options.length) }, () => ({
      prot: NONE,
      locked: false,
      own: undefined,
      patch: undefined,
    }));
    this.mapPages(0, this.length);
    this.file?.regions.add(this);
  }

  /** For the story: each page as what it may be used for, and whose it is. */
  toString(): string {
    const pages = this.pages.map(({ prot, locked, own, patch }, i) => {
      const whose =
        patch !== undefined ? 'patch' : own !== undefined ? 'own' : this.isPast(i) ? 'past' : '';
      return `${['none', 'read', '', 'write'][prot]}${locked ? ' locked' : ''}${whose && ` ${whose}`}`;
    });
    const of = this.file === undefined ? 'anonymous' : `${this.file.label} at ${this.offset}`;
    return `${this.shared ? 'shared' : 'private'} ${of}, ${this.length} pages of [${pages.join(', ')}]`;
  }

  // --- what is there --------------------------------------------------------------------------------

  isPast(i: number): boolean {
    return this.file !== undefined && this.offset / P + i >= this.file.pages;
  }
  content(i: number): Buffer {
    const page = this.pages[i] as Page;
    return page.patch ?? page.own ?? this.file?.page(this.offset / P + i) ?? ZEROS;
  }
  /** To be written to, after a touch(). */
  #writable(i: number): Buffer {
    const page = this.pages[i] as Page;
    if (page.patch !== undefined) return page.patch;
    if (!this.shared) page.own ??= Buffer.from(this.content(i));
    return this.content(i);
  }
  write(i: number, at: number, data: Uint8Array): void {
    this.#writable(i).set(data, at);
  }
  /** Whether what is written to the page is written to the file. */
  isFiles(i: number): boolean {
    const page = this.pages[i] as Page;
    return this.shared && page.patch === undefined && this.file?.isObject === false;
  }
  patched(from: number, to: number): boolean {
    return this.pages.slice(from, to).some((page) => page.patch !== undefined);
  }
  /** Whether any of its pages may ever become one through which the file is written. */
  mayWriteFile(): boolean {
    const isThere = (page: Page, i: number) => i < this.length && page.patch === undefined;
    return this.shared && this.mayWrite && this.pages.some(isThere);
  }
  copyOnWrite(i: number): void {
    const page = this.pages[i] as Page;
    if (this.shared || page.patch !== undefined || this.isPast(i)) return;
    page.own ??= Buffer.from(this.content(i));
  }

  // --- changes --------------------------------------------------------------------------------------

  /** Maps pages of the file anew. */
  mapPages(from: number, to: number): void {
    for (let i = from; i < to; i++) {
      this.pages[i] = { prot: this.prot, locked: this.locked, own: undefined, patch: undefined };
      if (this.#populate && this.prot === WRITE) this.copyOnWrite(i);
    }
  }
  #blank(from: number, to: number): void {
    for (let i = from; i < to; i++) {
      this.pages[i] = { prot: NONE, locked: false, own: undefined, patch: undefined };
    }
  }
  grow(length: number): void {
    if (length <= this.length) return;
    this.mapPages(this.length, length);
    this.length = length;
  }
  shrink(length: number): void {
    if (length >= this.length) return;
    this.#blank(length, this.length);
    this.length = length;
  }
  slide(offset: number): void {
    this.offset = offset;
    this.mapPages(0, this.length);
  }
  heal(): void {
    for (let i = 0; i < this.pages.length; i++) {
      if (this.pages[i]?.patch === undefined) continue;
      if (i < this.length) this.mapPages(i, i + 1);
      else this.#blank(i, i + 1);
    }
  }
  /** After mremap(2): the pages of the region before. */
  inherit(before: RegionModel, locked: boolean): void {
    for (const [i, page] of this.pages.entries()) {
      const old = before.pages[i];
      page.locked = locked;
      if (!this.shared) {
        page.own = old?.own;
        if (locked && this.prot === WRITE) this.copyOnWrite(i);
      }
    }
  }
  dropCut(): void {
    if (this.shared) return;
    for (let i = 0; i < this.length; i++) {
      if (this.isPast(i)) (this.pages[i] as Page).own = undefined;
    }
  }
  retire(): void {
    this.#blank(0, this.pages.length);
    this.retired = true;
    this.file?.regions.delete(this);
  }

  // --- the guard ------------------------------------------------------------------------------------

  /** What an access to the page does. */
  touch(i: number, write: boolean): void {
    for (;;) {
      const page = this.pages[i] as Page;
      const allowed = (page.prot & (write ? 2 : 1)) !== 0;
      if (page.patch !== undefined) {
        if (!allowed) page.prot = WRITE;
        return;
      }
      const live = !this.retired && i < this.length;
      const past = live && page.own === undefined && this.isPast(i);
      if (allowed && live && !past) {
        if (write) this.copyOnWrite(i);
        return;
      }
      this.#survive(i, page, live, past);
    }
  }

  #survive(i: number, page: Page, live: boolean, past: boolean): void {
    const readable = (page.prot & 1) !== 0;
    const kind = !live
      ? 'unmapped'
      : past && this.file?.isObject === false
        ? 'truncated'
        : past && readable
          ? 'no-space'
          : readable
            ? 'read-only'
            : 'unmapped';
    this.world.faults++;
    const protection = kind === 'read-only' || kind === 'unmapped';
    if (protection && live && !this.shared) {
      this.generation++;
      this.#permit(i, WRITE);
      this.faults.record(kind, this.offset + i * P, this.offset + (i + 1) * P);
      return;
    }
    const limit = live ? this.length : this.pages.length;
    let end = limit;
    if (kind !== 'truncated') {
      const atOnce = kind === 'no-space' || this.retired;
      end = i + 2 ** Math.min(10, Math.max(0, this.generation - (atOnce ? 0 : 32)));
    }
    const next = this.pages.findIndex((other, j) => j > i && other.patch !== undefined);
    end = Math.min(end, limit, next < 0 ? limit : next);
    const zeros = kind === 'truncated' || kind === 'unmapped';
    let gone = zeros;
    for (let j = i; j < end; j++) {
      // Of memory without a file the copy ends where it cannot be read.
      const other = this.pages[j] as Page;
      gone ||= this.file?.isObject === true && ((other.prot & 1) === 0 || this.isPast(j));
      const patch = gone ? Buffer.alloc(P) : Buffer.from(this.content(j));
      this.pages[j] = { prot: WRITE, locked: false, own: undefined, patch };
    }
    this.generation++;
    this.faults.record(kind, this.offset + i * P, this.offset + end * P);
  }

  // --- calls on pages, as the kernel answers them ---------------------------------------------------

  #permit(i: number, prot: number): void {
    const page = this.pages[i] as Page;
    const before = page.prot;
    page.prot = prot;
    // The kernel gives locked private memory its copies at once (mm/mprotect.c).
    if (page.locked && prot === WRITE && before !== WRITE) this.copyOnWrite(i);
  }

  protect(from: number, to: number, prot: number): string {
    if (prot === WRITE && !this.writable) return 'EACCES';
    for (let i = from; i < to; i++) {
      const { patch } = this.pages[i] as Page;
      if (prot === WRITE && !this.mayWrite && patch === undefined) return 'EACCES';
      this.#permit(i, prot);
    }
    if (from === 0 && to >= this.length) this.prot = prot;
    return '';
  }

  lock(from: number, to: number): string {
    for (let i = from; i < to; i++) (this.pages[i] as Page).locked = true;
    for (let i = from; i < to; i++) {
      const { prot, patch, own } = this.pages[i] as Page;
      const past = patch === undefined && own === undefined && this.isPast(i);
      if (prot === NONE || past) return 'ENOMEM';
      if (prot === WRITE) this.copyOnWrite(i);
    }
    if (from === 0 && to >= this.length) this.locked = true;
    return '';
  }
  unlock(from: number, to: number): void {
    for (let i = from; i < to; i++) (this.pages[i] as Page).locked = false;
    this.locked = false;
  }

  /** MADV_DONTNEED. */
  forget(from: number, to: number): string {
    for (let i = from; i < to; i++) {
      const page = this.pages[i] as Page;
      if (page.locked) return 'EINVAL';
      page.own = undefined;
      page.patch?.fill(0);
    }
    return '';
  }
  /** MADV_REMOVE, of pages that may be written. */
  remove(from: number, to: number): string {
    for (let i = from; i < to; i++) {
      const { locked, patch } = this.pages[i] as Page;
      if (locked || patch !== undefined || this.file === undefined) return 'EINVAL';
      if (!this.shared) return 'EACCES';
      const number = this.offset / P + i;
      if (number < MAX_PAGES) this.file.page(number).fill(0);
    }
    return '';
  }
}
