// Arguments are checked here before anything else happens. Only primitive values are taken as numbers,
// so that no `valueOf` of a caller runs in the middle of a call.
import { invalidType, outOfRange } from './errors.js';

/** A whole number of bytes or elements from `min` to `max`. */
export function integer(
  name: string,
  value: unknown,
  min = 0,
  max: number = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value !== 'number') throw invalidType(name, 'a number', value);
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
  if (value < min || value > max) throw outOfRange(name, `>= ${min} and <= ${max}`, value);
  // -0 is 0.
  return value + 0;
}

/** The same, or `undefined`. */
export function optionalInteger(
  name: string,
  value: unknown,
  min?: number,
  max?: number,
): number | undefined {
  return value === undefined ? undefined : integer(name, value, min, max);
}

export function boolean(name: string, value: unknown): boolean {
  if (value === undefined) return false;
  if (typeof value !== 'boolean') throw invalidType(name, 'a boolean', value);
  return value;
}

export function string(name: string, value: unknown): string {
  if (typeof value !== 'string') throw invalidType(name, 'a string', value);
  if (value.includes('\0')) throw invalidType(name, 'a string without null bytes', value);
  return value;
}

export function oneOf<T extends string>(name: string, value: unknown, allowed: readonly T[]): T {
  if (typeof value !== 'string' || !(allowed as readonly string[]).includes(value)) {
    throw invalidType(name, `one of ${allowed.map((a) => `'${a}'`).join(', ')}`, value);
  }
  return value as T;
}

/** An options object; none is an empty one. */
export function options<T extends object>(value: T | undefined): Partial<T> {
  if (value === undefined) return {};
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw invalidType('options', 'an object', value);
  }
  return value;
}

/** A span of time; none is for ever. */
export function milliseconds(name: string, value: unknown): number {
  if (value === undefined) return Number.POSITIVE_INFINITY;
  if (typeof value !== 'number') throw invalidType(name, 'a number', value);
  if (!(value >= 0)) throw outOfRange(name, '>= 0', value);
  return value;
}

/** Or `undefined`. */
export function signal(name: string, value: unknown): AbortSignal | undefined {
  if (value !== undefined && !(value instanceof AbortSignal)) {
    throw invalidType(name, 'an AbortSignal', value);
  }
  return value;
}

/** A descriptor is an int of C (open(2)); whether it is open only the kernel knows. */
export function descriptor(name: string, value: unknown): number {
  return integer(name, value, 0, 0x7fffffff);
}

/** A range within `total` bytes. Without `length` it goes to the end. */
export function range(
  total: number,
  offset: unknown = 0,
  length?: unknown,
): [offset: number, length: number] {
  const from = integer('offset', offset, 0, total);
  return [from, length === undefined ? total - from : integer('length', length, 0, total - from)];
}

/** One range, or an iterable of them, as flat numbers. */
export function ranges(total: number, where: unknown, length: unknown): number[] {
  if (typeof where !== 'object' || where === null) return range(total, where, length);
  const iterable = where as Iterable<unknown>;
  if (typeof iterable[Symbol.iterator] !== 'function') {
    throw invalidType('ranges', 'a number or an iterable of [offset, length]', where);
  }
  const flat: number[] = [];
  for (const one of iterable) {
    if (!Array.isArray(one)) throw invalidType('range', '[offset, length]', one);
    integer('length', one[1]);
    flat.push(...range(total, one[0], one[1]));
  }
  return flat;
}
