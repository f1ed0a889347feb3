// What both ends of a channel have in common.
import { EventEmitter } from 'node:events';
import { availableParallelism } from 'node:os';
import { closed } from './channel-layout.js';
import type { Segment } from './channel-segment.js';
import { closedError } from './errors.js';
import type { Held } from './mutex.js';
import type { Pending } from './waiting.js';

/**
 * Milliseconds for which an end looks again and again before it sleeps: when messages come fast, that is
 * cheaper than to be woken, and shorter than it takes to wake the other end. With one processor it would only
 * keep that one from running.
 */
export const LINGER: number = availableParallelism() > 1 ? 0.3 : 0;

/** Lets the event loop run once. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A process that ends in order closes its ends; one that dies is found dead. */
const open = new Set<End>();
let exiting = false;
/** So many of them are looked through; twice as many as were left keeps that cheap. */
let sweepAt = 64;
process.on('exit', (code) => {
  if (code !== 0) return;
  exiting = true;
  for (const end of open) {
    try {
      end.close();
    } catch {
      // Somebody has overwritten its lock. The others are closed all the same.
    }
  }
});

/** Those whose memory was unmapped have no place to give up. */
function sweep(): void {
  if (open.size < sweepAt) return;
  for (const end of open) {
    if (!end.isMapped) open.delete(end);
  }
  sweepAt = Math.max(64, 2 * open.size);
}

export abstract class End extends EventEmitter implements Disposable {
  protected readonly segment: Segment;
  readonly #held: Held;
  #open = true;
  /** While it sleeps. */
  protected wait: Pending | undefined;

  constructor(segment: Segment, held: Held) {
    super();
    this.segment = segment;
    this.#held = held;
    sweep();
    open.add(this);
  }

  get closed(): boolean {
    return !this.#open;
  }

  /** @internal */
  get isMapped(): boolean {
    return this.segment.words.length > 0;
  }

  /** Neither closed nor unmapped. */
  protected get usable(): boolean {
    return this.#open && this.isMapped;
  }

  protected check(): void {
    if (!this.#open) throw closed();
    if (!this.usable) throw closedError();
  }

  /** Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    open.delete(this);
    const mapped = this.isMapped;
    // Unmapped: the place was given up with the mapping.
    if (mapped) this.leaves();
    try {
      this.#held.unlock();
    } catch (error) {
      if (mapped) throw error;
    } finally {
      if (mapped) this.left();
      // Nothing is over for who waits when the process ends.
      if (!exiting) this.settle();
      this.wait?.wake();
    }
  }

  /** Says so in the memory, while it holds the place. */
  protected abstract leaves(): void;
  /** Wakes the other side. */
  protected abstract left(): void;
  /** Settles what is pending. */
  protected abstract settle(): void;

  [Symbol.dispose](): void {
    this.close();
  }
}
