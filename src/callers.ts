// Callers of an async function that wait for their turn, in the order in which they called.

interface Caller<In, Out> {
  readonly what: In;
  readonly resolve: (result: Out) => void;
  readonly reject: (error: unknown) => void;
}

export class Callers<In, Out> {
  #waiting: Caller<In, Out>[] = [];
  readonly #gone: () => void;

  /** @param gone is called when the last one has given up */
  constructor(gone: () => void = () => {}) {
    this.#gone = gone;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** What the first wants. */
  get first(): In | undefined {
    return this.#waiting[0]?.what;
  }

  /** Gives up with the signal's reason. */
  wait(what: In, signal: AbortSignal | undefined): Promise<Out> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(caller), 1);
        caller.reject(signal?.reason);
        if (this.#waiting.length === 0) this.#gone();
      };
      const end = (): void => signal?.removeEventListener('abort', abort);
      const caller: Caller<In, Out> = {
        what,
        resolve: (result) => {
          end();
          resolve(result);
        },
        reject: (error) => {
          end();
          reject(error);
        },
      };
      signal?.addEventListener('abort', abort);
      this.#waiting.push(caller);
    });
  }

  /** The first has had its turn. */
  next(result: Out): void {
    this.#waiting.shift()?.resolve(result);
  }

  /** The first is refused in its turn. */
  refuse(error: unknown): void {
    this.#waiting.shift()?.reject(error);
  }

  resolveAll(result: Out): void {
    for (const caller of this.#takeAll()) caller.resolve(result);
  }

  rejectAll(error: unknown): void {
    for (const caller of this.#takeAll()) caller.reject(error);
  }

  #takeAll(): Caller<In, Out>[] {
    const all = this.#waiting;
    this.#waiting = [];
    return all;
  }
}
