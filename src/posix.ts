// 'memmap/posix': the calls of the man pages, with the address replaced by a buffer.
import { invalidType, outOfRange } from './errors.js';
import { native } from './native.js';
import { type MADV, type MAP, type MS, PROT } from './posix-constants.js';
import * as validate from './validate.js';
import { asView } from './views.js';

export * from './posix-constants.js';

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
 * @example
 * mlock(buffer);
 */
export function mlock(region: Region): void {
  native.lock(target(region));
}

/**
 * Takes `mlock()` back, whatever the number of its calls: munlock(2).
 *
 * @throws Error `ENOMEM`, `ERR_MAPPING_CLOSED`.
 * @example
 * munlock(buffer);
 */
export function munlock(region: Region): void {
  native.unlock(target(region));
}

/**
 * Which pages are in memory: mincore(2). One byte for each page: 1 is resident, 0 is not. True for a moment
 * only, unless the pages are locked.
 *
 * @throws Error `EAGAIN`, `ENOMEM`, `ERR_MAPPING_CLOSED`.
 * @example
 * const pages = mincore(buffer);
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
 * @throws Error `EFAULT`: private memory whose parts were protected, locked or advised differently.
 * @throws Error `ERR_MAPPING_FAULT`, with `faults`: pages were lost, and what was written to them would
 *   be lost without a word.
 * @example
 * buffer = mremap(buffer, 2 * buffer.byteLength);
 */
export function mremap(buffer: ArrayBuffer, newLength: number): ArrayBuffer {
  if (!(buffer instanceof ArrayBuffer)) {
    throw invalidType('buffer', 'an ArrayBuffer that mmap() returned', buffer);
  }
  return native.mremap(buffer, validate.integer('newLength', newLength));
}

/**
 * A new file in memory, without a name in any directory: memfd_create(2). The descriptor is the caller's,
 * and closed on exec.
 *
 * @param name shown in /proc/PID/fd, at most 249 bytes; it need not be unique
 * @param flags of `MFD`, joined by `|`. Default 0: it cannot be sealed.
 * @throws Error `EINVAL` (unknown flags, name too long), `EMFILE`, `ENFILE`, `ENOMEM`.
 * @example
 * const fd = memfd_create('table', MFD.ALLOW_SEALING);
 * ftruncate(fd, 4096);
 */
export function memfd_create(name: string, flags: number = 0): number {
  return native.memfdCreate(
    validate.string('name', name),
    validate.integer('flags', flags, 0, 0xffffffff),
  );
}

/**
 * Opens or makes shared memory by name: shm_open(3). A new one has size 0 until `ftruncate()`. The
 * descriptor is the caller's, and closed on exec.
 *
 * @param name `/somename`, at most 255 bytes, no further slash
 * @param oflag of `constants` in node:fs: `O_RDONLY` or `O_RDWR`, with `O_CREAT`, `O_EXCL`, `O_TRUNC`
 * @param mode permissions of a new one, less the umask. Default 0o600.
 * @throws Error `EEXIST`, `ENOENT`, `EACCES`, `EINVAL` (name), `ENAMETOOLONG`, `EMFILE`.
 * @example
 * const fd = shm_open('/table', constants.O_RDWR | constants.O_CREAT);
 * ftruncate(fd, 4096);
 */
export function shm_open(name: string, oflag: number, mode: number = 0o600): number {
  validate.string('name', name);
  validate.integer('oflag', oflag, 0, MAX_INT);
  return native.shmOpen(name, oflag, validate.integer('mode', mode, 0, 0o7777));
}

/**
 * Takes a name away: shm_unlink(3). Mappings go on.
 *
 * @throws Error `ENOENT`, `EACCES`.
 * @example
 * shm_unlink('/table');
 */
export function shm_unlink(name: string): void {
  native.shmUnlink(validate.string('name', name));
}

/**
 * Seals a memfd: fcntl(2), F_ADD_SEALS. A seal can never be taken off.
 *
 * @param seals of `F_SEAL`, joined by `|`
 * @throws Error `EPERM` (sealed against sealing, or not made for it), `EBUSY` (`WRITE` while writable
 *   mappings exist), `EINVAL` (not a memfd), `EBADF`.
 * @example
 * add_seals(fd, F_SEAL.SHRINK | F_SEAL.GROW);
 */
export function add_seals(fd: number, seals: number): void {
  native.addSeals(validate.descriptor('fd', fd), validate.integer('seals', seals, 0, MAX_INT));
}

/**
 * The seals of a memfd, of `F_SEAL`, joined by `|`: fcntl(2), F_GET_SEALS.
 *
 * @throws Error `EINVAL` (not a memfd), `EBADF`.
 * @example
 * const isSealed = (get_seals(fd) & F_SEAL.SHRINK) !== 0;
 */
export function get_seals(fd: number): number {
  return native.getSeals(validate.descriptor('fd', fd));
}
