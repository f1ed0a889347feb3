// What wait(), waitAsync() and the Mutex have in common: how the add-on's waits come back as promises.
import { isMainThread } from 'node:worker_threads';
import { nativeError } from './errors.js';
import { native } from './native.js';

/** `Outcome` of native/core/futex.h, in its order. */
export enum Outcome {
  OK,
  NOT_EQUAL,
  TIMED_OUT,
  CLOSED,
  FAULT,
}

/** `Reason` of native/core/result.h. */
const REASON: { readonly [outcome: number]: number } = { [Outcome.CLOSED]: 2, [Outcome.FAULT]: 4 };

/**
 * Milliseconds. A worker that is blocked in the kernel cannot be ended, so there a wait comes back to
 * JavaScript from time to time, where it can. Elsewhere it need not.
 */
const SLICE = isMainThread ? Number.POSITIVE_INFINITY : 100;

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

/** A wait that was begun and has not come back. */
export interface Pending {
  /** `CLOSED` and `FAULT` are rejections; so is the signal's reason. */
  readonly outcome: Promise<Outcome>;
  /** Ends it as if it had been woken. */
  wake(): void;
}

/** @param id of a wait of the add-on's */
export function pending(id: number, signal?: AbortSignal): Pending {
  let wake!: () => void;
  const outcome = new Promise<Outcome>((resolve, reject) => {
    const abort = (): void => {
      // Not when it has been woken: then somebody counts on it.
      if (native.cancelWait(id)) end(() => reject(signal?.reason));
    };
    const end = (settle: () => void): void => {
      settlers.delete(id);
      signal?.removeEventListener('abort', abort);
      settle();
    };
    settlers.set(id, (how) =>
      end(() => {
        const reason = REASON[how];
        if (reason === undefined) resolve(how);
        else reject(nativeError(reason, 0, '', ''));
      }),
    );
    wake = () => {
      if (native.cancelWait(id)) end(() => resolve(Outcome.OK));
    };
    signal?.addEventListener('abort', abort);
  });
  return { outcome, wake };
}
