// The sending end of a channel.
import { Callers } from './callers.js';
import { End, LINGER, nextTurn } from './channel-end.js';
import { checkMessage, type Lane } from './channel-lane.js';
import { closed, failed, LOOK_UP } from './channel-layout.js';
import type { Segment } from './channel-segment.js';
import type { Sender } from './channel-types.js';
import { type Held, Owner, ownerOf } from './mutex.js';
import { native } from './native.js';
import * as validate from './validate.js';
import { Outcome, Pending } from './waiting.js';

export class LaneSender extends End implements Sender {
  readonly #lane: Lane;
  /** In the order of the calls; the first is the next to be sent. */
  readonly #queue = new Callers<Uint8Array, void>(() => this.wait?.wake());
  #pumping = false;
  /** Which receiver it was that died, so that each is told of once. */
  #mourned = 0;

  /** @param held the lane's place */
  constructor(segment: Segment, lane: Lane, held: Held) {
    super(segment, held);
    this.#lane = lane;
  }

  #checkMessage(message: unknown): void {
    this.check();
    checkMessage(message, this.segment.maxMessage);
  }

  #put(message: Uint8Array): boolean {
    if (this.segment.receiverHasClosed()) throw failed('EPIPE', 'send');
    if (!this.#lane.put(message)) return false;
    this.segment.bell.ring();
    return true;
  }

  trySend(message: Uint8Array): boolean {
    this.#checkMessage(message);
    return this.#queue.length === 0 && this.#put(message);
  }

  async send(message: Uint8Array, options?: { signal?: AbortSignal }): Promise<void> {
    const signal = validate.signal('options.signal', validate.options(options).signal);
    this.#checkMessage(message);
    signal?.throwIfAborted();
    if (this.#queue.length === 0 && this.#put(message)) return;
    const sent = this.#queue.wait(message, signal);
    void this.#pump();
    await sent;
  }

  /** Sends what waits. False: there is no room for all. */
  #flush(): boolean {
    for (let first = this.#queue.first; first !== undefined; first = this.#queue.first) {
      if (!this.#isGood(first)) continue;
      if (!this.#put(first)) return false;
      this.#queue.next();
    }
    return true;
  }

  /** Its buffer may have been resized while it waited. */
  #isGood(first: Uint8Array): boolean {
    try {
      checkMessage(first, this.segment.maxMessage);
      return true;
    } catch (error) {
      this.#queue.refuse(error);
      return false;
    }
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    const { room } = this.#lane;
    let since = performance.now();
    try {
      while (!this.closed) {
        this.check();
        if (this.#flush()) break;
        if (performance.now() - since < LINGER) {
          await nextTurn();
          continue;
        }
        room.set(1);
        // Room may have come before the bell was set.
        if (this.#flush()) break;
        const id = native.startWait(room.words, room.index, 1, LOOK_UP);
        if (id === 0) continue;
        this.wait = new Pending(id);
        if ((await this.wait.outcome) === Outcome.TIMED_OUT) this.#look();
        else since = performance.now();
      }
    } catch (error) {
      this.#queue.rejectAll(error);
    } finally {
      this.#pumping = false;
      this.wait = undefined;
      if (room.words.length > 0) room.set(0);
    }
  }

  #look(): void {
    if (!this.usable) return;
    this.#lane.repeatTail();
    const { segment } = this;
    const which = segment.receivers();
    if (which === this.#mourned) return;
    const owner = ownerOf(segment.receiverLock());
    if (owner !== Owner.DEAD && owner !== Owner.NOBODY) return;
    // It may have closed since, and another one have opened.
    if (segment.receiverHasClosed() || segment.receivers() !== which) return;
    this.#mourned = which;
    this.emit('receiverDied');
  }

  sendSync(message: Uint8Array, timeout?: number): boolean {
    const span = validate.milliseconds('timeout', timeout);
    this.#checkMessage(message);
    const { room } = this.#lane;
    const sent = (): boolean => this.#flush() && this.#put(message);
    let since = performance.now();
    const end = since + span;
    while (!sent()) {
      const now = performance.now();
      const rest = end - now;
      if (rest <= 0) return false;
      if (now - since < LINGER) continue;
      room.set(1);
      if (sent()) break;
      const outcome = native.wait(room.words, room.index, 1, Math.min(rest, LOOK_UP));
      if (outcome === Outcome.TIMED_OUT) this.#look();
      else since = performance.now();
      this.#checkMessage(message);
    }
    return true;
  }

  protected leaves(): void {
    this.#lane.closes();
  }

  protected left(): void {
    this.segment.bell.ring();
  }

  protected settle(): void {
    this.#queue.rejectAll(closed());
  }
}
