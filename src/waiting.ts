// What wait(), waitAsync() and the Mutex have in common: how the add-on's waits come back as promises.
import { native } from './native.js';
import { threads } from './threads.js';

/** `Outcome` of native/core/futex.h, in its order. */
export enum Outcome {
  OK,
  NOT_EQUAL,
  TIMED_OUT,
  CLOSED,
  FAULT,
}

/**
 * Milliseconds. A worker that is blocked in the kernel cannot be ended, so there a wait comes back to
 * JavaScript from time to time, where it can. Elsewhere it need not.
 */
const SLICE = threads().isMainThread ? Number.POSITIVE_INFINITY : 100;

/** The add-on's way to say "for ever". */
export const toNative = (milliseconds: number): number =>
  milliseconds === Number.POSITIVE_INFINITY ? -1 : milliseconds;

/**
 * Repeats a blocking call until it gives something else than `timedOut`, or the time is over.
 * @param call is given milliseconds for the add-on, and whether it was called before
 */
export function inSlices(
  timeout: number,
  timedOut: number,
  call: (milliseconds: number, again: boolean) => number,
): number {
  if (timeout <= SLICE) return call(toNative(timeout), false);
  const end = performance.now() + timeout;
  for (let again = false; ; again = true) {
    const rest = end - performance.now();
    const result = call(Math.max(0, Math.min(rest, SLICE)), again);
    if (result !== timedOut || rest <= SLICE) return result;
  }
}

const settlers = new Map<number, (outcome: Outcome) => void>();

native.listenForWaits((id, outcome) => {
  const settle = settlers.get(id);
  settlers.delete(id);
  settle?.(outcome);
});

/** Waits that keep the process alive. */
let refs = 0;

function ref(on: boolean): void {
  refs += on ? 1 : -1;
  if (refs === (on ? 1 : 0)) native.refWaits(on);
}

/** A wait that was begun and has not come back. */
export class Pending {
  /** Rejects with the signal's reason. */
  readonly outcome: Promise<Outcome>;
  /** Ends it as if it had been woken. */
  readonly wake: () => void;
  #ref: boolean;
  #ended = false;

  /** @param id of a wait of the add-on's; @param keeps the process alive, as a timer does */
  constructor(id: number, signal?: AbortSignal, keeps = true) {
    this.#ref = keeps;
    if (keeps) ref(true);
    let wake!: () => void;
    this.outcome = new Promise((resolve, reject) => {
      const end = (): void => {
        settlers.delete(id);
        signal?.removeEventListener('abort', abort);
        this.ref(false);
        this.#ended = true;
      };
      // Nothing when it has been woken: then somebody counts on it.
      const cancelled = (then: () => void): void => {
        if (!native.cancelWait(id)) return;
        end();
        then();
      };
      const abort = (): void => cancelled(() => reject(signal?.reason));
      wake = () => cancelled(() => resolve(Outcome.OK));
      settlers.set(id, (outcome) => {
        end();
        resolve(outcome);
      });
      signal?.addEventListener('abort', abort);
    });
    this.wake = wake;
  }

  ref(on: boolean): void {
    if (this.#ended || this.#ref === on) return;
    this.#ref = on;
    ref(on);
  }
}
