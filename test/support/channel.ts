// What the tests of channels have in common: messages that are known by their bytes, and where the numbers
// lie in a channel's segment, in bytes (native/include/memmap_channel_layout.h). They are written down here
// once more, since other programs rely on them.
import { share } from 'memmap';
import type { Channel, Receiver, Sender } from 'memmap/channel';
import { Channel as Class } from 'memmap/channel';
import { expect, onTestFinished } from 'vitest';

export const AT = {
  magic: 0,
  version: 4,
  lanes: 8,
  capacity: 12,
  state: 16,
  receiver: 64,
  receiverOpens: 72,
  receiverClosed: 76,
  bell: 128,
  lane: 256,
} as const;
export const LANE_BYTES = 192;
export const LANE = {
  mutex: 0,
  opens: 8,
  closes: 12,
  tail: 16,
  head: 64,
  deaths: 68,
  room: 128,
} as const;
export const DATA = 4096;
/** Bytes before a message, and the multiple at which it begins. */
export const RECORD = 8;

/** Bytes that a message takes in the ring. */
export const taken = (length: number): number => Math.ceil((length + RECORD) / RECORD) * RECORD;

/** The number at so many bytes, which everybody may change. */
export class Words {
  readonly #words: Int32Array;

  constructor(channel: Channel) {
    this.#words = channel.memory.view(Int32Array, 0, Math.floor(channel.memory.length / 4));
  }

  get(at: number): number {
    return Atomics.load(this.#words, at / 4);
  }

  set(at: number, value: number): void {
    Atomics.store(this.#words, at / 4, value);
  }
}

/** One that is given back when the test is done. */
export function channel(capacity: number, producers = 1): Channel {
  const made = Class.create({ capacity, producers });
  onTestFinished(() => made.memory.unmap());
  return made;
}

export interface Ends {
  channel: Channel;
  sender: Sender;
  receiver: Receiver;
}

/** With an end each. */
export function ends(capacity: number): Ends {
  const made = channel(capacity);
  return { channel: made, sender: made.sender(), receiver: made.receiver() };
}

/** Bytes that differ from those of every other number, for some lengths at least. */
export function bytes(length: number, number = 0): Uint8Array {
  const made = new Uint8Array(length);
  for (let i = 0; i < length; i++) made[i] = (number * 31 + i * 7 + (i >> 8)) & 0xff;
  return made;
}

/** Sends until there is no room. How many. */
export function fill(sender: Sender, message: Uint8Array = new Uint8Array(8)): number {
  let count = 0;
  while (sender.trySend(message)) count++;
  expect(count).toBeGreaterThan(0);
  return count;
}

/** All that there are. */
export function takeAll(receiver: Receiver): Buffer[] {
  const all: Buffer[] = [];
  for (let next = receiver.tryReceive(); next !== undefined; next = receiver.tryReceive()) {
    all.push(next);
  }
  return all;
}

/** An error by its code, or undefined. */
export async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: { code?: unknown }) => error.code ?? error,
  );
}

/** What promises have come to so far. */
export function watch<T>(promise: Promise<T>): { done: boolean; value?: T; error?: unknown } {
  const state: { done: boolean; value?: T; error?: unknown } = { done: false };
  promise.then(
    (value) => Object.assign(state, { done: true, value }),
    (error: unknown) => Object.assign(state, { done: true, error }),
  );
  return state;
}

/** Options for a program that a channel is handed over to, as 'channel'. */
export function handing(made: Channel) {
  const { stdio, env } = share(
    { channel: made.memory },
    { stdio: ['pipe', 'pipe', 'pipe'] as unknown[], env: {} as Record<string, string> },
  );
  return { env, fds: stdio.slice(3) as number[] };
}
