// Messages that can be checked, the same in native/test/channel_peer.c: sender, sequence number, and bytes of
// a table that a seed gives. Their lengths are random too, and the receiver knows them.

import type { Buffer } from 'node:buffer';

/** Bytes of the sender's and the sequence number. A shorter message is of the lane's last sender. */
const HEADER = 8;
const MAX_SENDERS = 2048;
const MAX_LENGTH = 1 << 16;
const TABLE = 2 * MAX_LENGTH;
/** Most messages are at most so much longer than the shortest. */
const SHORT = 64;
/** Below so many bytes a loop is faster than a call into the runtime. */
const FEW = 48;

function mixed(x: number): number {
  let h = x;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

/** What a sender sends. */
export class Content {
  readonly min: number;
  readonly max: number;
  readonly seed: number;
  readonly #table = new Uint8Array(TABLE);

  constructor(seed: number, min: number, max: number) {
    if (!(min >= 0 && min <= max && max >= HEADER && max <= MAX_LENGTH)) {
      throw new Error(`no lengths: ${min} to ${max}`);
    }
    this.seed = seed;
    this.min = min;
    this.max = max;
    let x = seed | 1;
    for (let i = 0; i < TABLE; i++) {
      x ^= x << 13;
      x ^= x >>> 17;
      x ^= x << 5;
      this.#table[i] = x;
    }
  }

  /** What everything about one message is taken from. */
  hash(sender: number, sequence: number): number {
    return mixed(mixed(this.seed ^ sender) + sequence);
  }

  length(hash: number, sequence: number): number {
    const { min, max } = this;
    const span = max - min + 1;
    let length = min + ((hash >>> 4) % Math.min(span, SHORT));
    if ((hash & 15) === 0) length = min + ((hash >>> 4) % span);
    if ((hash & 127) === 1) length = max;
    // A receiver learns of a sender by its first message.
    return sequence === 0 && length < HEADER ? HEADER : length;
  }

  /** @returns the message, in `buffer` */
  message(buffer: Buffer, sender: number, sequence: number): Buffer {
    const hash = this.hash(sender, sequence);
    const length = this.length(hash, sequence);
    buffer.writeUInt32LE(sender, 0);
    buffer.writeUInt32LE(sequence, 4);
    const at = Math.imul(hash, 0x9e3779b1) >>> 16;
    if (length > HEADER) buffer.set(this.#table.subarray(at, at + length - HEADER), HEADER);
    return buffer.subarray(0, length);
  }

  /** Whether a message is that one. */
  is(message: Buffer, sender: number, sequence: number): boolean {
    const hash = this.hash(sender, sequence);
    const length = this.length(hash, sequence);
    if (message.length !== length) return false;
    if (length <= HEADER) return true;
    const table = this.#table;
    const at = (Math.imul(hash, 0x9e3779b1) >>> 16) - HEADER;
    if (length > FEW) return message.compare(table, at + HEADER, at + length, HEADER, length) === 0;
    let differ = 0;
    for (let i = HEADER; i < length; i++) differ |= message[i]! ^ table[at + i]!;
    return differ === 0;
  }

  /** Bytes of all that a sender sends. */
  total(sender: number, count: number): number {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += this.length(this.hash(sender, i), i);
    return sum;
  }
}

/** Checks what a receiver receives: whole, in order, once. */
export class Checker {
  messages = 0;
  bytes = 0;
  readonly #content: Content;
  /** By the sender's number: the sequence number that is to come. */
  readonly #next: Uint32Array;
  readonly #last: number[] = [];
  readonly #odd: ((sender: number, sequence: number, expected: number) => void) | undefined;

  /** @param odd is told of a sequence number that was not to come; without it that is an error */
  constructor(
    content: Content,
    next: Uint32Array = new Uint32Array(MAX_SENDERS),
    odd?: (sender: number, sequence: number, expected: number) => void,
  ) {
    this.#content = content;
    this.#next = next;
    this.#odd = odd;
  }

  get senders(): number {
    return this.#next.reduce((sum, next) => sum + (next > 0 ? 1 : 0), 0);
  }

  check(message: Buffer, lane = 0): void {
    const next = this.#next;
    const speaks = message.length >= HEADER;
    const sender = speaks ? message.readUInt32LE(0) : (this.#last[lane] ?? MAX_SENDERS);
    if (sender >= next.length) throw new Error(`a message of sender ${sender}`);
    const expected = next[sender]!;
    const sequence = speaks ? message.readUInt32LE(4) : expected;
    if (sequence !== expected) {
      if (this.#odd === undefined) {
        throw new Error(`sender ${sender}: message ${sequence}, not ${expected}`);
      }
      this.#odd(sender, sequence, expected);
    }
    if (!this.#content.is(message, sender, sequence)) {
      throw new Error(`sender ${sender}: message ${sequence} is not what was sent`);
    }
    this.#last[lane] = sender;
    this.messages++;
    this.bytes += message.length;
    next[sender] = sequence + 1;
  }
}

/**
 * A page of shared memory beside the channel, in which both sides count, so that what a killed one had done
 * is known to one message.
 */
export class Counts {
  static readonly BYTES = 64 + 4 * 4 * MAX_SENDERS;
  readonly words: Int32Array;
  /** By the sender's number: messages that it has begun to send, and has sent. */
  readonly begun: Int32Array;
  readonly sent: Int32Array;
  /** By the sender's number: the message that is to be received next. */
  readonly next: Uint32Array;
  /** By the sender's number: receivers that it was told have died. */
  readonly mourned: Int32Array;

  constructor(buffer: ArrayBufferLike, byteOffset = 0) {
    const part = (i: number) => byteOffset + 64 + 4 * MAX_SENDERS * i;
    this.words = new Int32Array(buffer, byteOffset, 16);
    this.begun = new Int32Array(buffer, part(0), MAX_SENDERS);
    this.sent = new Int32Array(buffer, part(1), MAX_SENDERS);
    this.next = new Uint32Array(buffer, part(2), MAX_SENDERS);
    this.mourned = new Int32Array(buffer, part(3), MAX_SENDERS);
  }

  /** Senders are to close. */
  get stop(): boolean {
    return Atomics.load(this.words, 0) !== 0;
  }

  stopAll(): void {
    Atomics.store(this.words, 0, 1);
  }

  /** Messages that receivers have missed, and had twice; and all that they had. */
  get missed(): number {
    return Atomics.load(this.words, 1);
  }

  get repeated(): number {
    return Atomics.load(this.words, 2);
  }

  get received(): number {
    return Atomics.load(this.words, 3);
  }

  /** For a Checker whose sequence numbers are those of the page. */
  odd = (_sender: number, sequence: number, expected: number): void => {
    const ahead = (sequence - expected) | 0;
    if (ahead > 0) Atomics.add(this.words, 1, ahead);
    else Atomics.add(this.words, 2, -ahead);
  };
}
