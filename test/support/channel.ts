// What the tests of channels have in common: ends, and messages that are known by their bytes.
import { share } from 'memmap';
import type { Channel, Receiver, Sender } from 'memmap/channel';
import { Channel as Class } from 'memmap/channel';
import { expect, onTestFinished } from 'vitest';

export * from './channel-layout.js';

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

/** Messages that are some sender's, and the how-many-eth of it. */
export const numbered = (who: number, number: number, length: number): Uint8Array => {
  const message = bytes(8 + length, number);
  new DataView(message.buffer).setUint32(0, who);
  new DataView(message.buffer).setUint32(4, number);
  return message;
};
export const read = (message: Buffer) => ({
  who: message.readUInt32BE(0),
  number: message.readUInt32BE(4),
});
