// Mapping: a range of a file, or of memory, as buffers.
import { Buffer } from 'node:buffer';
import { closedError, type Fault, invalidType, withFaults } from './errors.js';
import { ACCESS } from './map-options.js';
import { type Handle, native, type Usage } from './native.js';
import { adviceNumber, PROTECTION, PROTECTIONS } from './page-options.js';
import * as validate from './validate.js';
import {
  asView,
  bufferOf,
  checkWindows,
  elementSize,
  elementsOf,
  hasBytes,
  makeView,
  type ViewClass,
  windowsOf,
} from './views.js';

const UNKNOWN = -1; // not asked for yet: many are mapped, read and unmapped without
const internal = Symbol('memmap.internal');
/** For the modules of this package: a mapping's handle, and a Mapping (or a subclass) from a handle. */
export let handleOf: (mapping: Mapping) => Handle;
export const constructorKey: symbol = internal;

/**
 * A range of a file, or of memory, that is mapped. Made by `map()` and `anonymous()`.
 *
 * A range is an `offset` from its beginning and a `length`, in bytes; by default all of it. Past the end it is
 * a RangeError `ERR_OUT_OF_RANGE`. After `unmap()` every other method is an Error `ERR_MAPPING_CLOSED`.
 */
export class Mapping implements Disposable, AsyncDisposable {
  readonly #handle: Handle;
  #offset = UNKNOWN;
  #length = UNKNOWN;
  /** Other threads may have changed offset and length since we looked. */
  #shared = false;
  #buffer: ArrayBuffer | undefined;
  #bytes: Buffer | undefined;
  #sharedBuffer: WeakRef<SharedArrayBuffer> | undefined;
  /** Settles when every flush so far has: they run in order. */
  #flushed: Promise<void> = Promise.resolve();

  static {
    handleOf = (mapping) => mapping.#handle;
  }

  /** @internal */
  constructor(key: symbol, make: (owner: object) => Handle) {
    if (key !== internal) throw invalidType('mapping', 'made by map() or anonymous()', key);
    this.#handle = make(this);
  }

  /** Bytes. */
  get length(): number {
    return this.#total();
  }

  /** As a private method it refuses an object that is no Mapping. */
  #total(): number {
    if (this.#shared || this.#length === UNKNOWN) this.#length = native.lengthOf(this.#handle);
    return this.#length;
  }

  /** Of the first byte in the file, in bytes. */
  get offset(): number {
    if (this.#shared || this.#offset === UNKNOWN) this.#offset = native.offsetOf(this.#handle);
    return this.#offset;
  }

  /** What may be done with it, as `map()` was told; also after `unmap()`. */
  get access(): 'read' | 'write' | 'copy' {
    return ACCESS[native.accessOf(this.#handle)]!;
  }

  /** Whether it has been unmapped. */
  get closed(): boolean {
    return native.isClosed(this.#handle);
  }

  /**
   * What the guard survived, merged, by offset. They stay recorded after `unmap()`.
   *
   * @example if (mapping.faults.some((f) => f.kind === 'truncated')) console.log('somebody cut the file');
   */
  get faults(): readonly Fault[] {
    return native.faultsOf(this.#handle);
  }

  /**
   * The whole mapping. Byte 0 is the byte at `offset`, aligned or not. Made at first use, and anew after
   * it was transferred; detached by `unmap()`.
   *
   * V8 counts it as memory of its own: a large one brings a full garbage collection when it is made.
   *
   * @throws Error `ERR_MAPPING_CLOSED`; `ERR_FEATURE_UNAVAILABLE` beyond the runtime's largest
   *   ArrayBuffer (4 GiB on Node 20).
   */
  get buffer(): ArrayBuffer {
    if (this.closed) throw closedError();
    // A buffer that was transferred has no bytes any more.
    const length = this.#total();
    if (!hasBytes(this.#buffer, length)) this.#buffer = bufferOf(this.#handle, 0, length);
    return this.#buffer!;
  }

  /** A Buffer over `buffer`. Throws as that does. */
  get bytes(): Buffer {
    const buffer = this.buffer;
    if (this.#bytes?.buffer !== buffer) this.#bytes = Buffer.from(buffer);
    return this.#bytes!;
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
   * @example const column = mapping.view(Float64Array, 4096, 1000);
   */
  view<T extends ViewClass>(type: T, byteOffset = 0, length?: number): InstanceType<T> {
    const count = elementsOf(type, this.#total(), this.offset, byteOffset, length);
    if (this.closed) throw closedError();
    return makeView(type, bufferOf(this.#handle, byteOffset, count * elementSize(type)), count);
  }

  /**
   * Successive windows over the whole mapping, each of `elements` elements but for the last. V8 is slow
   * past index 2^31 of one typed array; this is not. A window is a `view()`, and each step makes one.
   *
   * @throws as `view()`; RangeError `ERR_OUT_OF_RANGE` where the mapping is not a whole number of elements.
   * @example for (const { view, byteOffset } of mapping.windows(Float64Array, 1 << 20)) sum(view, byteOffset);
   */
  windows<T extends ViewClass>(
    type: T,
    elements: number,
  ): Iterable<{ view: InstanceType<T>; byteOffset: number }> {
    const total = this.#total();
    checkWindows(type, total, this.offset, elements);
    if (this.closed) throw closedError();
    return windowsOf(this, type, elements, total);
  }

  /**
   * The whole mapping, for workers: post it, and every thread sees the same memory. It survives this
   * object, and is not detached by `unmap()`: what is read through it afterwards is zero, what is written
   * is gone. While one is alive, `resize()` stays within the reserve.
   *
   * @throws Error `ERR_FEATURE_UNAVAILABLE` where the runtime cannot make one (Deno, and Node 22 to 26
   *   before 22.23, 24.21 and 26.10), or not so large; `ERR_MAPPING_CLOSED`.
   * @throws RangeError `ERR_OUT_OF_RANGE`: a mapping of zero bytes.
   * @example
   * worker.postMessage(mapping.sharedBuffer);
   * // there: const cells = new Int32Array(sharedBuffer); or Mapping.from(sharedBuffer)
   */
  get sharedBuffer(): SharedArrayBuffer {
    if (this.closed) throw closedError();
    let shared = this.#sharedBuffer?.deref();
    if (shared === undefined || shared.byteLength !== this.#total()) {
      shared = native.sharedBufferOf(this.#handle);
      this.#sharedBuffer = new WeakRef(shared);
      this.#shared = true;
    }
    return shared;
  }

  /**
   * The mapping behind a `sharedBuffer` that came from another thread: the same memory, the same file. Its
   * `unmap()` ends this object and its buffers; the mapping ends where it was made.
   *
   * @throws TypeError `ERR_INVALID_ARG_TYPE`: not a sharedBuffer of this package; Error
   *   `ERR_MAPPING_CLOSED`.
   * @example using mapping = Mapping.from(workerData);
   */
  static from(shared: SharedArrayBuffer): Mapping {
    if (!(shared instanceof SharedArrayBuffer)) {
      throw invalidType('shared', 'a SharedArrayBuffer of a mapping', shared);
    }
    const mapping = new Mapping(internal, (owner) => native.mappingBehind(owner, asView(shared)));
    mapping.#shared = true;
    return mapping;
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
    const whole = where === undefined && length === undefined;
    const ranges = whole ? undefined : validate.ranges(this.#total(), where, length);
    const job = {};
    withFaults(this, () => native.prepareFlush(job, this.#handle, ranges));
    const done = this.#flushed.then(() => native.runFlush(job));
    this.#flushed = done.catch(() => {});
    await done;
  }

  /**
   * As `flush()`, but waits (for a flush that runs already, too), and throws what that would reject with.
   * @example mapping.flushSync(0, 4096);
   */
  flushSync(offset?: number, length?: number): void {
    if (offset === undefined && length === undefined) {
      withFaults(this, () => native.flushSync(this.#handle));
      return;
    }
    const [from, bytes] = validate.range(this.#total(), offset, length);
    withFaults(this, () => native.flushSync(this.#handle, from, bytes));
  }

  /**
   * Sets the length of the file (ftruncate(2)) and of the mapping. Longer: blocks are allocated (unless it
   * is `sparse`), and within the `reserve` no address changes: older buffers keep their length, `buffer` is
   * a new and longer one. Beyond the reserve, and when it gets shorter, every buffer is detached. Advice,
   * lock and protection go along: beyond the reserve those of the whole mapping only, not of parts.
   *
   * @param length bytes
   * @throws RangeError `ERR_OUT_OF_RANGE`: the file goes on past the end of the mapping (nothing outside
   *   the window is ever cut); or beyond the reserve while a `sharedBuffer` is alive.
   * @throws Error `ERR_MAPPING_ACCESS` unless the mapping is `'write'` and of a file; `ENOSPC`, `EFBIG`,
   *   `EDQUOT`, `ENOMEM`, `EPERM` (sealed): nothing has changed then.
   * @example
   * const table = map('table.dat', { access: 'write', reserve: 1 << 30 });
   * table.resize(2 * table.length); // `table.bytes` is longer now
   */
  resize(length: number): void {
    validate.integer('length', length, 0, Number.MAX_SAFE_INTEGER - this.offset);
    native.resize(this.#handle, length);
    this.#length = native.lengthOf(this.#handle);
  }

  /**
   * Moves the window (mmap(2), MAP_FIXED): the same buffers, the same addresses, over another part of the
   * file, in one step for every thread. Pages left behind are the file's: a `flush()` without a range
   * covers every window since the last one. Faults stay recorded.
   *
   * @param offset in the file, in bytes: equal to the present one modulo the page size, and not past the
   *   end of the file
   * @returns how many bytes of the window lie before the end of the file; the others fault when touched
   * @throws RangeError `ERR_OUT_OF_RANGE`; Error `ERR_MAPPING_ACCESS` for a `'copy'`,
   *   `ERR_MAPPING_CLOSED`.
   * @example
   * const window = map('huge.bin', { length: 64 << 20 });
   * const bytes = window.bytes;
   * for (let at = 0; at < size; at += 64 << 20) sum(bytes.subarray(0, window.slide(at)));
   */
  slide(offset: number): number {
    validate.integer('offset', offset, 0, Number.MAX_SAFE_INTEGER - this.#total());
    const bytes = native.slide(this.#handle, offset);
    this.#offset = offset;
    return bytes;
  }

  /**
   * Looks at the file again: a file that others made longer makes the mapping longer, up to its
   * `reserve`, and pages that faulted are put back on the file. Never changes the file.
   *
   * What was written to faulted pages before is gone; `faults` still tells.
   *
   * @returns the bytes of the mapping that lie before the end of the file
   * @throws Error `ERR_MAPPING_CLOSED`, `ENOMEM`.
   * @example
   * const log = map('app.log', { reserve: 1 << 30 });
   * const end = log.refresh(); // again and again
   */
  refresh(): number {
    const bytes = native.refresh(this.#handle);
    this.#length = native.lengthOf(this.#handle);
    return bytes;
  }

  /**
   * Advice for a range, by the lower-case name of madvise(2): `'willneed'`, `'dontneed'`, `'cold'`...
   * `'normal'`, `'random'` and `'sequential'` for the whole mapping outlive `resize()` and `slide()`.
   *
   * @throws TypeError `ERR_INVALID_ARG_TYPE`: unknown advice; RangeError `ERR_OUT_OF_RANGE`; Error of
   *   the kernel (see `madvise` in memmap/posix), `ERR_MAPPING_CLOSED`.
   * @example mapping.advise('dontneed', 0, 1 << 20); // out of this process; a file's pages stay in the page cache
   */
  advise(advice: string, offset?: number, length?: number): void {
    native.advise(
      this.#handle,
      adviceNumber(advice),
      ...validate.range(this.#total(), offset, length),
    );
  }

  /**
   * Reads a range in, on a pool thread (MADV_POPULATE_READ); resolves when it is in memory, as far as it
   * fits. Of pages past the end of the file nothing is said.
   * @example await mapping.prefetch(0, 1 << 20);
   */
  async prefetch(offset?: number, length?: number): Promise<void> {
    await native.prefetch(this.#handle, ...validate.range(this.#total(), offset, length));
  }

  /**
   * Keeps a range in memory (mlock(2)).
   *
   * @throws Error `ENOMEM`, `EPERM` or `EAGAIN`: beyond the limit (`RLIMIT_MEMLOCK`).
   * @example mapping.lock(0, 4096);
   */
  lock(offset?: number, length?: number): void {
    native.lock(this.#handle, ...validate.range(this.#total(), offset, length));
  }

  /** Takes `lock()` back (munlock(2)). @example mapping.unlock(0, 4096); */
  unlock(offset?: number, length?: number): void {
    native.unlock(this.#handle, ...validate.range(this.#total(), offset, length));
  }

  /**
   * Changes what may be done with the pages of a range (mprotect(2)). What is not allowed then is survived
   * by the guard, and recorded as a fault. `refresh()` brings faulted pages back with the protection
   * that the whole mapping has.
   *
   * @throws Error `EACCES`: `'write'` for a mapping whose access is `'read'`.
   * @example mapping.protect('read', 0, 4096);
   */
  protect(access: 'none' | 'read' | 'write', offset?: number, length?: number): void {
    const prot = PROTECTION[validate.oneOf('access', access, PROTECTIONS)];
    native.protect(this.#handle, prot, ...validate.range(this.#total(), offset, length));
  }

  /**
   * Which pages of a range are in memory (mincore(2)): one byte of `map` for each page, 1 is resident. True
   * for a moment only.
   * @example const { pages, resident } = mapping.residency();
   */
  residency(
    offset?: number,
    length?: number,
  ): { pages: number; resident: number; map: Uint8Array } {
    const map = native.residency(this.#handle, ...validate.range(this.#total(), offset, length));
    return { pages: map.length, resident: map.reduce((sum, page) => sum + page, 0), map };
  }

  /**
   * What the mapping takes in memory, in bytes. Reads /proc/self/smaps: not for a hot path.
   * @example console.log(mapping.usage().rss);
   */
  usage(): Usage {
    return native.usage(this.#handle);
  }

  /**
   * Ends the mapping: every buffer and view of it in this thread has length 0 from here on, and the file
   * and its memory are let go of. Nothing is lost by it: what was written to a file stays written, and
   * the kernel brings it to the disk in its own time. Idempotent.
   *
   * I/O that is using a buffer of it at that moment fails with `EFAULT`, or moves fewer bytes.
   * @example mapping.unmap();
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
