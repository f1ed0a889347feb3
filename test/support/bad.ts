// Values that are no good as an argument, and the proof that refusing one of them changed nothing.

import { type Stats, statSync } from 'node:fs';
import { inspect } from 'node:util';
import { stats } from 'memmap';
import { expect } from 'vitest';
import { areasOf, descriptors, maps } from './proc.js';

type Refusal = { name: 'TypeError' | 'RangeError'; code: string };

const TYPE: Refusal = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const RANGE: Refusal = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };

/** One value, and how it is refused. */
export type Bad = readonly [value: unknown, Refusal];

function never(): never {
  throw new Error('an argument was asked to turn into something else');
}
/** Would be a good value of any kind if somebody asked it to be one. */
const convertible = {
  valueOf: never,
  toString: never,
  toJSON: never,
  [Symbol.toPrimitive]: never,
  [inspect.custom]: never,
};

const nameless = {
  get [Symbol.toStringTag](): string {
    return never();
  },
};

const samples = {
  undefined: [undefined],
  null: [null],
  boolean: [true, false],
  number: [0, 1, -1, 1.5, Number.NaN],
  string: ['', '1', 'a word'],
  bigint: [0n, 1n],
  symbol: [Symbol('1'), Symbol.iterator],
  object: [
    {},
    convertible,
    nameless,
    Object.create(null),
    new Number(1),
    new String('1'),
    new Boolean(true),
    new Date(0),
    new Map(),
    // Only what a FileHandle is known by may be asked of it.
    new Proxy({}, { get: (_, key) => (key === 'fd' ? undefined : never()), has: never }),
  ],
  array: [[], [1], ['read']],
  function: [() => 1, class One {}, Number],
} as const;
export type Kind = keyof typeof samples;

/** Values of every type but these. */
export function wrongTypes(...allowed: Kind[]): Bad[] {
  return (Object.keys(samples) as Kind[])
    .filter((kind) => !allowed.includes(kind))
    .flatMap((kind) => samples[kind].map((value): Bad => [value, TYPE]));
}

/** These, refused for what they are rather than for how large. */
export const wrongType = (...values: unknown[]): Bad[] => values.map((value) => [value, TYPE]);
export const outOfRange = (...values: unknown[]): Bad[] => values.map((value) => [value, RANGE]);

/** Whatever is no whole number from `min` to `max`. */
export function badInteger(
  { min = 0, max = Number.MAX_SAFE_INTEGER } = {},
  ...allowed: Kind[]
): Bad[] {
  const { NaN: none, MAX_VALUE, MIN_VALUE, MAX_SAFE_INTEGER } = Number;
  return [
    ...wrongTypes('number', ...allowed),
    ...outOfRange(none, Infinity, -Infinity, min - 1, min + 0.5, 1e21, -1e21, 1.1e-10),
    ...outOfRange(MAX_VALUE, -MAX_VALUE, MIN_VALUE, -MIN_VALUE, MAX_SAFE_INTEGER + 1),
    ...outOfRange(...(max < MAX_SAFE_INTEGER ? [max + 1, 2 * max + 1] : [])),
  ];
}

export const badBoolean = (...allowed: Kind[]): Bad[] => wrongTypes('boolean', ...allowed);
/** Not one of the words of an option: no word here is one. */
export const badWord = (): Bad[] => [
  ...wrongTypes('undefined'),
  ...wrongType('READ', 'read ', 'write\0', 'toString', '__proto__', '0'),
];
export const badOptions = (): Bad[] => wrongTypes('undefined', 'object');
export const badName = (...allowed: Kind[]): Bad[] => [
  ...wrongTypes('string', ...allowed),
  ...wrongType('\0', 'a\0b', 'end\0'),
];

/** What the package holds, and what is open, at this moment. */
export function held(): unknown {
  return { stats: stats(), open: [...descriptors()] };
}

/** A file as it is on the disk, and how often it is mapped. */
export function fileState(path: string): unknown {
  let state: Stats;
  try {
    state = statSync(path);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
  const { size, blocks, mtimeMs, nlink } = state;
  return { size, blocks, mtimeMs, nlink, mapped: areasOf(path, maps()).length };
}

/** What a call throws. */
export function thrown(call: () => unknown): unknown {
  let result: unknown;
  try {
    result = call();
  } catch (error) {
    return error;
  }
  throw new Error(`nothing was thrown; it returned ${inspect(result, { depth: 0 })}`);
}

/** An error as far as programs may rely on it. */
export function shape(error: unknown): Record<string, unknown> {
  const { name, code, errno, syscall, path } = error as Record<string, unknown>;
  const all = { name, code, errno, syscall, path };
  expect(error).toBeInstanceOf(Error);
  expect((error as Error).message).not.toBe('');
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** Calls, expects an error, and that nothing is different after it. Returns the error. */
export function refused(call: () => unknown, state: () => unknown = () => undefined): unknown {
  const before = [held(), state()];
  const error = thrown(call);
  expect([held(), state()]).toEqual(before);
  return error;
}

function label(value: unknown): string {
  try {
    return inspect(value, { customInspect: false, depth: 1 });
  } catch {
    return 'a value without a name';
  }
}

/**
 * Each of the values is refused in the way that it should be, with the argument's name in the
 * message, and leaves everything as it was.
 */
export function refuses(
  name: string,
  bad: readonly Bad[],
  call: (value: never) => unknown,
  state?: () => unknown,
): void {
  expect(bad.length).toBeGreaterThan(0);
  for (const [value, refusal] of bad) {
    const about = label(value);
    const error = refused(() => call(value as never), state);
    expect(shape(error), about).toEqual(refusal);
    expect((error as Error).message, about).toContain(`"${name}"`);
  }
}

/** The same of a function that returns a promise: it rejects, and never throws. */
export async function rejectsAll(
  name: string,
  bad: readonly Bad[],
  call: (value: never) => Promise<unknown>,
  state: () => unknown = () => undefined,
): Promise<void> {
  expect(bad.length).toBeGreaterThan(0);
  for (const [value, refusal] of bad) {
    const about = label(value);
    const before = [held(), state()];
    const promise = call(value as never);
    const error = await promise.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect([held(), state()], about).toEqual(before);
    expect(shape(error), about).toEqual(refusal);
    expect((error as Error).message, about).toContain(`"${name}"`);
  }
}
