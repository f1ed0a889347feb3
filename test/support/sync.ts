// What the tests of memmap/sync have in common.

import { readdirSync, readFileSync } from 'node:fs';
import { type Cell, notify } from 'memmap/sync';
import { until } from './until.js';

/** The name of its result or the code of its error. */
export const outcome = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => value,
    (error: { code?: unknown }) => error.code ?? error,
  );

/** Whether a promise has settled by now. */
export function settledYet(promise: Promise<unknown>): () => boolean {
  let settled = false;
  const done = (): void => {
    settled = true;
  };
  promise.then(done, done);
  return () => settled;
}

/** One line for each of the add-on's threads that wait, or have waited, for a waitAsync(). */
function waiters(file: 'comm' | 'syscall'): string[] {
  return readdirSync('/proc/self/task').flatMap((task) => {
    const read = (name: string): string => readFileSync(`/proc/self/task/${task}/${name}`, 'utf8');
    try {
      return read('comm') === 'memmap-wait\n' ? [read(file)] : [];
    } catch {
      return []; // it has ended meanwhile
    }
  });
}
export const waiterThreads = (): number => waiters('comm').length;

/** How many of them sleep in the kernel on one word each: futex_waitv(2) of that and of their own. */
export const asleep = (): number =>
  waiters('syscall').filter((call) => /^449 \S+ 0x2 /.test(call)).length;

/** Notifies until somebody sleeps there, which is then awake; without a change of the cell. */
export async function wakeOne(cell: Cell, index = 0): Promise<void> {
  await until('somebody sleeps on the cell', () => notify(cell, index, 1) > 0);
}
