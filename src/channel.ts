// 'memmap/channel': messages in shared memory.

import { Lane } from './channel-lane.js';
import { failed, MAX_CAPACITY, MAX_LANES, MIN_CAPACITY } from './channel-layout.js';
import { LaneReceiver } from './channel-receiver.js';
import { Segment } from './channel-segment.js';
import { LaneSender } from './channel-sender.js';
import type { Receiver, Sender } from './channel-types.js';
import { closedError, invalidType, stateError } from './errors.js';
import { Mapping } from './mapping.js';
import type { SharedMemory } from './shared-memory.js';
import * as validate from './validate.js';

export type { Receiver, Sender };

const internal = Symbol('memmap.channel');

/**
 * Messages in shared memory: up to `producers` senders and one receiver, each in any process or thread, in C
 * too (native/include/memmap_channel.h). Each sender has a lane of its own, a ring; its messages arrive in
 * order, once, and whole. Nothing is promised about the order between senders.
 *
 * What a sender has sent stays in the memory until it is received, whoever dies meanwhile. A peer that
 * writes nonsense into the memory can spoil messages, and is answered by `ERR_CHANNEL_CORRUPT`; it cannot do
 * harm to the process.
 *
 * @example
 * const channel = Channel.create({ capacity: 1 << 20, producers: 4 });
 * fork('./worker.js', share({ results: channel.memory }));
 * for await (const message of channel.receiver()) console.log(message.toString());
 *
 * // worker.js
 * const sender = Channel.open(inherited('results')).sender();
 * await sender.send(Buffer.from('done'));
 * sender.close();
 */
export class Channel {
  /** Hand it over with `share()`. Its `unmap()` ends this process's part in the channel. */
  readonly memory: SharedMemory;
  /** The longest message, in bytes. */
  readonly maxMessage: number;
  readonly #segment: Segment;

  private constructor(key: symbol, segment: Segment) {
    if (key !== internal) throw invalidType('key', 'made by Channel.create() or open()', key);
    this.#segment = segment;
    this.memory = segment.memory;
    this.maxMessage = segment.maxMessage;
  }

  /**
   * A new channel, in new memory.
   *
   * @param options `capacity`: bytes for each producer, 64 to 2^30, made up to a power of two; a message has
   *   at most half of them, less 8. `producers`: senders at a time, 1 to 1024, default 1.
   * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`; what
   *   `SharedMemory.create()` throws.
   * @example
   * const channel = Channel.create({ capacity: 1 << 20, producers: 4 });
   */
  static create(options: { capacity: number; producers?: number }): Channel {
    const given = validate.options(options);
    const bytes = validate.integer('options.capacity', given.capacity, MIN_CAPACITY, MAX_CAPACITY);
    const lanes = validate.optionalInteger('options.producers', given.producers, 1, MAX_LANES) ?? 1;
    const capacity = 2 ** Math.ceil(Math.log2(bytes));
    return new Channel(internal, Segment.create(lanes, capacity));
  }

  /**
   * The channel in memory that somebody else made. In a worker a `Mapping.from()` will do as well.
   *
   * @throws TypeError `ERR_INVALID_ARG_TYPE`; Error `ERR_CHANNEL_CORRUPT`: no channel, or of another
   *   version, or one that would be larger than the memory; `ERR_MAPPING_ACCESS`: memory to read;
   *   `ERR_MAPPING_CLOSED`.
   * @example
   * const channel = Channel.open(inherited('results'));
   */
  static open(memory: SharedMemory): Channel {
    if (!(memory instanceof Mapping)) throw invalidType('memory', 'a SharedMemory', memory);
    if (memory.access !== 'write') {
      throw stateError('ERR_MAPPING_ACCESS', 'A channel is written to by both of its ends');
    }
    return new Channel(internal, new Segment(memory));
  }

  /**
   * Takes a free place. One whose sender has closed or died is free when its messages have been received.
   *
   * @throws Error `EBUSY`: there is none; `ERR_CHANNEL_CORRUPT`, `ERR_MAPPING_CLOSED`.
   * @example
   * using sender = channel.sender();
   */
  sender(): Sender {
    if (this.#segment.words.length === 0) throw closedError();
    // Of those that are held the kernel must be asked, one by one: last.
    const sender = this.#senderWhere(false) ?? this.#senderWhere(true);
    if (sender === undefined) throw failed('EBUSY', 'sender');
    return sender;
  }

  #senderWhere(isHeld: boolean): Sender | undefined {
    for (let index = 0; index < this.#segment.lanes; index++) {
      const lane = new Lane(this.#segment, index);
      if (lane.isHeld !== isHeld || !lane.isEmpty()) continue;
      const held = lane.mutex.tryLock();
      if (held === undefined) continue;
      if (lane.opens()) return new LaneSender(this.#segment, lane, held);
      held.unlock();
    }
    return undefined;
  }

  /**
   * The one receiver; one that died is replaced, and what it had not received is received now.
   *
   * @throws Error `EBUSY`: there is one that lives; `ERR_MAPPING_CLOSED`.
   * @example
   * using receiver = channel.receiver();
   */
  receiver(): Receiver {
    const held = this.#segment.receiverLock().tryLock();
    if (held === undefined) throw failed('EBUSY', 'receiver');
    return new LaneReceiver(this.#segment, held);
  }
}
