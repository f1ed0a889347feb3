// map(), anonymous() and Mapping: files and memory as buffers.
import { Buffer } from 'node:buffer';
import type { FileHandle } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { closedError, type Fault, invalidType, outOfRange, stateError } from './errors.js';
import { type Handle, maxBuffer, native } from './native.js';
import * as validate from './validate.js';
import { checkAlignment, elementSize, makeView, type ViewClass } from './views.js';

export type { ViewClass } from './views.js';

export type PathLike = string | URL | Buffer;
/** A path, a descriptor, or an open FileHandle. */
export type File = PathLike | number | FileHandle;

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
  /** Keeps all pages in memory (mlock(2)). */
  lock?: boolean;
  /** Asks for huge pages: where the file is of hugetlbfs it has them, elsewhere it is a wish. */
  hugePages?: boolean;
}

export interface AnonymousOptions {
  /** Shared with children of a real fork(2), and the kind on which one can wait. Default true. */
  shared?: boolean;
  populate?: boolean;
  lock?: boolean;
  /** From the machine's reserve of huge pages (MAP_HUGETLB). `ENOMEM` where it has none left. */
  hugePages?: boolean;
}

const ACCESS = ['read', 'write', 'copy'] as const;
const ADVICE = ['normal', 'random', 'sequential'] as const;
// As in native/binding/mapping_functions.cc.
const CREATE = 1 << 2;
const SPARSE = 1 << 3;
const POPULATE = 1 << 4;
const LOCK = 1 << 5;
const HUGE_PAGES = 1 << 6;
const SHARED = 1 << 7;
const ADVICE_SHIFT = 8;

const internal = Symbol('memmap.internal');
/** For the modules of this package: a mapping's handle, and a Mapping (or a subclass) from a handle. */
export let handleOf: (mapping: Mapping) => Handle;
export const constructorKey: symbol = internal;

function memoryFlags(options: Partial<AnonymousOptions>): number {
  return (
    (validate.boolean('options.populate', options.populate) ? POPULATE : 0) |
    (validate.boolean('options.lock', options.lock) ? LOCK : 0) |
    (validate.boolean('options.hugePages', options.hugePages) ? HUGE_PAGES : 0)
  );
}

function fileArgument(file: unknown): string | Uint8Array | number {
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

/**
 * Maps a file: its bytes as memory.
 *
 * The mapping opens the file for itself: a descriptor that is passed in stays the caller's, who may close
 * it at once. It ends with `unmap()` (or `using`), or when it and all its buffers have been collected.
 *
 * Not promised: that the file is still as long as it was. Another process may cut it; pages past its new
 * end are then replaced by private zero pages, the mapping records a fault, and flushing it rejects.
 *
 * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`: a wrong argument; or with
 *   `'read'` and `'copy'` a range that goes past the end of the file.
 * @throws Error with `code`, `errno`, `syscall` and `path`: `ENOENT`, `EACCES`, `EISDIR`, `ENODEV` (not
 *   a regular file), `ENOSPC` (extending it), `ENOMEM` (addresses or areas), `EMFILE`, ...
 * @example
 * using mapping = map('data.bin');
 * console.log(mapping.bytes.toString('latin1', 0, 16));
 */
export function map(file: File, options?: MapOptions): Mapping {
  const target = fileArgument(file);
  const given = validate.options(options);
  const access =
    given.access === undefined
      ? 0
      : ACCESS.indexOf(validate.oneOf('options.access', given.access, ACCESS));
  const advice =
    given.advice === undefined
      ? 0
      : ADVICE.indexOf(validate.oneOf('options.advice', given.advice, ADVICE));
  const offset = validate.optionalInteger('options.offset', given.offset) ?? 0;
  const length =
    validate.optionalInteger('options.length', given.length, 0, Number.MAX_SAFE_INTEGER - offset) ??
    0;
  const reserve = validate.optionalInteger('options.reserve', given.reserve, length) ?? 0;
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
  return new Mapping(
    internal,
    native.mapFile(target, flags, offset, length, reserve),
    access,
    offset,
  );
}

/**
 * Memory without a file (MAP_ANONYMOUS), zeroed. Shared memory is seen by children of a real fork(2);
 * for programs started by `child_process` use `SharedMemory`.
 *
 * @param length bytes, at least 1
 * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`.
 * @throws Error `ENOMEM`; `EAGAIN` or `EPERM` with `lock` beyond the limit.
 * @example
 * using scratch = anonymous(1 << 20, { shared: false });
 */
export function anonymous(length: number, options?: AnonymousOptions): Mapping {
  validate.integer('length', length, 1);
  const given = validate.options(options);
  const shared = given.shared === undefined || validate.boolean('options.shared', given.shared);
  const handle = native.mapAnonymous(length, memoryFlags(given) | (shared ? SHARED : 0));
  return new Mapping(internal, handle, shared ? 1 : 2, 0);
}

/** A range of a file, or of memory, that is mapped. Made by `map()` and `anonymous()`. */
export class Mapping implements Disposable, AsyncDisposable {
  readonly #handle: Handle;
  readonly #access: number;
  readonly #offset: number;
  readonly #length: number;
  #buffer: ArrayBuffer | undefined;
  #bytes: Buffer | undefined;
  /** Settles when every flush so far has: they run in order. */
  #flushed: Promise<void> = Promise.resolve();

  static {
    handleOf = (mapping) => mapping.#handle;
  }

  /** @internal */
  constructor(key: symbol, handle: Handle, access: number, offset: number) {
    if (key !== internal) throw invalidType('mapping', 'made by map() or anonymous()', key);
    this.#handle = handle;
    this.#access = access;
    this.#offset = offset;
    this.#length = native.lengthOf(handle);
  }

  /** Bytes. */
  get length(): number {
    return this.#length;
  }

  /** Of the first byte in the file, in bytes. */
  get offset(): number {
    return this.#offset;
  }

  get access(): 'read' | 'write' | 'copy' {
    return ACCESS[this.#access]!;
  }

  get closed(): boolean {
    return native.isClosed(this.#handle);
  }

  /**
   * What the guard survived, merged, by offset. They stay recorded after `unmap()`.
   *
   * @example
   * if (mapping.faults.some((f) => f.kind === 'truncated')) console.log('somebody cut the file');
   */
  get faults(): readonly Fault[] {
    return native.faultsOf(this.#handle);
  }

  /**
   * The whole mapping. Byte 0 is the byte at `offset`, aligned or not. Made at first use, and anew after
   * it was transferred; detached by `unmap()`.
   *
   * V8 counts it as memory of its own: a large one brings a full garbage collection when it is made. For
   * a part of a large mapping use `view()`.
   *
   * @throws Error `ERR_MAPPING_CLOSED`; `ERR_FEATURE_UNAVAILABLE` beyond the runtime's largest
   *   ArrayBuffer (4 GiB on Node 20).
   */
  get buffer(): ArrayBuffer {
    if (this.closed) throw closedError();
    // A buffer that was transferred has no bytes any more.
    if (this.#buffer === undefined || this.#buffer.byteLength !== this.#length) {
      this.#buffer = this.#expose(0, this.#length);
    }
    return this.#buffer;
  }

  /** A Buffer over `buffer`. Throws as that does. */
  get bytes(): Buffer {
    const buffer = this.buffer;
    if (this.#bytes?.buffer !== buffer) this.#bytes = Buffer.from(buffer);
    return this.#bytes!;
  }

  #expose(byteOffset: number, byteLength: number): ArrayBuffer {
    if (byteLength > maxBuffer) {
      throw stateError(
        'ERR_FEATURE_UNAVAILABLE',
        `This runtime's largest ArrayBuffer has ${maxBuffer} bytes, the mapping ${byteLength}: use view()`,
      );
    }
    return native.bufferOf(this.#handle, byteOffset, byteLength);
  }

  /**
   * A typed array or DataView over just this window of the mapping, of an ArrayBuffer of its own: any
   * place of any mapping, however large. Detached by `unmap()`.
   *
   * @param byteOffset from the beginning of the mapping, in bytes. Default 0.
   * @param length elements; bytes for DataView. Default: to the end, which must then be a whole number
   *   of elements.
   * @throws RangeError `ERR_OUT_OF_RANGE`: outside the mapping; or where a typed array of more than a
   *   byte an element would not begin at a multiple of its element size.
   * @throws Error `ERR_MAPPING_CLOSED`, `ERR_FEATURE_UNAVAILABLE`.
   * @example
   * const column = mapping.view(Float64Array, 4096, 1000);
   */
  view<T extends ViewClass>(type: T, byteOffset = 0, length?: number): InstanceType<T> {
    const size = elementSize(type);
    validate.integer('byteOffset', byteOffset, 0, this.#length);
    const rest = this.#length - byteOffset;
    validate.optionalInteger('length', length, 0, Math.floor(rest / size));
    if (length === undefined && rest % size !== 0) {
      throw outOfRange('byteOffset', `a multiple of ${size} before the end`, byteOffset);
    }
    checkAlignment(size, this.#offset + byteOffset, byteOffset);
    if (this.closed) throw closedError();
    const count = length ?? rest / size;
    return makeView(type, this.#expose(byteOffset, count * size), count);
  }

  /**
   * Resolves when what was written to the range before the call is on the disk (msync(2) with MS_SYNC),
   * with the directory entry of a file that `create` made. Runs on a pool thread, one flush of a mapping
   * after the other. What happens to the mapping meanwhile, `unmap()` too, does not change what is synced.
   *
   * Not promised: that nothing reaches the disk before a flush. The kernel writes pages in any order, at
   * any time; write-ahead order needs checksums, or separate files.
   *
   * Rejects, and never throws:
   * - `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARG_TYPE`: a wrong argument
   * - `ERR_MAPPING_CLOSED`; `ERR_MAPPING_ACCESS` for a `'copy'`
   * - `ERR_MAPPING_FAULT`, with `faults`: pages in the range were lost
   * - the device's error (`EIO`, `ENOSPC`, `EDQUOT`), and from then on `ERR_MAPPING_POISONED`
   *
   * @param offset from the beginning of the mapping, in bytes; or several ranges at once, whose writing
   *   is started together
   * @param length bytes. Default: to the end.
   * @example
   * await mapping.flush(0, 4096);
   * await mapping.flush([[0, 4096], [1 << 20, 4096]]);
   */
  flush(offset?: number, length?: number): Promise<void>;
  flush(ranges: Iterable<readonly [offset: number, length: number]>): Promise<void>;
  async flush(
    where?: number | Iterable<readonly [offset: number, length: number]>,
    length?: number,
  ): Promise<void> {
    const job = this.#withFaults(() =>
      native.prepareFlush(this.#handle, this.#ranges(where, length)),
    );
    const run = (): Promise<void> => native.runFlush(job);
    const done = this.#flushed.then(run);
    this.#flushed = done.catch(() => {});
    await done;
  }

  /** As `flush()`, but waits, and throws what that would reject with. */
  flushSync(offset?: number, length?: number): void {
    const [from, bytes] = validate.range(this.#length, offset, length);
    this.#withFaults(() => native.flushSync(this.#handle, from, bytes));
  }

  #ranges(
    where: number | Iterable<readonly [offset: number, length: number]> | undefined,
    length: number | undefined,
  ): number[] {
    if (typeof where !== 'object' || where === null) {
      return validate.range(this.#length, where, length);
    }
    if (typeof where[Symbol.iterator] !== 'function') {
      throw invalidType('ranges', 'a number or an iterable of [offset, length]', where);
    }
    const flat: number[] = [];
    for (const range of where) {
      if (!Array.isArray(range)) throw invalidType('range', '[offset, length]', range);
      validate.integer('length', range[1]);
      flat.push(...validate.range(this.#length, range[0], range[1]));
    }
    return flat;
  }

  #withFaults<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ERR_MAPPING_FAULT') {
        Object.assign(error as object, { faults: this.faults });
      }
      throw error;
    }
  }

  /**
   * Ends the mapping: every buffer and view of it in this thread has length 0 from here on, and the file
   * and its memory are let go of. Nothing is lost by it: what was written to a file stays written, and
   * the kernel brings it to the disk in its own time. Idempotent.
   *
   * I/O that is using a buffer of the mapping at that moment fails with `EFAULT`, or moves fewer bytes
   * than it was asked to; the addresses are given back when it has ended.
   */
  unmap(): void {
    native.unmap(this.#handle);
    this.#buffer = undefined;
    this.#bytes = undefined;
  }

  /** `unmap()`, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.unmap();
  }

  /** `flush()`, then `unmap()`, at the end of an `await using` block. Unmaps even if the flush fails. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.access === 'write' && !this.closed) await this.flush();
    } finally {
      this.unmap();
    }
  }
}
