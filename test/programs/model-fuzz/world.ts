// One run of the model fuzz: what is drawn, each public call with what it came to, and the comparison.

import { inspect, isDeepStrictEqual } from 'node:util';
import { Draw } from '../../support/draw.js';

/** The product and the model do not agree. */
class Difference extends Error {
  override readonly name = 'Difference';
}

/** The code that a call must fail with; '' is success. Several where the kernel has a choice. */
export type Expected = string | readonly string[];

/** How many of the last calls are told of. */
const KEPT = Number(process.env['MEMMAP_STORY'] ?? 30);
const NOTHING: readonly unknown[] = [];

interface Line {
  step: number;
  on: string;
  what: string;
  args: readonly unknown[] | undefined;
  outcome: string;
}

const codeOf = (error: unknown): string => {
  const { code, name } = error as { code?: unknown; name?: unknown };
  return typeof code === 'string' ? code : String(name);
};

/** What things are called among the last calls. */
export const names = new WeakMap<object, string>();

function shown(value: unknown): string {
  const named = typeof value === 'object' && value !== null ? names.get(value) : undefined;
  if (named !== undefined) return named;
  if (value instanceof ArrayBuffer) return `<ArrayBuffer of ${value.byteLength} bytes>`;
  if (value instanceof Error) return `${value.name} ${codeOf(value)} ${value.message}`;
  if (ArrayBuffer.isView(value)) return `<${value.constructor.name} of ${value.byteLength} bytes>`;
  if (typeof value === 'function') return `<function ${value.name}>`;
  return inspect(value, { depth: 1, breakLength: Number.POSITIVE_INFINITY, maxStringLength: 80 });
}

export class World {
  readonly draw: Draw;
  /** Public calls so far. */
  calls = 0;
  step = 0;
  /** What the guard should have survived. */
  faults = 0;
  readonly counts = new Map<string, [succeeded: number, failed: number]>();
  /** Promises that nobody has waited for yet. */
  readonly pending = new Set<Promise<unknown>>();
  #failure: unknown;
  readonly #lines: Line[] = [];

  constructor(seed: number) {
    this.draw = new Draw(seed);
  }

  #count(name: string, failed: boolean): void {
    this.calls++;
    const counts = this.counts.get(name);
    if (counts === undefined) this.counts.set(name, failed ? [0, 1] : [1, 0]);
    else counts[failed ? 1 : 0]++;
  }

  note(on: string, what: string, args?: readonly unknown[]): Line {
    const line = { step: this.step, on, what, args, outcome: '' };
    if (this.#lines.push(line) > 2 * KEPT) this.#lines.splice(0, KEPT);
    return line;
  }

  /** The last calls, as code. */
  story(): string {
    return this.#lines
      .slice(-KEPT)
      .map(({ step, on, what, args, outcome }) => {
        const call = args === undefined ? what : `${what}(${args.map(shown).join(', ')})`;
        return `  ${step}: ${on === '' ? call : `${on}.${call}`};${outcome && ` // ${outcome}`}`;
      })
      .join('\n');
  }

  /** Lets go of what the last calls were called with. */
  forget(): void {
    this.#lines.length = 0;
  }

  fail(what: string, got: unknown, expected: unknown): never {
    const told = got instanceof Error && codeOf(got) === 'Error' ? got.stack : shown(got);
    throw new Difference(`${what}\n  expected ${shown(expected)}\n  got      ${told}`);
  }

  equal(what: string, got: unknown, expected: unknown): void {
    if (got === expected || isDeepStrictEqual(got, expected)) return;
    this.fail(what, got, expected);
  }

  #settle(line: Line, name: string, error: unknown, expected: Expected): void {
    const code = error === undefined ? '' : codeOf(error);
    this.#count(name, error !== undefined);
    line.outcome = code;
    if (typeof expected === 'string' ? code === expected : expected.includes(code)) return;
    this.fail(`${line.on}.${line.what}()`, error ?? 'success', expected || 'success');
  }

  /** Calls what `name` names, as `Kind.method`: of `target`. What it returns, or `undefined` when it throws. */
  call<T = unknown>(
    kind: string,
    on: string,
    target: object,
    method: PropertyKey,
    args: readonly unknown[] = NOTHING,
    expected: Expected = '',
  ): T | undefined {
    const what = String(method);
    const line = this.note(on, what, args);
    let result: T | undefined;
    let error: unknown;
    try {
      const run = (target as Record<PropertyKey, (...args: unknown[]) => T>)[method];
      result = Reflect.apply(run as (...args: unknown[]) => T, target, args as unknown[]);
    } catch (thrown) {
      error = thrown;
    }
    this.#settle(line, `${kind}.${what}`, error, expected);
    return result;
  }

  get<T = unknown>(
    kind: string,
    on: string,
    target: object,
    property: string,
    expected: Expected = '',
  ): T | undefined {
    const line = this.note(on, property);
    let result: T | undefined;
    let error: unknown;
    try {
      result = (target as Record<string, T>)[property];
    } catch (thrown) {
      error = thrown;
    }
    this.#settle(line, `${kind}.${property}`, error, expected);
    return result;
  }

  /** get() of what never fails, for a look at everything: not told of among the last calls. */
  peek<T>(kind: string, target: object, property: string): T {
    this.#count(`${kind}.${property}`, false);
    return (target as Record<string, T>)[property] as T;
  }

  make<T>(kind: string, Class: new (...args: never[]) => T, args: unknown[], expected: Expected) {
    const line = this.note('', `new ${kind}`, args);
    let result: T | undefined;
    let error: unknown;
    try {
      result = Reflect.construct(Class, args) as T;
    } catch (thrown) {
      error = thrown;
    }
    this.#settle(line, `${kind}.constructor`, error, expected);
    return result;
  }

  /** An async call; it must return a promise. `expected` is asked when that has settled. */
  async callAsync<T = unknown>(
    kind: string,
    on: string,
    target: object,
    method: PropertyKey,
    args: readonly unknown[],
    expected: Expected | (() => Expected) = '',
  ): Promise<T | undefined> {
    const what = String(method);
    const line = this.note(on, what, args);
    line.outcome = 'pending';
    const run = (target as Record<PropertyKey, (...args: unknown[]) => Promise<T>>)[method];
    const promise = Reflect.apply(run as never, target, args as unknown[]) as Promise<T>;
    if (!(promise instanceof Promise)) this.fail(`${on}.${what}()`, promise, 'a promise');
    let result: T | undefined;
    let error: unknown;
    try {
      result = await promise;
    } catch (thrown) {
      error = thrown;
    }
    const right = typeof expected === 'function' ? expected() : expected;
    this.#settle(line, `${kind}.${what}`, error, right);
    return result;
  }

  /** Leaves an operation pending while others go on. */
  leave(promise: Promise<unknown>): void {
    this.pending.add(promise);
    promise
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.pending.delete(promise));
  }

  /** Waits for all that is pending, and tells of what went wrong meanwhile. */
  async settled(): Promise<void> {
    await Promise.all(this.pending);
    this.told();
  }
  told(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
