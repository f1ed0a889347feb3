// 'memmap/sync': waiting, waking and locking in shared memory, across processes.
import { types } from 'node:util';
import { closedError, invalidType, nativeError, withFaultsOf } from './errors.js';
import { native } from './native.js';
import * as validate from './validate.js';
import { isDetached } from './views.js';
import { inSlices, Outcome, Pending, toNative } from './waiting.js';

export { type Held, Mutex } from './mutex.js';

/** Elements of 32 bits over a shared mapping: of its `buffer`, a `view()`, or its `sharedBuffer`. */
export type Cell = Int32Array | Uint32Array;

/** How a wait ended: `'ok'` it was woken, or for no reason; `'not-equal'` it never slept. */
export type WaitResult = 'ok' | 'not-equal' | 'timed-out';
const RESULTS: { readonly [outcome: number]: WaitResult } = {
  [Outcome.OK]: 'ok',
  [Outcome.NOT_EQUAL]: 'not-equal',
  [Outcome.TIMED_OUT]: 'timed-out',
};
/** `Reason` of native/core/result.h. */
const REASONS: { readonly [outcome: number]: number } = { [Outcome.CLOSED]: 2, [Outcome.FAULT]: 4 };

function resultOf(outcome: Outcome): WaitResult {
  const result = RESULTS[outcome];
  if (result === undefined) throw nativeError(REASONS[outcome]!, 0, '', '');
  return result;
}

/** Calls the add-on. An `ERR_MAPPING_FAULT` says which faults there were in the memory under the cell. */
function on<T>(cell: Cell, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw withFaultsOf(error, () => native.faultsOf(cell));
  }
}

function checkCell(cell: unknown, index: unknown): asserts cell is Cell {
  if (!types.isInt32Array(cell) && !types.isUint32Array(cell)) {
    throw invalidType('cell', 'an Int32Array or a Uint32Array', cell);
  }
  if (cell.length === 0 && isDetached(cell.buffer)) throw closedError();
  validate.integer('index', index, 0, cell.length - 1);
}

function checkValue(cell: Cell, value: unknown): void {
  if (types.isInt32Array(cell)) validate.integer('value', value, -0x8000_0000, 0x7fff_ffff);
  else validate.integer('value', value, 0, 0xffff_ffff);
}

/**
 * Sleeps while `cell[index]` has the value, until somebody notifies it: `Atomics.wait()` across processes,
 * and the main thread may wait too. Blocks the event loop; see `waitAsync()`.
 *
 * Look at the cell again after `'ok'`: a wait may end without a reason (futex(2)).
 *
 * @param value 32 bits, signed or not as the cell's array
 * @param timeout milliseconds >= 0; default: for ever
 * @returns `'not-equal'`: the cell had another value, and there was no wait
 * @throws TypeError `ERR_INVALID_ARG_TYPE`: no Int32Array or Uint32Array, not over memory of this package,
 *   or over private memory (`'copy'`, or anonymous and not shared), which nobody else can change.
 * @throws RangeError `ERR_OUT_OF_RANGE`: the index; a cell whose address is no multiple of 4.
 * @throws Error `ERR_MAPPING_CLOSED`: unmapped, also meanwhile; `ERR_MAPPING_FAULT`: the cell's page was
 *   lost, so that nobody's notify would reach it; with `faults`.
 * @example
 * const cell = new Int32Array(memory.buffer, 0, 1);
 * while (Atomics.load(cell, 0) === 0) wait(cell, 0, 0);
 */
export function wait(cell: Cell, index: number, value: number, timeout?: number): WaitResult {
  checkCell(cell, index);
  checkValue(cell, value);
  const span = validate.milliseconds('timeout', timeout);
  let slept = false;
  const outcome = on(cell, () =>
    inSlices(span, Outcome.TIMED_OUT, (milliseconds, again) => {
      slept = again;
      return native.wait(cell, index, value, milliseconds);
    }),
  );
  // Changed while it looked up between two sleeps: that was the wake.
  return slept && outcome === Outcome.NOT_EQUAL ? 'ok' : resultOf(outcome);
}

/**
 * The same without blocking anything: threads of the add-on sleep, not those of the runtime's pool. Keeps
 * the process alive as a timer does.
 *
 * Some 64 waits of a process are exact about who is woken. Of more than that, those of one thread of the
 * add-on see a wake that falls together with another one by the changed value: change it before you notify.
 *
 * @param options `timeout`: milliseconds >= 0, default: for ever. `signal`: ends the wait with its reason;
 *   a wake that it had got goes to another waiter.
 * @throws (rejects) as `wait()` does; the signal's reason; Error `EAGAIN`: no more threads.
 * @example
 * const how = await waitAsync(cell, 0, seen, { signal: AbortSignal.timeout(1000) });
 */
export async function waitAsync(
  cell: Cell,
  index: number,
  value: number,
  options?: { timeout?: number; signal?: AbortSignal },
): Promise<WaitResult> {
  checkCell(cell, index);
  checkValue(cell, value);
  const given = validate.options(options);
  const timeout = validate.milliseconds('options.timeout', given.timeout);
  const signal = validate.signal('options.signal', given.signal);
  signal?.throwIfAborted();
  const id = on(cell, () => native.startWait(cell, index, value, toNative(timeout)));
  if (id === 0) return 'not-equal';
  const outcome = await new Pending(id, signal).outcome;
  return on(cell, () => resultOf(outcome));
}

/**
 * Wakes waiters of the cell (futex(2)), in any process, `Atomics.wait()` excepted. Change the value first, then
 * notify: who is just about to wait looks at the value.
 *
 * @param count at most so many; default: all
 * @returns how many were woken, approximately: one that has just given up may be counted
 * @throws as `wait()` does
 * @example
 * Atomics.store(cell, 0, 1);
 * notify(cell, 0);
 */
export function notify(cell: Cell, index: number, count?: number): number {
  checkCell(cell, index);
  const all = count === undefined || count === Number.POSITIVE_INFINITY;
  const most = all ? 0x7fff_ffff : validate.integer('count', count, 0);
  return on(cell, () => native.notify(cell, index, Math.min(most, 0x7fff_ffff)));
}
