// What a run that can be had again chooses at random.

import { random } from './orders.js';

/** Draws from a seed. */
export class Draw {
  readonly #next: () => number;
  constructor(seed: number) {
    this.#next = random(seed);
  }
  below(n: number): number {
    return Math.floor(this.#next() * n);
  }
  of<T>(all: readonly T[]): T {
    return all[this.below(all.length)] as T;
  }
  /** True once in so many times. */
  once(n: number): boolean {
    return this.#next() * n < 1;
  }
}
