// Ends of a channel that are started to be killed: in processes, in C and in workers.

import { Worker } from 'node:worker_threads';
import { SharedMemory } from 'memmap';
import { Channel, type Receiver } from 'memmap/channel';
import { Content, Counts } from './channel-content.js';
import { native, program, start } from './program.js';

export type Kind = 'C' | 'process' | 'worker';

/** Small: senders wait for room most of the time. */
const CAPACITY = 512;
/** Never: what is waited for has a watchdog of its own. */
const LONGEST = 2 ** 31 - 1;

// Words of native/include/memmap_channel_layout.h.
const LANE = 256 / 4;
const LANE_WORDS = 192 / 4;
const OPENS = 2;
const CLOSES = 3;
const HEAD = 16;
const ROOM = 32;
const SKIP = -1;

/** A program that was started. */
export interface End {
  kind: Kind;
  /** Its number, of a sender. */
  number: number;
  /** Ends it by SIGKILL or terminate(). Rejects if it had ended by itself. */
  kill(): Promise<void>;
  /** How it ended; rejects if that was badly. */
  ended: Promise<unknown>;
}

/** A channel, the page beside it, and what is sent. */
export class Rig {
  readonly channel: Channel;
  readonly page: SharedMemory = SharedMemory.create(Counts.BYTES);
  readonly counts: Counts = new Counts(this.page.buffer);
  readonly content: Content;
  readonly #words: Int32Array;
  readonly #lanes: number;
  readonly #seed: number;

  constructor(lanes: number, seed: number) {
    this.channel = Channel.create({ capacity: CAPACITY, producers: lanes });
    this.content = new Content(seed, 8, this.channel.maxMessage);
    const { memory } = this.channel;
    this.#words = memory.view(Int32Array, 0, Math.floor(memory.length / 4));
    this.#lanes = lanes;
    this.#seed = seed;
  }

  sender(kind: Kind, number: number, how = 'sync'): End {
    return this.#start(kind, number, ['send', number, 0], how);
  }

  receiver(kind: Kind, how: string): End {
    return this.#start(kind, -1, ['receive'], how);
  }

  #start(kind: Kind, number: number, words: (string | number)[], how: string): End {
    const { min, max } = this.content;
    const [what, ...rest] = [...words, this.#seed, min, max].map(String);
    const args = [what!, '3', ...rest, '4', ...(kind === 'C' ? [] : [how])];
    if (kind === 'worker') return this.#worker(number, args);
    const path = kind === 'C' ? native('channel_peer') : program('channel-peer');
    const one = start(path, args, {
      fds: [this.channel.memory.fd, this.page.fd],
      watchdog: LONGEST,
    });
    const wrong = (how: string, stderr: string) =>
      new Error(`${kind} ${args.join(' ')}: ended with ${how}\n${stderr}`);
    return {
      kind,
      number,
      ended: one.ended.then(({ code, signal, stderr }) => {
        if (code !== 0) throw wrong(`${signal ?? code}`, stderr);
      }),
      kill: async () => {
        const { code, signal, stderr } = await one.kill();
        if (signal !== 'SIGKILL' || stderr !== '') throw wrong(`${signal ?? code}`, stderr);
      },
    };
  }

  #worker(number: number, argv: string[]): End {
    const workerData = {
      channel: this.channel.memory.sharedBuffer,
      counts: this.page.sharedBuffer,
    };
    const worker = new Worker(program('channel-peer'), { argv, workerData });
    let over = false;
    const ended = new Promise<void>((resolve, reject) => {
      worker.once('error', reject).once('exit', (code) => {
        over = true;
        if (code === 0) resolve();
        else reject(new Error(`a worker ended with ${code}`));
      });
    });
    const kill = async () => {
      if (over) throw new Error('a worker had ended before');
      await worker.terminate();
    };
    return { kind: 'worker', number, ended, kill };
  }

  #sum(field: number): number {
    let sum = 0;
    for (let lane = 0; lane < this.#lanes; lane++) sum += this.#lane(lane, field);
    return sum;
  }

  #lane(lane: number, field: number): number {
    return Atomics.load(this.#words, LANE + lane * LANE_WORDS + field);
  }

  /** Senders that there have been, and those of them that closed. */
  get opens(): number {
    return this.#sum(OPENS);
  }

  get closes(): number {
    return this.#sum(CLOSES);
  }

  /** Whether a sender sleeps until there is room; of one whose messages are the first in its lane. */
  sleeps(number: number): boolean {
    for (let lane = 0; lane < this.#lanes; lane++) {
      const ring = (4096 + lane * CAPACITY) / 4;
      let at = ring + (this.#lane(lane, HEAD) & (CAPACITY - 1)) / 4;
      if (this.#words[at] === SKIP) at = ring;
      if (this.#words[at + 2] === number) return this.#lane(lane, ROOM) === 1;
    }
    return false;
  }

  unmap(): void {
    this.channel.memory.unmap();
    this.page.unmap();
  }
}

/** Some messages, in one way or another; none if there are none. */
export type Way = (
  receiver: Receiver,
  each: (message: Buffer, lane?: number) => void,
) => Promise<void> | void;

export const WAYS: readonly Way[] = [
  (receiver, each) => {
    receiver.drain(each, 64);
  },
  (receiver, each) => {
    for (let i = 0; i < 64; i++) {
      const message = receiver.tryReceive();
      if (message === undefined) return;
      each(message);
    }
  },
  (receiver, each) => {
    const message = receiver.receiveSync(1);
    if (message !== undefined) each(message);
  },
  async (receiver, each) => {
    for (let i = 0; i < 16; i++) {
      const message = await receiver.receive();
      if (message === undefined) return;
      each(message);
    }
  },
];

/** Numbers from a seed. */
export function randomOf(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}
