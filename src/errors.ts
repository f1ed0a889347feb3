// Every error that the package throws is made here: with a stable `code`, in the words of Node where
// Node has words for it. Errors are told apart by their code, never by their text.
import { getSystemErrorMap, inspect } from 'node:util';

/** A part of a mapping that a fault has cut off from its file. */
export interface Fault {
  /** Where it begins in the file, in bytes. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
  /**
   * - `truncated`: past the end of the file, which was cut while it was mapped
   * - `no-space`: the disk was full when the page was first written
   * - `io`: the device failed
   * - `read-only`: a write to pages that may only be read
   * - `unmapped`: after `unmap()`, or to pages that may not be touched at all
   */
  readonly kind: 'truncated' | 'no-space' | 'io' | 'read-only' | 'unmapped';
}

/** A failed system call, of the same shape as the errors of `node:fs`. */
export interface SystemError extends Error {
  /** The name of the error in errno(3), e.g. `'ENOSPC'`. */
  readonly code: string;
  /** The number of the error, negative as in `node:fs`. */
  readonly errno: number;
  /** The call that failed, e.g. `'mmap'`. */
  readonly syscall: string;
  /** The file, where there was one. */
  readonly path?: string;
}

/** Codes of the errors that say something of a mapping's state. */
export type StateCode =
  | 'ERR_MAPPING_CLOSED'
  | 'ERR_MAPPING_ACCESS'
  | 'ERR_MAPPING_FAULT'
  | 'ERR_MAPPING_POISONED'
  | 'ERR_FEATURE_UNAVAILABLE'
  | 'ERR_INVALID_STATE'
  | 'ERR_CHANNEL_CLOSED'
  | 'ERR_CHANNEL_CORRUPT';

type Coded<E extends Error> = E & { code: string };

function coded<E extends Error>(error: E, code: string, extra?: object): Coded<E> {
  // As Node does: the code is an own property, and stands in the stack's first line.
  return Object.assign(error, { code, ...extra });
}

/** The names of errno(3). Where two names have one number, the one that the man pages use. */
function errnoName(errno: number): string | undefined {
  const { errno: numbers } = process.getBuiltinModule('node:os').constants;
  const names = Object.keys(numbers) as (keyof typeof numbers)[];
  const preferred = ['EAGAIN', 'EOPNOTSUPP'] as const;
  return [...preferred, ...names].find((name) => numbers[name] === errno);
}

/** Where Node has no words, or those of a network. */
const texts: Readonly<Record<string, string>> = {
  EDEADLK: 'resource deadlock would occur',
  ETIMEDOUT: 'operation timed out',
};

/** @param errno positive, as the kernel counts */
export function systemError(errno: number, syscall: string, path?: string): SystemError {
  const [name, text] = getSystemErrorMap().get(-errno) ?? [undefined, 'unknown error'];
  const code = errnoName(errno) ?? name ?? `E${errno}`;
  const message = `${code}: ${texts[code] ?? text}, ${syscall}${path === undefined ? '' : ` '${path}'`}`;
  const extra = { errno: -errno, syscall, ...(path === undefined ? {} : { path }) };
  return coded(new Error(message), code, extra) as unknown as SystemError;
}

function shown(value: unknown): string {
  try {
    // The value is looked at, not asked: no code of the caller's runs here.
    return inspect(value, {
      customInspect: false,
      depth: 0,
      maxStringLength: 64,
      maxArrayLength: 3,
    });
  } catch {
    return `a ${typeof value}`; // a `Symbol.toStringTag` that throws
  }
}

/** @param expected a noun: `a string` */
export function invalidType(name: string, expected: string, value: unknown): Coded<TypeError> {
  const text = `The "${name}" argument must be ${expected}. Received ${shown(value)}`;
  return coded(new TypeError(text), 'ERR_INVALID_ARG_TYPE');
}

export function outOfRange(name: string, expected: string, value: unknown): Coded<RangeError> {
  const text = `The value of "${name}" is out of range. It must be ${expected}. Received ${shown(value)}`;
  return coded(new RangeError(text), 'ERR_OUT_OF_RANGE');
}

export function stateError(code: StateCode, message: string, extra?: object): Coded<Error> {
  return coded(new Error(message), code, extra);
}

export const closedError = (): Error =>
  stateError('ERR_MAPPING_CLOSED', 'The mapping has been unmapped');

/** The error; an `ERR_MAPPING_FAULT` with the faults that there were. */
export function withFaultsOf(error: unknown, faults: () => readonly Fault[]): unknown {
  if ((error as { code?: unknown }).code !== 'ERR_MAPPING_FAULT') return error;
  return Object.assign(error as object, { faults: faults() });
}

export function withFaults<T>(mapping: { faults: readonly Fault[] }, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw withFaultsOf(error, () => mapping.faults);
  }
}

/** `Reason` of native/core/result.h, in its order. */
const reasons: readonly ((
  errno: number,
  syscall: string,
  detail: string,
  path?: string,
) => Error)[] = [
  () => new Error('no failure'),
  (errno, syscall, _detail, path) => systemError(errno, syscall, path),
  closedError,
  (_errno, _syscall, detail) =>
    stateError('ERR_MAPPING_ACCESS', `The access of the mapping does not allow it: ${detail}`),
  () =>
    stateError(
      'ERR_MAPPING_FAULT',
      'Pages of the mapping were lost to a fault: what was written to them is not in the file',
    ),
  (errno) =>
    stateError(
      'ERR_MAPPING_POISONED',
      'A sync of this mapping failed before. The kernel has dropped the pages it could not write: nothing that is synced now proves that they are on the disk',
      { cause: systemError(errno, 'msync') },
    ),
  (_errno, _syscall, detail) =>
    coded(new RangeError(`Out of range: ${detail}`), 'ERR_OUT_OF_RANGE'),
  (_errno, _syscall, detail) =>
    stateError('ERR_FEATURE_UNAVAILABLE', `Not available here: ${detail}`),
];

/** Called by the add-on for each failure that it has to report. */
export function nativeError(
  reason: number,
  errno: number,
  syscall: string,
  detail: string,
  path?: string,
): Error {
  const make = reasons[reason];
  return make ? make(errno, syscall, detail, path) : new Error(`unknown failure ${reason}`);
}
