// What the members of a mutex stress do while they hold the lock, and what it leaves in shared memory, so
// that afterwards every addition can be told: made, or begun by somebody who died.
//
// native/test/sync_peer.c does the same in C, with the same cells.

import { type Held, wait } from 'memmap/sync';

/** Cells of 32 bits. The Mutex is the first two. */
export const CELL = {
  /** What is added to, not atomically. */
  COUNTER: 2,
  /** The life that holds the lock; 0: nobody is between locking and unlocking. */
  HOLDER: 3,
  /** How often the lock was held. */
  TURNS: 4,
  /** How often an owner was told that the one before had died. */
  REPORTS: 5,
  /** Not 0: something went wrong. See `BREACHES`. */
  BREACH: 6,
  STOP: 7,
  GO: 8,
  /**
   * Who is to stay in the middle of its next turn: 2 * life before the addition, 1 more after it. Negative:
   * it stays there, until it is killed.
   */
  STAY: 9,
  /** Four cells for each life: a thread of a process from its beginning to its end. */
  LIVES: 16,
} as const;
export const BREACHES = [
  '',
  'more than one life is half through its addition',
  'the counter is none that the lives explain',
  'two held the lock at once, or a death was not reported',
];

export const LIFE = { BEGUN: 0, DONE: 1, REPORTED: 2, KEPT: 3 } as const;
export const MAX_LIVES = 4000;
export const LEDGER_BYTES: number = 4 * (CELL.LIVES + 4 * (MAX_LIVES + 1));

/** The cells of a life; they are numbered from 1. */
export const lifeAt = (life: number): number => CELL.LIVES + 4 * (life - 1);

/** What all lives have done, and who is half through an addition. */
export function tally(cells: Int32Array): { sum: number; half: number[] } {
  let sum = 0;
  const half: number[] = [];
  for (let at: number = CELL.LIVES; cells[at + LIFE.KEPT] !== 0; at += 4) {
    sum += cells[at + LIFE.DONE]!;
    if (cells[at + LIFE.BEGUN] !== cells[at + LIFE.DONE]) half.push(at);
  }
  return { sum, half };
}

/** After a death: whether the addition that the dead one had begun is in the counter. */
export function repair(cells: Int32Array): void {
  const { sum, half } = tally(cells);
  const [at] = half;
  if (half.length > 1) cells[CELL.BREACH] = 1;
  const added = cells[CELL.COUNTER]! - sum;
  if (added < 0 || added > half.length) cells[CELL.BREACH] = 2;
  if (at !== undefined && added === 0) cells[at + LIFE.BEGUN] = cells[at + LIFE.DONE]!;
  if (at !== undefined && added !== 0) cells[at + LIFE.DONE] = cells[at + LIFE.BEGUN]!;
  cells[CELL.REPORTS]!++;
  const dead = cells[CELL.HOLDER]!;
  if (dead !== 0) cells[lifeAt(dead) + LIFE.REPORTED]!++;
  cells[CELL.HOLDER] = 0;
}

function stay(cells: Int32Array, where: number): void {
  if (Atomics.load(cells, CELL.STAY) !== where) return;
  Atomics.store(cells, CELL.STAY, -where);
  for (;;) wait(cells, CELL.STAY, -where);
}

/** One addition under the lock, and the lock is let go of. Atomics only where the order matters to us. */
export function addOne(cells: Int32Array, life: number, held: Held): void {
  if (held.ownerDied) repair(cells);
  if (cells[CELL.HOLDER] !== 0) cells[CELL.BREACH] = 3;
  const at = lifeAt(life);
  Atomics.store(cells, CELL.HOLDER, life);
  cells[CELL.TURNS]!++;
  Atomics.add(cells, at + LIFE.BEGUN, 1);
  stay(cells, 2 * life);
  cells[CELL.COUNTER]!++;
  stay(cells, 2 * life + 1);
  Atomics.add(cells, at + LIFE.DONE, 1);
  Atomics.store(cells, CELL.HOLDER, 0);
  held.unlock();
}
