// The receiving end of a channel.
import type { Buffer } from 'node:buffer';
import { Callers } from './callers.js';
import { End, LINGER, nextTurn } from './channel-end.js';
import { Lane } from './channel-lane.js';
import { LOOK_UP } from './channel-layout.js';
import type { Segment } from './channel-segment.js';
import type { Receiver } from './channel-types.js';
import { invalidType, stateError } from './errors.js';
import type { Held } from './mutex.js';
import { native } from './native.js';
import * as validate from './validate.js';
import { Outcome, Pending } from './waiting.js';

/** What a lane may take at its turn: messages, and a page of bytes counts as one more. */
const QUOTA = 64;
/** So many of them since it looked in vain are worth looking again before it sleeps. */
const BURST = 8;
/** After so many messages, or milliseconds, a consumer that never has to wait lets others run. */
const MESSAGES_A_TURN = 1024;
const TURN = 2;

/** What a caller waits for. */
enum Want {
  MESSAGE,
  READY,
}

export class LaneReceiver extends End implements Receiver {
  readonly #lanes: readonly Lane[];
  /** Those that have had a sender. */
  readonly #used: Lane[] = [];
  #unused: readonly Lane[];
  #turn = 0;
  #quota = QUOTA;
  #lane!: Lane;
  readonly #callers = new Callers<Want, Buffer | boolean | undefined>(() => this.wait?.wake());
  #listening = false;
  #draining = false;
  #ref = true;
  #looked = 0;
  #calls = 0;
  #inTurn = 0;
  #turnBegan = 0;
  #turnIsOver = false;
  /** Since it has looked in vain. */
  #received = 0;

  constructor(segment: Segment, held: Held) {
    super(segment, held);
    segment.receiverOpens();
    this.#lanes = Array.from({ length: segment.lanes }, (_, index) => new Lane(segment, index));
    this.#unused = this.#lanes;
  }

  protected override check(): void {
    super.check();
    if (this.#draining) {
      throw stateError('ERR_INVALID_STATE', 'The receiver is inside the callback of drain()');
    }
  }

  // --- messages, as they are there ------------------------------------------------------------------

  #findUsed(): void {
    if (this.#unused.length === 0) return;
    const found = this.#unused.filter((lane) => lane.senders !== 0);
    if (found.length === 0) return;
    for (const lane of found) lane.begins();
    this.#used.push(...found);
    this.#unused = this.#unused.filter((lane) => !lane.isAttached);
  }

  /** Where in `#lane` the next message begins; -1: there is none. */
  #next(): number {
    const used = this.#used;
    for (let i = 0; i <= used.length; i++) {
      const lane = used[this.#turn];
      if (lane !== undefined && this.#quota > 0) {
        const at = lane.peek();
        if (at >= 0) {
          this.#quota -= 1 + (lane.length >> 12);
          this.#lane = lane;
          this.#received += 1 + (lane.length >> 12);
          return at;
        }
      }
      this.#quota = QUOTA;
      this.#turn++;
      if (this.#turn < used.length) continue;
      // With those that are new: the others have been looked at, or are next.
      const known = used.length;
      this.#findUsed();
      this.#turn = known < used.length ? known : 0;
    }
    return -1;
  }

  #bytesThere(): number {
    this.#findUsed();
    return this.#used.reduce((sum, lane) => sum + lane.bytesThere(), 0);
  }

  #take(): Buffer | undefined {
    const at = this.#next();
    if (at < 0) return undefined;
    const message = this.#lane.copyOut(at);
    this.#lane.consume();
    return message;
  }

  tryReceive(): Buffer | undefined {
    this.#begin();
    const message = this.#take();
    if (message === undefined && this.#isTimeToLook()) this.#look();
    return message;
  }

  drain(each: (message: Buffer, sender: number) => void, limit?: number): number {
    this.#begin();
    if (typeof each !== 'function') throw invalidType('each', 'a function', each);
    const all = limit === undefined || limit === Number.POSITIVE_INFINITY;
    let left = all ? Number.POSITIVE_INFINITY : validate.integer('limit', limit);
    let bytes = all ? this.#bytesThere() : Number.POSITIVE_INFINITY;
    let count = 0;
    this.#draining = true;
    try {
      for (; left > 0 && bytes > 0 && this.usable; left--, count++) {
        const at = this.#next();
        if (at < 0) break;
        const lane = this.#lane;
        try {
          each(lane.ring.subarray(at, at + lane.length), lane.index);
        } finally {
          bytes -= lane.size;
          if (this.usable) lane.consume();
        }
      }
    } finally {
      this.#draining = false;
    }
    if (count === 0 && this.#isTimeToLook()) this.#look();
    return count;
  }

  // --- the senders ----------------------------------------------------------------------------------

  /** Checks, and looks at the senders now and then also while there are always messages. */
  #begin(): void {
    this.check();
    if ((++this.#calls & 31) !== 0 || !this.#isTimeToLook()) return;
    this.#look();
    this.check();
  }

  #isTimeToLook(): boolean {
    return performance.now() - this.#looked > LOOK_UP;
  }

  /** Tells of senders that have died. */
  #look(): void {
    this.#looked = performance.now();
    this.#findUsed();
    const died: number[] = [];
    for (const lane of this.#used) {
      lane.repeatHead();
      for (let deaths = lane.takeDeaths(); deaths > 0; deaths--) died.push(lane.index);
    }
    // Last: a listener may do anything.
    for (const index of died) this.emit('senderDied', index);
  }

  /** How many there have been. */
  #senders(): number {
    return this.#lanes.reduce((sum, lane) => (sum + lane.senders) | 0, 0);
  }

  /** Whether there were senders, and are none. @param ask the kernel, whether they live */
  #isOver(ask: boolean): boolean {
    const before = this.#senders();
    if (before === 0 || this.#lanes.some((lane) => lane.isInUse(ask))) return false;
    // One may have come to a lane that had been looked at, before the one in the next lane went.
    return this.#senders() === before;
  }

  // --- waiting --------------------------------------------------------------------------------------

  /** The next message if it is there and this turn of the event loop not over. */
  #takeInTurn(): Buffer | undefined {
    if (this.#callers.length > 0 || this.#isTurnOver()) return undefined;
    return this.#take();
  }

  /** Whether it is, one message later. */
  #isTurnOver(): boolean {
    // The clock is not asked for each.
    if ((++this.#inTurn & 7) === 0) {
      const isLong = this.#inTurn >= MESSAGES_A_TURN;
      this.#turnIsOver ||= isLong || performance.now() - this.#turnBegan > TURN;
    }
    return this.#turnIsOver;
  }

  #beginTurn(): void {
    this.#turnIsOver = false;
    this.#inTurn = 0;
    this.#turnBegan = performance.now();
    // Who never has to wait is told of the dead here.
    if (this.usable && this.#isTimeToLook()) this.#look();
  }

  async receive(options?: { signal?: AbortSignal }): Promise<Buffer | undefined> {
    const signal = validate.signal('options.signal', validate.options(options).signal);
    this.check();
    signal?.throwIfAborted();
    return this.#takeInTurn() ?? (await this.#waitForMessage(signal));
  }

  async ready(options?: { signal?: AbortSignal }): Promise<boolean> {
    const signal = validate.signal('options.signal', validate.options(options).signal);
    this.check();
    signal?.throwIfAborted();
    // What was drained since the last call may have taken long.
    this.#inTurn |= 7;
    if (this.#callers.length === 0 && !this.#isTurnOver()) {
      if (this.#next() >= 0) return true;
      // As in #listen(), without its promises: this is the way of who receives most.
      const isBurst = this.#received >= BURST;
      for (const since = performance.now(); isBurst && performance.now() - since < LINGER; ) {
        await nextTurn();
        this.#beginTurn();
        signal?.throwIfAborted();
        if (this.closed) return false;
        this.check();
        if (this.#callers.length > 0) break;
        if (this.#next() >= 0) return true;
        this.#received = 0;
      }
    }
    return (await this.#wait(Want.READY, signal)) === true;
  }

  #wait(want: Want, signal?: AbortSignal): Promise<Buffer | boolean | undefined> {
    const result = this.#callers.wait(want, signal);
    void this.#listen();
    return result;
  }

  async #waitForMessage(signal?: AbortSignal): Promise<Buffer | undefined> {
    return (await this.#wait(Want.MESSAGE, signal)) as Buffer | undefined;
  }

  /** Gives messages to those that wait. False: there was none. */
  #serve(): boolean {
    let any = false;
    while (this.#callers.length > 0) {
      const isReady = this.#callers.first === Want.READY;
      const given = isReady ? this.#next() >= 0 || undefined : this.#take();
      if (given === undefined) break;
      any = true;
      this.#callers.next(given);
    }
    return any;
  }

  async #listen(): Promise<void> {
    if (this.#listening) return;
    this.#listening = true;
    const { bell } = this.segment;
    let late = false;
    let since = 0;
    try {
      while (this.#callers.length > 0 && !this.closed) {
        this.check();
        if (this.#isTurnOver()) {
          await nextTurn();
          this.#beginTurn();
          continue;
        }
        if (this.#serve()) continue;
        const now = performance.now();
        if (this.#received >= BURST) since = now;
        this.#received = 0;
        if (now - since < LINGER) {
          await nextTurn();
          this.#beginTurn();
          continue;
        }
        bell.set(1);
        // A message, or an end, may have come before the bell was set.
        if (this.#serve()) continue;
        if (this.#isOver(late)) {
          this.#look();
          this.#callers.resolveAll(undefined);
          break;
        }
        const id = native.startWait(bell.words, bell.index, 1, LOOK_UP);
        if (id === 0) continue;
        this.wait = new Pending(id, undefined, this.#ref);
        late = (await this.wait.outcome) === Outcome.TIMED_OUT;
        this.#beginTurn();
        if (late && this.usable) this.#look();
      }
    } catch (error) {
      this.#callers.rejectAll(error);
    } finally {
      this.#listening = false;
      this.wait = undefined;
      if (bell.words.length > 0) bell.set(0);
    }
  }

  receiveSync(timeout?: number): Buffer | undefined {
    const span = validate.milliseconds('timeout', timeout);
    const { bell } = this.segment;
    let since = performance.now();
    const end = since + span;
    for (let late = false; ; ) {
      this.#begin();
      let message = this.#take();
      if (message !== undefined) return message;
      const now = performance.now();
      if (now - since < LINGER && now < end) continue;
      bell.set(1);
      message = this.#take();
      const rest = end - performance.now();
      if (message !== undefined || this.#isOver(late) || rest <= 0) {
        bell.set(0);
        if (message === undefined) this.#look();
        return message;
      }
      late = native.wait(bell.words, bell.index, 1, Math.min(rest, LOOK_UP)) === Outcome.TIMED_OUT;
      if (late) this.#look();
      else since = performance.now();
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<Buffer> {
    const next = async (): Promise<IteratorResult<Buffer>> => {
      if (this.closed) return { done: true, value: undefined };
      this.check();
      const value = this.#takeInTurn() ?? (await this.#waitForMessage());
      return value === undefined ? { done: true, value } : { done: false, value };
    };
    return { next, return: async () => ({ done: true, value: undefined }) };
  }

  ref(): this {
    this.#ref = true;
    this.wait?.ref(true);
    return this;
  }

  unref(): this {
    this.#ref = false;
    this.wait?.ref(false);
    return this;
  }

  // --- the end --------------------------------------------------------------------------------------

  protected leaves(): void {
    // The message of a drain() that is under way has been received: the next receiver begins after it.
    if (this.#draining) this.#lane.consume();
    this.segment.receiverCloses();
  }

  protected left(): void {
    for (const lane of this.#lanes) lane.room.ring();
  }

  protected settle(): void {
    this.#callers.resolveAll(undefined);
  }
}
