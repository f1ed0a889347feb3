// memmap/sync: locks in the first page of one file, and waits on any word.

import * as sync from 'memmap/sync';
import { type Held, Mutex } from 'memmap/sync';
import { P, type RegionModel, WRITE } from './memory.js';
import { mapBeginning, unmap } from './operations-map.js';
import {
  type Core,
  isClosed,
  type Mapped,
  type OpenFile,
  type State,
  type Window,
} from './state.js';

const CLOSED = 'ERR_MAPPING_CLOSED';
const FAULT = 'ERR_MAPPING_FAULT';
const DIED = 0x4000_0000;
const OWNER = 0x3fff_ffff;

interface Opened {
  label: string;
  mutex: Mutex;
  core: Core;
  /** Of the lock in the file. */
  position: number;
  held: Held | undefined;
  /** What is in the file while it is held. */
  word: number;
}

export class Locks {
  readonly #state: State;
  readonly #file: OpenFile;
  #opened: Opened[] = [];

  constructor(state: State, file: OpenFile) {
    this.#state = state;
    this.#file = file;
    file.model.locks = true;
    state.locksLeft = (core) => this.#left(core);
  }

  /** Lets go of the objects. */
  forget(): void {
    this.#opened = [];
  }

  /** What the lock holds belongs to nobody who lives. */
  #left(core: Core): void {
    for (const opened of this.#opened.filter((one) => one.core === core)) {
      if (opened.word === 0) continue;
      // By the file; where that has been cut, it is looked at where the mapping shows it.
      if (this.#file.model.size < opened.position + 4) this.#code(opened, core.region);
      if (this.#isOwner(opened)) this.#set(opened, DIED);
      opened.word = 0;
    }
    this.#opened = this.#opened.filter((one) => one.core !== core || one.held !== undefined);
  }
  /** Whether the word in the file names the owner whom it named when this one took it: the same thread. */
  #isOwner(opened: Opened): boolean {
    return opened.word !== 0 && ((this.#now(opened) ^ opened.word) & OWNER) === 0;
  }
  #now({ position }: Opened): number {
    return this.#file.model.bytes.readUInt32LE(position);
  }
  #set({ position }: Opened, word: number): void {
    if (position < this.#file.model.size) this.#file.model.bytes.writeUInt32LE(word, position);
  }

  open(mapped: Mapped): void {
    const { world } = this.#state;
    const { mapping, core } = mapped;
    const offset = world.draw.of([0, 8, 8, 64, 64, 2, P]);
    const position = core.offset + offset;
    let code = '';
    if (isClosed(mapped)) code = CLOSED;
    else if (core.access === 'copy') code = 'ERR_INVALID_ARG_TYPE';
    else if (core.access === 'read') code = 'ERR_MAPPING_ACCESS';
    else if (position % 4 !== 0 || offset + Mutex.BYTES > core.length) code = 'ERR_OUT_OF_RANGE';
    const isOurs = core.open === this.#file && position + Mutex.BYTES <= P && !mapped.borrowed;
    if (code === '' && !isOurs) return;
    const mutex = world.make<Mutex>('Mutex', Mutex, [mapping, offset], code);
    world.equal('Mutex.BYTES', world.get('Mutex', 'Mutex', Mutex, 'BYTES'), 8);
    if (mutex === undefined) return;
    const label = this.#state.label('mutex');
    this.#opened.push({ label, mutex, core, position, held: undefined, word: 0 });
    if (this.#opened.length <= 10) return;
    const old = this.#opened.findIndex((one) => one.word === 0);
    if (old >= 0) this.#opened.splice(old, 1);
  }

  /** Why the lock cannot be got at. */
  #code({ core, position }: Opened, region: RegionModel | undefined): string {
    if (core.closed || region === undefined) return CLOSED;
    const seen = position >= core.offset && position + 4 <= core.offset + core.length;
    if (!seen) return 'ERR_OUT_OF_RANGE';
    const i = Math.floor((position - region.offset) / P);
    region.touch(i, false);
    return region.patched(i, i + 1) ? FAULT : '';
  }
  /** It may be touched, but not written to: what becomes of a lock there is not modelled. */
  #isReadOnly({ core, position }: Opened): boolean {
    const { region } = core;
    const page = region?.pages[Math.floor((position - region.offset) / P)];
    return !core.closed && page !== undefined && page.patch === undefined && page.prot !== WRITE;
  }
  #isMine(opened: Opened): boolean {
    return this.#opened.some((one) => one.position === opened.position && this.#isOwner(one));
  }

  #took(opened: Opened, held: Held | undefined, died: boolean): void {
    const { world } = this.#state;
    if (held === undefined) world.fail('a free lock', held, 'Held');
    const ownerDied = world.get('Held', 'held', held as Held, 'ownerDied');
    world.equal('ownerDied', ownerDied, died);
    opened.held = held;
    // Who holds it is a number that was drawn when it was taken.
    this.#holds(opened);
  }
  /** Looks which number that is; a bit says whether somebody waits, or has waited. */
  #holds(opened: Opened): void {
    const word = this.#read(opened);
    const isOwner = (word & OWNER) !== 0 && (word & DIED) === 0;
    if (!isOwner) this.#state.world.fail('the lock word', word, 'an owner');
    this.#set(opened, word);
    opened.word = word;
  }
  #read({ position }: Opened): number {
    const bytes = Buffer.alloc(4);
    this.#state.readFile(this.#file, bytes, position);
    return bytes.readUInt32LE(0);
  }

  async use(): Promise<void> {
    const { world, mapped } = this.#state;
    const { draw } = world;
    if (this.#opened.length < 3) {
      if (mapped.every(({ core }) => core.open !== this.#file || core.closed)) {
        mapBeginning(this.#state, this.#file);
      }
      for (const one of mapped) if (one.core.open === this.#file) this.open(one);
    }
    if (this.#opened.length === 0) return;
    const opened = draw.of(this.#opened);
    if (opened.held !== undefined && draw.once(2)) return this.#unlock(opened);
    // A word past the end of the file, in its last page, is one that no read(2) sees.
    const { size } = this.#file.model;
    const isBehind = size > 0 && size < opened.position + 4;
    if (isBehind || this.#isReadOnly(opened)) return;
    const { label, mutex } = opened;
    const code = this.#code(opened, opened.core.region);
    const mine = code === '' && this.#isMine(opened);
    // Left by a dead owner; or what a cut in its middle has left of the word, which names nobody who lives.
    const died = code === '' && !mine && (this.#now(opened) & (OWNER | DIED)) !== 0;
    const how = draw.below(8);
    if (how < 4) {
      const held = world.call<Held>('Mutex', label, mutex, 'tryLock', [], code);
      if (mine) world.equal('tryLock() of a lock that this thread has', held, undefined);
      else if (code === '') this.#took(opened, held, died);
    } else if (how < 6) {
      const args = draw.of([[], [0], [5]]);
      const held = world.call<Held>(
        'Mutex',
        label,
        mutex,
        'lockSync',
        args,
        mine ? 'EDEADLK' : code,
      );
      if (code === '' && !mine) this.#took(opened, held, died);
    } else if (!mine) {
      const held = await world.callAsync<Held>('Mutex', label, mutex, 'lock', [], code);
      if (code === '') this.#took(opened, held, died);
    } else {
      await this.#wait(opened);
    }
  }

  /** A task stands in line; the lock is let go of, or it gives up. */
  async #wait(opened: Opened): Promise<void> {
    const { world } = this.#state;
    const { label, mutex, position } = opened;
    const owner = this.#opened.find(
      (one) => one.position === position && one.held && one.word !== 0,
    );
    if (owner === undefined || this.#isReadOnly(owner)) return;
    const kind = world.draw.below(3);
    if (kind === 0) {
      await world.callAsync('Mutex', label, mutex, 'lock', [{ timeout: 1 }], 'ETIMEDOUT');
      this.#holds(owner);
    } else if (kind === 1) {
      const abort = new AbortController();
      const options = { signal: abort.signal };
      const waiting = world.callAsync('Mutex', label, mutex, 'lock', [options], 'AbortError');
      abort.abort();
      await waiting;
      this.#holds(owner);
    } else if (this.#code(owner, owner.core.region) === '' && this.#isOwner(owner)) {
      const waiting = world.callAsync<Held>('Mutex', label, mutex, 'lock', [], '');
      this.#unlock(owner);
      this.#took(opened, await waiting, false);
    }
  }

  #unlock(opened: Opened): void {
    const { world } = this.#state;
    const { held, core } = opened;
    if (held === undefined || this.#isReadOnly(opened)) return;
    let code = this.#code(opened, core.region);
    if (code === '' && !this.#isOwner(opened)) code = 'EPERM';
    const method = world.draw.of(['unlock', Symbol.dispose] as const);
    world.call('Held', 'held', held, method, [], code);
    // It is still held where the mapping has been slid away, and may come back.
    if (code === 'ERR_OUT_OF_RANGE') return;
    world.call('Held', 'held', held, 'unlock');
    opened.held = undefined;
    if (code === FAULT) return;
    if (code === '') this.#set(opened, 0);
    opened.word = 0;
    if (core.closed) this.#opened = this.#opened.filter((one) => one !== opened);
  }
}

// --- waits ------------------------------------------------------------------------------------------

interface Cell {
  array: Int32Array | Uint32Array;
  index: number;
  value: number;
  code: string;
}

function cellOf(state: State, { bytes, region, start }: Window): Cell | undefined {
  const { draw } = state.world;
  const { buffer, byteOffset, length } = bytes;
  const pad = (4 - (byteOffset % 4)) % 4;
  const count = Math.floor((length - pad) / 4);
  if (count < 1) return undefined;
  const Class = draw.of([Int32Array, Uint32Array] as const);
  const array = new Class(buffer as ArrayBuffer, byteOffset + pad, count);
  const index = draw.below(count);
  const at = start + pad + 4 * index;
  const i = Math.floor(at / P);
  let code = '';
  let value = 0;
  if (!region.shared) code = 'ERR_INVALID_ARG_TYPE';
  else if (at % 4 !== 0) code = 'ERR_OUT_OF_RANGE';
  else if (region.retired) code = CLOSED;
  else {
    region.touch(i, false);
    if (region.patched(i, i + 1)) code = FAULT;
    const bits = region.content(i).readUInt32LE(at % P);
    value = Class === Int32Array ? bits | 0 : bits;
  }
  return { array, index, value, code };
}

export async function waits(state: State, mapped: Mapped): Promise<void> {
  const { world } = state;
  const { draw } = world;
  const { core } = mapped;
  const windows = [...core.windows, ...state.stray.slice(-2)];
  if (windows.length === 0) return;
  const cell = cellOf(state, draw.of(windows));
  if (cell === undefined) return;
  const { array, index, value, code } = cell;
  const other = value === 7 ? 8 : 7;
  const of = ['sync', '', sync] as const;
  const how = draw.below(12);
  if (how < 4) {
    const args = [array, index, draw.once(2) ? value : other, draw.of([0, 0, 0, 0.5])];
    const right = args[2] === value ? 'timed-out' : 'not-equal';
    const got = world.call(...of, 'wait', args, code);
    if (code === '') world.equal('wait()', got, right);
    return;
  }
  if (how < 8) {
    const args = draw.of([
      [array, index],
      [array, index, 1],
      [array, index, Infinity],
    ]);
    const got = world.call(...of, 'notify', args, code);
    if (code === '') world.equal('notify() of nobody', got, 0);
    return;
  }
  if (code !== '' || how === 8) {
    const got = await world.callAsync(...of, 'waitAsync', [array, index, other], code);
    if (code === '') world.equal('waitAsync()', got, 'not-equal');
    return;
  }
  await pendingWaits(state, mapped, cell, how);
}

async function pendingWaits(state: State, mapped: Mapped, cell: Cell, how: number): Promise<void> {
  const { world } = state;
  const { array, index, value } = cell;
  const of = ['sync', '', sync] as const;
  if (how === 9) {
    const options = { timeout: world.draw.below(2) };
    const got = await world.callAsync(...of, 'waitAsync', [array, index, value, options]);
    world.equal('waitAsync()', got, 'timed-out');
    return;
  }
  if (how === 10) {
    const abort = new AbortController();
    const options = { signal: abort.signal };
    const args = [array, index, value, options];
    const waiting = world.callAsync(...of, 'waitAsync', args, 'AbortError');
    abort.abort();
    await waiting;
    return;
  }
  const ends = world.draw.once(2) && !mapped.borrowed && !isClosed(mapped);
  const owned = mapped.core.windows.some(({ bytes }) => bytes.buffer === array.buffer);
  const count = 1 + world.draw.below(3);
  const expected = ends && owned ? CLOSED : '';
  const waiting = Array.from({ length: count }, () =>
    world.callAsync(...of, 'waitAsync', [array, index, value], expected),
  );
  if (expected === CLOSED) {
    unmap(state, mapped);
  } else {
    const woken = world.call<number>(...of, 'notify', [array, index]) as number;
    if (woken > count) world.fail('notify()', woken, `at most ${count}`);
  }
  const all = await Promise.all(waiting);
  if (expected === '') world.equal('waitAsync()', new Set(all), new Set(['ok']));
}
