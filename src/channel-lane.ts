// One sender's ring. See native/include/memmap_channel_layout.h for its records; this is the same algorithm as
// in memmap_channel.h, here for V8: it runs millions of times a second, and a call into C would cost more.
import { Buffer } from 'node:buffer';
import { types } from 'node:util';
import { Bell, corrupt, dataAt, layout, RECORD, word } from './channel-layout.js';
import type { Segment } from './channel-segment.js';
import { closedError, invalidType, outOfRange } from './errors.js';
import type { Mapping } from './mapping.js';
import { Mutex, Owner, ownerOf } from './mutex.js';
import { native } from './native.js';

/** As an Int32Array has it. */
const SKIP = layout('SKIP') | 0;
const OWNER = native.constants['MEMMAP_OWNER']!;
const OPENS = word('LANE_OPENS');
const CLOSES = word('LANE_CLOSES');
const HEAD = word('LANE_HEAD');
const TAIL = word('LANE_TAIL');

const DEATHS = word('LANE_DEATHS');

type Length = (this: Uint8Array) => number;
/** As the engine knows it: a class of the caller's may say what it likes. */
const lengthOf = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  'length',
)?.get as Length;

/** Below so many bytes a loop is faster than a call into the runtime. */
const SMALL = 96;

function copyIn(from: Uint8Array, length: number, to: Uint8Array, at: number): void {
  if (length > SMALL) {
    to.set(from, at);
    return;
  }
  for (let i = 0; i < length; i++) to[at + i] = from[i]!;
}

function copyOf(from: Uint8Array, at: number, length: number): Buffer {
  const copy = Buffer.allocUnsafe(length);
  if (length > SMALL) {
    copy.set(from.subarray(at, at + length));
    return copy;
  }
  for (let i = 0; i < length; i++) copy[i] = from[at + i]!;
  return copy;
}

/** Each end has an object of its own over a lane. */
export class Lane {
  readonly index: number;
  readonly room: Bell;
  /** Its bytes, from `opens()` or `begins()` on. */
  ring!: Buffer;
  #ringWords!: Int32Array;
  readonly #ringAt: number;
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #memory: Mapping;
  readonly #mask: number;
  #mutex: Mutex | undefined;
  /** What this end has written last, and what it has seen of the other's; they count bytes, modulo 2^32. */
  #head = 0;
  #tail = 0;
  /** Of the message that `peek()` found: bytes, and bytes that it takes in the ring, what is skipped included. */
  length = 0;
  size = 0;

  constructor(segment: Segment, index: number) {
    const { memory, capacity, lanes, words } = segment;
    this.index = index;
    this.#words = words;
    this.#at = word('AT_LANE') + index * word('LANE_BYTES');
    this.#memory = memory;
    this.#mask = capacity - 1;
    this.room = new Bell(words, this.#at + word('LANE_ROOM'));
    this.#ringAt = dataAt(lanes) + index * capacity;
  }

  get isAttached(): boolean {
    return this.ring !== undefined;
  }

  #attach(): void {
    const ring = this.#memory.view(Uint8Array, this.#ringAt, this.#mask + 1);
    this.ring = Buffer.from(ring.buffer, ring.byteOffset, ring.length);
    this.#ringWords = new Int32Array(ring.buffer, ring.byteOffset, ring.length / 4);
  }

  #load(field: number): number {
    return Atomics.load(this.#words, this.#at + field);
  }

  #add(field: number, count: number): void {
    Atomics.add(this.#words, this.#at + field, count);
  }

  get mutex(): Mutex {
    this.#mutex ??= new Mutex(this.#memory, this.#at * 4);
    return this.#mutex;
  }

  // --- the sender's end -----------------------------------------------------------------------------

  /** By somebody who lives or not. */
  get isHeld(): boolean {
    return (Atomics.load(this.#words, this.#at) & OWNER) !== 0;
  }

  /** Whether all that was sent has been received. */
  isEmpty(): boolean {
    return this.#load(TAIL) === this.#load(HEAD);
  }

  /** By who holds the Mutex. False: it is not empty after all. */
  opens(): boolean {
    this.#tail = this.#load(TAIL);
    this.#head = this.#load(HEAD);
    if (this.#tail !== this.#head || this.#tail % RECORD !== 0) return false;
    this.#attach();
    this.room.set(0);
    this.#add(OPENS, 1);
    return true;
  }

  closes(): void {
    this.#add(CLOSES, 1);
  }

  /** Publishes a message. False: no room. */
  put(message: Uint8Array): boolean {
    const capacity = this.#mask + 1;
    const length = lengthOf.call(message);
    const size = (length + 2 * RECORD - 1) & -RECORD;
    const place = this.#tail & this.#mask;
    const skip = size > capacity - place ? capacity - place : 0;
    const needed = size + skip;
    if (((this.#tail - this.#head) | 0) + needed > capacity) {
      const head = this.#load(HEAD);
      const used = (this.#tail - head) | 0;
      if (used < 0 || used > capacity) throw corrupt(`lane ${this.index} has a wrong HEAD`);
      this.#head = head;
      if (used + needed > capacity) return false;
    }
    const words = this.#ringWords;
    if (words.length === 0) throw closedError();
    let at = place;
    if (skip !== 0) {
      words[place >> 2] = SKIP;
      at = 0;
    }
    words[at >> 2] = length;
    words[(at >> 2) + 1] = 0;
    copyIn(message, length, this.ring, at + RECORD);
    this.#tail = (this.#tail + needed) | 0;
    Atomics.store(this.#words, this.#at + TAIL, this.#tail);
    return true;
  }

  /** Says once more what this end has said, should somebody have overwritten it: both ends would wait. */
  repeatTail(): void {
    if (this.#load(TAIL) !== this.#tail) Atomics.store(this.#words, this.#at + TAIL, this.#tail);
  }

  // --- the receiver's end ---------------------------------------------------------------------------

  /** Where a receiver before this one has left off. */
  begins(): void {
    this.#attach();
    this.#head = this.#load(HEAD);
    this.#tail = this.#head;
  }

  /**
   * Where in the ring the next message begins, and `length`; -1: there is none.
   * @throws ERR_CHANNEL_CORRUPT; what is in the lane is dropped then.
   */
  peek(): number {
    if (this.#head === this.#tail) {
      this.#tail = this.#load(TAIL);
      if (this.#head === this.#tail) return -1;
    }
    const capacity = this.#mask + 1;
    let used = (this.#tail - this.#head) | 0;
    if (used < 0 || used > capacity || ((used | this.#head) & (RECORD - 1)) !== 0)
      this.#drop('TAIL');
    if (this.#ringWords.length === 0) throw closedError();
    let at = this.#head & this.#mask;
    let skip = 0;
    let length = Atomics.load(this.#ringWords, at >> 2);
    if (length === SKIP && capacity - at < used) {
      skip = capacity - at;
      used -= skip;
      at = 0;
      length = Atomics.load(this.#ringWords, 0);
    }
    const size = (length + 2 * RECORD - 1) & -RECORD;
    if (length < 0 || length > capacity / 2 - RECORD || size > used || size > capacity - at) {
      this.#drop('LENGTH');
    }
    this.length = length;
    this.size = skip + size;
    return at + RECORD;
  }

  #drop(what: string): never {
    this.#head = this.#tail;
    Atomics.store(this.#words, this.#at + HEAD, this.#head);
    this.room.ring();
    throw corrupt(`lane ${this.index} has a wrong ${what}; what was in it is dropped`);
  }

  /** What `peek()` will find, or find wrong. */
  bytesThere(): number {
    const used = (this.#load(TAIL) - this.#head) | 0;
    return used < 0 ? this.#mask + 1 : Math.min(used, this.#mask + 1);
  }

  /** As `repeatTail()`. */
  repeatHead(): void {
    if (this.#load(HEAD) === this.#head) return;
    Atomics.store(this.#words, this.#at + HEAD, this.#head);
    this.room.ring();
  }

  /** The message that `peek()` found has been received. */
  consume(): void {
    this.#head = (this.#head + this.size) | 0;
    Atomics.store(this.#words, this.#at + HEAD, this.#head);
    // A sender that waits is worth waking when there is room for much.
    if (((this.#tail - this.#head) | 0) <= this.#mask >> 1) this.room.ring();
  }

  /** The message that `peek()` found at `at`, copied. */
  copyOut(at: number): Buffer {
    return copyOf(this.ring, at, this.length);
  }

  /** How many senders it has had; a receiver has nothing to wait for before the first. */
  get senders(): number {
    return this.#load(OPENS);
  }

  /**
   * Whether a sender holds it or messages are in it.
   * @param ask the kernel, whether the sender lives
   */
  isInUse(ask: boolean): boolean {
    // The messages last: one that has gone sends no more.
    const held = this.isHeld && !(ask && this.#isDead());
    return held || (this.senders !== 0 && !this.isEmpty());
  }

  #isDead(): boolean {
    const owner = ownerOf(this.mutex);
    return owner === Owner.NOBODY || owner === Owner.DEAD;
  }

  /** Senders that have died and whose messages are all received, and that nobody was told of. */
  takeDeaths(): number {
    // In this order: of a sender that comes or goes meanwhile too little is counted, and the rest next time.
    const opens = this.senders;
    if (opens === 0) return 0;
    const alive = !this.#isDead();
    const closes = this.#load(CLOSES);
    // The messages of those before the last one are received, or it would not have got their place.
    const last = alive || !this.isEmpty() ? 1 : 0;
    const deaths = (opens - closes - last - this.#load(DEATHS)) | 0;
    if (deaths <= 0) return 0;
    // A number from the segment is no reason to report for ever; the others next time.
    const told = Math.min(deaths, 16);
    this.#add(DEATHS, told);
    return told;
  }
}

/** @throws TypeError ERR_INVALID_ARG_TYPE, RangeError ERR_OUT_OF_RANGE */
export function checkMessage(message: unknown, max: number): asserts message is Uint8Array {
  if (!types.isUint8Array(message)) throw invalidType('message', 'a Uint8Array', message);
  const length = lengthOf.call(message);
  if (length > max) {
    throw outOfRange('message.length', `at most ${max}: the channel's maxMessage`, length);
  }
}
