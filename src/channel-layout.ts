// A channel's segment: what native/include/memmap_channel_layout.h says, with its diagram, for TypeScript.
import { constants } from 'node:os';
import { stateError, systemError } from './errors.js';
import { native } from './native.js';

/** By its name there, without MEMMAP_CHANNEL_. */
export const layout = (name: string): number => native.constants[`MEMMAP_CHANNEL_${name}`]!;
/** Bytes to elements of an Int32Array. */
export const word = (name: string): number => layout(name) / 4;

export const RECORD: number = layout('RECORD');
export const MAX_LANES: number = layout('MAX_LANES');
export const MIN_CAPACITY: number = layout('MIN_CAPACITY');
export const MAX_CAPACITY: number = layout('MAX_CAPACITY');
/** Milliseconds after which who sleeps looks at its peers. */
export const LOOK_UP: number = layout('LOOK_UP');

/** Where the data of the first lane begins, in bytes. */
export const dataAt = (lanes: number): number => {
  const unit = layout('DATA_UNIT');
  return Math.ceil((layout('AT_LANE') + lanes * layout('LANE_BYTES')) / unit) * unit;
};

/** Bytes of a segment. @param capacity a power of two */
export const segmentBytes = (lanes: number, capacity: number): number =>
  dataAt(lanes) + lanes * capacity;

export const corrupt = (what: string): Error =>
  stateError('ERR_CHANNEL_CORRUPT', `The channel's memory makes no sense: ${what}`);

export const closed = (): Error =>
  stateError('ERR_CHANNEL_CLOSED', 'This end of the channel has been closed');

export const failed = (code: 'EPIPE' | 'EBUSY', what: string): Error =>
  systemError(constants.errno[code], what);

/** A bell: who sleeps sets it to 1 and waits while it is; the other side looks at it after each change. */
export class Bell {
  readonly words: Int32Array;
  readonly index: number;

  constructor(words: Int32Array, index: number) {
    this.words = words;
    this.index = index;
  }

  set(value: 0 | 1): void {
    Atomics.store(this.words, this.index, value);
  }

  ring(): void {
    const { words, index } = this;
    if (Atomics.load(words, index) === 1 && Atomics.exchange(words, index, 0) === 1) {
      native.notify(words, index, 1);
    }
  }
}
