// A channel's segment, as one end sees it. Nothing that is read from it is believed before it was compared
// with its bounds.
import {
  Bell,
  corrupt,
  dataAt,
  layout,
  MAX_CAPACITY,
  MAX_LANES,
  MIN_CAPACITY,
  RECORD,
  segmentBytes,
  word,
} from './channel-layout.js';
import type { Mapping } from './mapping.js';
import { Mutex } from './mutex.js';
import { SharedMemory } from './shared-memory.js';

const VERSION = layout('VERSION');
const READY = layout('READY');
const BELL = word('AT_BELL');
const RECEIVER_OPENS = word('AT_RECEIVER_OPENS');
const RECEIVER_CLOSED = word('AT_RECEIVER_CLOSED');

/** The whole segment, as one end sees it. */
export class Segment {
  readonly memory: SharedMemory;
  /** Everything before the lanes' data. Empty once the memory is unmapped. */
  readonly words: Int32Array;
  readonly lanes: number;
  /** Bytes of a lane. */
  readonly capacity: number;
  readonly bell: Bell;

  /** @throws ERR_CHANNEL_CORRUPT */
  constructor(memory: Mapping) {
    this.memory = memory as SharedMemory;
    if (memory.length < dataAt(1)) throw corrupt('it is too short for a channel');
    const head = memory.view(Int32Array, 0, dataAt(1) / 4);
    if (
      Atomics.load(head, word('AT_STATE')) !== READY ||
      head[word('AT_MAGIC')] !== layout('MAGIC')
    ) {
      throw corrupt('there is no channel in it');
    }
    if (head[word('AT_VERSION')] !== VERSION) {
      throw corrupt(`version ${head[word('AT_VERSION')]}, this is ${VERSION}`);
    }
    const lanes = head[word('AT_LANES')]!;
    const capacity = head[word('AT_CAPACITY')]!;
    const isPower = (capacity & (capacity - 1)) === 0;
    if (!(lanes >= 1 && lanes <= MAX_LANES)) throw corrupt(`${lanes} lanes`);
    if (!(capacity >= MIN_CAPACITY && capacity <= MAX_CAPACITY && isPower)) {
      throw corrupt(`lanes of ${capacity} bytes`);
    }
    if (segmentBytes(lanes, capacity) > memory.length) {
      throw corrupt(`${lanes} lanes of ${capacity} bytes in ${memory.length} bytes`);
    }
    this.lanes = lanes;
    this.capacity = capacity;
    this.words = memory.view(Int32Array, 0, dataAt(lanes) / 4);
    this.bell = new Bell(this.words, BELL);
  }

  static create(lanes: number, capacity: number): Segment {
    const memory = SharedMemory.create(segmentBytes(lanes, capacity), { name: 'memmap-channel' });
    const head = memory.view(Int32Array, 0, dataAt(1) / 4);
    head[word('AT_MAGIC')] = layout('MAGIC');
    head[word('AT_VERSION')] = VERSION;
    head[word('AT_LANES')] = lanes;
    head[word('AT_CAPACITY')] = capacity;
    Atomics.store(head, word('AT_STATE'), READY);
    return new Segment(memory);
  }

  /** Bytes of the longest message. */
  get maxMessage(): number {
    return this.capacity / 2 - RECORD;
  }

  receiverLock(): Mutex {
    return new Mutex(this.memory, layout('AT_RECEIVER'));
  }

  receiverOpens(): void {
    this.bell.set(0);
    Atomics.add(this.words, RECEIVER_OPENS, 1);
  }

  receiverCloses(): void {
    Atomics.store(this.words, RECEIVER_CLOSED, Atomics.load(this.words, RECEIVER_OPENS));
  }

  /** How many receivers there have been. */
  receivers(): number {
    return Atomics.load(this.words, RECEIVER_OPENS);
  }

  receiverHasClosed(): boolean {
    const opens = Atomics.load(this.words, RECEIVER_OPENS);
    return opens !== 0 && opens === Atomics.load(this.words, RECEIVER_CLOSED);
  }
}
