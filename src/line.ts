// The tasks of one thread that want the same lock, one behind the other. Only the first of them tries and
// waits in the kernel; it keeps the process alive for all.

/** A timer cannot be set for longer, in milliseconds. */
const LONGEST = 0x7fff_ffff;

export class Line {
  readonly #behind: (() => void)[] = [];
  #taken = false;
  /** Has the first look again: the lock was let go of in this very thread. */
  poke: (() => void) | undefined;

  /** Resolves when the caller is first; it calls `leave()` later. Rejects with the signal's reason, or what `late` gives. */
  enter(until: number, signal: AbortSignal | undefined, late: () => Error): Promise<void> | void {
    if (!this.#taken) {
      this.#taken = true;
      return;
    }
    return new Promise((resolve, reject) => {
      const rest = until - performance.now();
      const giveUp = (error: unknown): void => {
        this.#behind.splice(this.#behind.indexOf(turn), 1);
        end();
        reject(error);
      };
      const abort = (): void => giveUp(signal?.reason);
      // With longer ones the first's wait ends in time.
      const timer = rest <= LONGEST ? setTimeout(() => giveUp(late()), rest) : undefined;
      const end = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
      };
      const turn = (): void => {
        end();
        resolve();
      };
      signal?.addEventListener('abort', abort);
      this.#behind.push(turn);
    });
  }

  /** False: nobody was behind. */
  leave(): boolean {
    const next = this.#behind.shift();
    this.#taken = next !== undefined;
    next?.();
    return this.#taken;
  }
}
