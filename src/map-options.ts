// The arguments of map() and anonymous(): what they mean, and how they are packed for the add-on.
import { Buffer } from 'node:buffer';
import type { FileHandle } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { invalidType } from './errors.js';
import * as validate from './validate.js';

export type PathLike = string | URL | Buffer;
/** A path, a descriptor, or an open FileHandle. */
export type File = PathLike | number | FileHandle;

/** How `map()` maps a file. */
export interface MapOptions {
  /**
   * - `'read'` (default): shared, to be read only
   * - `'write'`: shared; what is written is seen by everybody who maps the file, and reaches it
   * - `'copy'`: private; what is written is seen here only, and never reaches the file
   */
  access?: 'read' | 'write' | 'copy';
  /** Of the first byte in the file, in bytes: any, aligned or not. Default 0. */
  offset?: number;
  /** Bytes. Default, and 0: to the end of the file. With `'write'` a shorter file is extended. */
  length?: number;
  /** Makes a missing file. Needs `'write'` and a length. */
  create?: boolean;
  /** Extends a file without allocating its blocks: a full disk is then met later, as a fault. */
  sparse?: boolean;
  /** Bytes of address space to keep for growth in place, at least `length`. Costs no memory. */
  reserve?: number;
  /** How it will be read (madvise(2)): `'random'` turns read-ahead off. Default `'normal'`. */
  advice?: 'normal' | 'random' | 'sequential';
  /** Brings all pages in before `map()` returns. */
  populate?: boolean;
  /** Keeps all pages in memory (mlock(2)); within `RLIMIT_MEMLOCK`. */
  lock?: boolean;
  /** Asks for huge pages: where the file is of hugetlbfs it has them, elsewhere it is a wish. */
  hugePages?: boolean;
}

/** How `anonymous()` maps memory. */
export interface AnonymousOptions {
  /** Shared with children of a real fork(2), and the kind on which one can wait. Default true. */
  shared?: boolean;
  /** Brings all pages in before `anonymous()` returns. */
  populate?: boolean;
  /** Keeps all pages in memory (mlock(2)); within `RLIMIT_MEMLOCK`. */
  lock?: boolean;
  /** From the machine's reserve of huge pages (MAP_HUGETLB). `ENOMEM` where it has none left. */
  hugePages?: boolean;
}

/** The add-on counts them in this order. */
export const ACCESS = ['read', 'write', 'copy'] as const;
const ADVICE = ['normal', 'random', 'sequential'] as const;
// As in native/binding/mapping_functions.cc.
const CREATE = 1 << 2;
const SPARSE = 1 << 3;
const POPULATE = 1 << 4;
const LOCK = 1 << 5;
const HUGE_PAGES = 1 << 6;
export const SHARED = 1 << 7;
const ADVICE_SHIFT = 8;

export function memoryFlags(options: Partial<AnonymousOptions>): number {
  return (
    (validate.boolean('options.populate', options.populate) ? POPULATE : 0) |
    (validate.boolean('options.lock', options.lock) ? LOCK : 0) |
    (validate.boolean('options.hugePages', options.hugePages) ? HUGE_PAGES : 0)
  );
}

export function fileArgument(file: unknown): string | Uint8Array | number {
  if (typeof file === 'string') return validate.string('file', file);
  if (typeof file === 'number') return validate.descriptor('file', file);
  if (file instanceof URL) return validate.string('file', fileURLToPath(file));
  if (Buffer.isBuffer(file)) {
    if (file.includes(0)) throw invalidType('file', 'a path without null bytes', file);
    return file;
  }
  // Also a number: the descriptor of a FileHandle, -1 once it is closed.
  const fd = (file as { fd?: unknown } | null | undefined)?.fd;
  if (typeof file === 'object' && typeof fd === 'number') return validate.descriptor('file', fd);
  throw invalidType('file', 'a path, a file: URL, a descriptor or a FileHandle', file);
}

/** The arguments of native.mapFile() after the file. */
export function mapArguments(
  options: MapOptions | undefined,
): [flags: number, offset: number, length: number, reserve: number] {
  const given = validate.options(options);
  const { access: word = 'read', advice: hint = 'normal' } = given;
  const access = ACCESS.indexOf(validate.oneOf('options.access', word, ACCESS));
  const advice = ADVICE.indexOf(validate.oneOf('options.advice', hint, ADVICE));
  const offset = validate.optionalInteger('options.offset', given.offset) ?? 0;
  const longest = Number.MAX_SAFE_INTEGER - offset;
  const length = validate.optionalInteger('options.length', given.length, 0, longest) ?? 0;
  const reserve = validate.optionalInteger('options.reserve', given.reserve, length, longest) ?? 0;
  const create = validate.boolean('options.create', given.create);
  if (create && (access !== 1 || length === 0)) {
    throw invalidType('options.create', "used with access 'write' and a length", options);
  }
  const flags =
    access |
    (create ? CREATE : 0) |
    (validate.boolean('options.sparse', given.sparse) ? SPARSE : 0) |
    memoryFlags(given) |
    (advice << ADVICE_SHIFT);
  return [flags, offset, length, reserve];
}
