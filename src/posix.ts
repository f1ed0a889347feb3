// 'memmap/posix': the calls of the man pages, with the address replaced by a buffer. The enums are types
// whose values the add-on reads from the platform's headers, so they are computed.
import { invalidType, outOfRange } from './errors.js';
import { native } from './native.js';
import * as validate from './validate.js';
import { asView } from './views.js';

function constant(name: string): number {
  const value = native.constants[name];
  if (value === undefined) throw new Error(`memmap: the add-on has no ${name}`);
  return value;
}

/** Protection of pages (mmap(2), mprotect(2)). The values are those of the platform's headers. */
export enum PROT {
  NONE = constant('PROT_NONE'),
  READ = constant('PROT_READ'),
  WRITE = constant('PROT_WRITE'),
  EXEC = constant('PROT_EXEC'),
}

/** Flags of mmap(2). */
export enum MAP {
  SHARED = constant('MAP_SHARED'),
  PRIVATE = constant('MAP_PRIVATE'),
  SHARED_VALIDATE = constant('MAP_SHARED_VALIDATE'),
  ANONYMOUS = constant('MAP_ANONYMOUS'),
  NORESERVE = constant('MAP_NORESERVE'),
  POPULATE = constant('MAP_POPULATE'),
  NONBLOCK = constant('MAP_NONBLOCK'),
  LOCKED = constant('MAP_LOCKED'),
  STACK = constant('MAP_STACK'),
  HUGETLB = constant('MAP_HUGETLB'),
  HUGE_2MB = constant('MAP_HUGE_2MB'),
  HUGE_1GB = constant('MAP_HUGE_1GB'),
  SYNC = constant('MAP_SYNC'),
}

/** Flags of msync(2). */
export enum MS {
  ASYNC = constant('MS_ASYNC'),
  INVALIDATE = constant('MS_INVALIDATE'),
  SYNC = constant('MS_SYNC'),
}

/** Advice of madvise(2). The pages that fail on every access (HWPOISON and its like) are left out. */
export enum MADV {
  NORMAL = constant('MADV_NORMAL'),
  RANDOM = constant('MADV_RANDOM'),
  SEQUENTIAL = constant('MADV_SEQUENTIAL'),
  WILLNEED = constant('MADV_WILLNEED'),
  DONTNEED = constant('MADV_DONTNEED'),
  FREE = constant('MADV_FREE'),
  REMOVE = constant('MADV_REMOVE'),
  DONTFORK = constant('MADV_DONTFORK'),
  DOFORK = constant('MADV_DOFORK'),
  MERGEABLE = constant('MADV_MERGEABLE'),
  UNMERGEABLE = constant('MADV_UNMERGEABLE'),
  HUGEPAGE = constant('MADV_HUGEPAGE'),
  NOHUGEPAGE = constant('MADV_NOHUGEPAGE'),
  DONTDUMP = constant('MADV_DONTDUMP'),
  DODUMP = constant('MADV_DODUMP'),
  WIPEONFORK = constant('MADV_WIPEONFORK'),
  KEEPONFORK = constant('MADV_KEEPONFORK'),
  COLD = constant('MADV_COLD'),
  PAGEOUT = constant('MADV_PAGEOUT'),
  POPULATE_READ = constant('MADV_POPULATE_READ'),
  POPULATE_WRITE = constant('MADV_POPULATE_WRITE'),
  COLLAPSE = constant('MADV_COLLAPSE'),
}

export const PROT_NONE: PROT.NONE = PROT.NONE;
export const PROT_READ: PROT.READ = PROT.READ;
export const PROT_WRITE: PROT.WRITE = PROT.WRITE;
export const PROT_EXEC: PROT.EXEC = PROT.EXEC;
export const MAP_SHARED: MAP.SHARED = MAP.SHARED;
export const MAP_PRIVATE: MAP.PRIVATE = MAP.PRIVATE;
export const MAP_SHARED_VALIDATE: MAP.SHARED_VALIDATE = MAP.SHARED_VALIDATE;
export const MAP_ANONYMOUS: MAP.ANONYMOUS = MAP.ANONYMOUS;
export const MAP_NORESERVE: MAP.NORESERVE = MAP.NORESERVE;
export const MAP_POPULATE: MAP.POPULATE = MAP.POPULATE;
export const MAP_NONBLOCK: MAP.NONBLOCK = MAP.NONBLOCK;
export const MAP_LOCKED: MAP.LOCKED = MAP.LOCKED;
export const MAP_STACK: MAP.STACK = MAP.STACK;
export const MAP_HUGETLB: MAP.HUGETLB = MAP.HUGETLB;
export const MAP_HUGE_2MB: MAP.HUGE_2MB = MAP.HUGE_2MB;
export const MAP_HUGE_1GB: MAP.HUGE_1GB = MAP.HUGE_1GB;
export const MAP_SYNC: MAP.SYNC = MAP.SYNC;
export const MS_ASYNC: MS.ASYNC = MS.ASYNC;
export const MS_INVALIDATE: MS.INVALIDATE = MS.INVALIDATE;
export const MS_SYNC: MS.SYNC = MS.SYNC;
export const MADV_NORMAL: MADV.NORMAL = MADV.NORMAL;
export const MADV_RANDOM: MADV.RANDOM = MADV.RANDOM;
export const MADV_SEQUENTIAL: MADV.SEQUENTIAL = MADV.SEQUENTIAL;
export const MADV_WILLNEED: MADV.WILLNEED = MADV.WILLNEED;
export const MADV_DONTNEED: MADV.DONTNEED = MADV.DONTNEED;
export const MADV_FREE: MADV.FREE = MADV.FREE;
export const MADV_REMOVE: MADV.REMOVE = MADV.REMOVE;
export const MADV_DONTFORK: MADV.DONTFORK = MADV.DONTFORK;
export const MADV_DOFORK: MADV.DOFORK = MADV.DOFORK;
export const MADV_MERGEABLE: MADV.MERGEABLE = MADV.MERGEABLE;
export const MADV_UNMERGEABLE: MADV.UNMERGEABLE = MADV.UNMERGEABLE;
export const MADV_HUGEPAGE: MADV.HUGEPAGE = MADV.HUGEPAGE;
export const MADV_NOHUGEPAGE: MADV.NOHUGEPAGE = MADV.NOHUGEPAGE;
export const MADV_DONTDUMP: MADV.DONTDUMP = MADV.DONTDUMP;
export const MADV_DODUMP: MADV.DODUMP = MADV.DODUMP;
export const MADV_WIPEONFORK: MADV.WIPEONFORK = MADV.WIPEONFORK;
export const MADV_KEEPONFORK: MADV.KEEPONFORK = MADV.KEEPONFORK;
export const MADV_COLD: MADV.COLD = MADV.COLD;
export const MADV_PAGEOUT: MADV.PAGEOUT = MADV.PAGEOUT;
export const MADV_POPULATE_READ: MADV.POPULATE_READ = MADV.POPULATE_READ;
export const MADV_POPULATE_WRITE: MADV.POPULATE_WRITE = MADV.POPULATE_WRITE;
export const MADV_COLLAPSE: MADV.COLLAPSE = MADV.COLLAPSE;

/** Bytes of a page, as sysconf(_SC_PAGESIZE) reports them. */
export const PAGE_SIZE: number = constant('PAGE_SIZE');

/** A buffer over memory that this package mapped, or a view of one. */
export type Region = ArrayBuffer | SharedArrayBuffer | ArrayBufferView;

const MAX_INT = 0x7fffffff;

/** What the add-on takes: a view of a SharedArrayBuffer in its place. */
function target(value: unknown): object {
  if (value instanceof SharedArrayBuffer) return asView(value);
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return value;
  throw invalidType('region', 'a buffer that this package made', value);
}

function protection(prot: unknown): number {
  validate.integer('prot', prot, 0, MAX_INT);
  if (((prot as number) & ~(PROT.READ | PROT.WRITE | PROT.EXEC)) !== 0) {
    throw outOfRange('prot', 'PROT.NONE, or PROT.READ, WRITE and EXEC joined by |', prot);
  }
  return prot as number;
}

/**
 * Maps a file, or anonymous memory: mmap(2) less the address.
 *
 * Byte 0 of the buffer is the byte at `offset` of the file. The mapping needs `fd` no longer once this
 * has returned. It ends with `munmap()`, or when the buffer and everything over it has been collected.
 *
 * @param length bytes, from 1 to the runtime's largest ArrayBuffer (4 GiB on Node 20)
 * @param prot `PROT.NONE`, or any of the others joined by `|`
 * @param flags `MAP.SHARED`, `MAP.SHARED_VALIDATE` or `MAP.PRIVATE`, joined with others by `|`
 * @param fd a descriptor open for reading, and for writing where `SHARED` and `WRITE` meet; none (-1)
 *   with `MAP.ANONYMOUS`
 * @param offset bytes, a multiple of the page size
 * @returns a buffer over the kernel's pages, not a copy of them
 * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`: before any system call.
 *   `MAP_FIXED`, `MAP_FIXED_NOREPLACE` and `MAP_GROWSDOWN` are out of range: no argument reaches memory
 *   that this package did not map.
 * @throws Error `ERR_FEATURE_UNAVAILABLE`: longer than the runtime's largest ArrayBuffer; use
 *   `map()` and its `view()`.
 * @throws Error with the kernel's code: `EACCES`, `EAGAIN`, `EBADF`, `EINVAL` (length 0, unaligned
 *   offset, neither SHARED nor PRIVATE), `ENFILE`, `ENODEV`, `ENOMEM`, `EOPNOTSUPP`, `EPERM`.
 * @example
 * const fd = openSync('data.bin', 'r');
 * const buffer = mmap(4096, PROT.READ, MAP.SHARED, fd);
 * closeSync(fd);
 */
export function mmap(
  length: number,
  prot: PROT,
  flags: MAP,
  fd: number = -1,
  offset: number = 0,
): ArrayBuffer {
  validate.integer('length', length);
  protection(prot);
  validate.integer('flags', flags, -MAX_INT - 1, 0xffffffff);
  validate.integer('fd', fd, -1, MAX_INT);
  validate.integer('offset', offset);
  return native.mmap(length, prot, flags | 0, fd, offset);
}

/**
 * Unmaps what `mmap()` returned: the buffer and every view of it have length 0 from here on, and the
 * file and its memory are let go of at once. I/O that is still using the buffer fails with `EFAULT`, or
 * moves fewer bytes than it was asked to. munmap(2).
 *
 * Also ends a `Mapping`, given its `buffer`.
 *
 * @throws TypeError `ERR_INVALID_ARG_TYPE`: not a buffer of this package, or unmapped already.
 * @example
 * munmap(buffer);
 * buffer.byteLength; // 0
 */
export function munmap(buffer: ArrayBuffer): void {
  if (!(buffer instanceof ArrayBuffer)) {
    throw invalidType('buffer', 'an ArrayBuffer that this package made', buffer);
  }
  native.munmap(buffer);
}

/**
 * Writes changed pages of a shared file mapping to the file: msync(2).
 *
 * `MS.SYNC` returns when they are on the disk. `MS.ASYNC` does nothing on Linux since 2.6.19: the
 * kernel writes pages back in its own time anyway. `MS.INVALIDATE` only fails with `EBUSY` where pages
 * are locked: mappings of one file share their pages and are never stale.
 *
 * Not promised: an order in which pages reach the disk before this returns; and after a failure the
 * kernel takes the pages for clean, so a second call that succeeds proves nothing.
 *
 * @param region of a view, the pages that it touches
 * @throws TypeError `ERR_INVALID_ARG_TYPE`: not a buffer of this package, or unmapped already.
 * @throws Error `EBUSY`, `EINVAL` (unknown flags, or SYNC together with ASYNC), `ENOMEM`, or the error
 *   of the device: `EIO`, `ENOSPC`, `EDQUOT`.
 * @throws Error `ERR_MAPPING_FAULT`, with `faults`: pages of a shared mapping that it touches were lost, for
 *   which the kernel would report success.
 * @example
 * new Uint8Array(buffer).fill(1);
 * msync(buffer, MS.SYNC);
 */
export function msync(region: Region, flags: MS): void {
  const bytes = target(region);
  validate.integer('flags', flags, -MAX_INT - 1, MAX_INT);
  native.sync(bytes, flags);
}

/**
 * Sets the size of a file: ftruncate(2). Bytes that are added read as zero and take no room on the disk
 * until they are written; pages of mappings past a smaller size can no longer be touched (the guard puts
 * private zero pages there, and records a fault).
 *
 * @param length bytes
 * @throws Error `EBADF`, `EFBIG`, `EINVAL` (not open for writing, or not a file), `EPERM` (sealed).
 * @example
 * ftruncate(fd, 4096);
 */
export function ftruncate(fd: number, length: number): void {
  native.ftruncate(validate.descriptor('fd', fd), validate.integer('length', length));
}

/**
 * Tells the kernel how memory will be used, or changes what it does with it: madvise(2).
 *
 * `DONTNEED`, `FREE` and `REMOVE` throw contents away: of the whole pages that the region touches.
 *
 * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE` (advice that makes pages
 *   unusable), Error `ERR_MAPPING_CLOSED`.
 * @throws Error `EINVAL`: unknown advice, or not for this kind of memory (`FREE` and `WIPEONFORK` are for
 *   private anonymous memory, `DONTNEED` and `REMOVE` not for locked memory); `EACCES`, `EAGAIN`,
 *   `EIO`, `ENOMEM`, `EPERM`.
 * @example
 * madvise(buffer, MADV.RANDOM); // no read-ahead
 */
export function madvise(region: Region, advice: MADV): void {
  const bytes = target(region);
  native.advise(bytes, validate.integer('advice', advice, -MAX_INT - 1, MAX_INT));
}

/**
 * Changes what may be done with pages: mprotect(2). What is not allowed afterwards is survived by the guard
 * and recorded as a fault.
 *
 * @throws Error `EACCES`: write access to a shared mapping of a descriptor that was not open for writing;
 *   `ENOMEM`; `ERR_MAPPING_CLOSED`.
 * @example
 * mprotect(buffer, PROT.READ);
 */
export function mprotect(region: Region, prot: PROT): void {
  const bytes = target(region);
  native.protect(bytes, protection(prot));
}

/**
 * Brings pages into memory and keeps them there: mlock(2). Locks do not nest.
 *
 * @throws Error `ENOMEM` or `EPERM`: beyond the limit (`RLIMIT_MEMLOCK`), or pages past the end of the
 *   file; `EAGAIN`; `ERR_MAPPING_CLOSED`.
 */
export function mlock(region: Region): void {
  native.lock(target(region));
}

/** Takes `mlock()` back, whatever the number of its calls: munlock(2). */
export function munlock(region: Region): void {
  native.unlock(target(region));
}

/**
 * Which pages are in memory: mincore(2). One byte for each page: 1 is resident, 0 is not. True for a moment
 * only, unless the pages are locked.
 */
export function mincore(region: Region): Uint8Array {
  return native.residency(target(region));
}

/**
 * The same pages with another length: mremap(2). The old buffer is detached, and the new one is elsewhere.
 * Where the file or the shared memory is shorter than the new length, the pages behind it fault.
 *
 * @param buffer what `mmap()` returned; the buffer of a Mapping has `resize()`
 * @param newLength bytes, at least 1
 * @throws Error `EINVAL` (length 0), `ENOMEM`, `EAGAIN`; `ERR_FEATURE_UNAVAILABLE` beyond the
 *   runtime's largest ArrayBuffer. The old buffer is as it was then.
 * @example
 * buffer = mremap(buffer, 2 * buffer.byteLength);
 */
export function mremap(buffer: ArrayBuffer, newLength: number): ArrayBuffer {
  if (!(buffer instanceof ArrayBuffer)) {
    throw invalidType('buffer', 'an ArrayBuffer that mmap() returned', buffer);
  }
  return native.mremap(buffer, validate.integer('newLength', newLength));
}
