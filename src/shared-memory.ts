// SharedMemory: memory that has a descriptor, or a name, and no disk.
import { invalidType, outOfRange, stateError } from './errors.js';
import { constructorKey, handleOf, Mapping } from './mapping.js';
import { type Handle, native } from './native.js';
import * as validate from './validate.js';

const { F_SEAL_SHRINK = 0, F_SEAL_GROW = 0, F_SEAL_FUTURE_WRITE = 0 } = native.constants;

function sizeIsSealed(fd: number): boolean {
  const wanted = F_SEAL_SHRINK | F_SEAL_GROW;
  try {
    return (native.getSeals(fd) & wanted) === wanted;
  } catch {
    return false; // a file that cannot be sealed
  }
}

/** As the add-on counts: 0 to read, 1 to write. */
export function accessNumber(access: unknown): 0 | 1 {
  return validate.oneOf('options.access', access === undefined ? 'write' : access, [
    'read',
    'write',
  ]) === 'write'
    ? 1
    : 0;
}

/** A name is one file of /dev/shm: never a way to another directory. */
function segmentName(name: unknown): string {
  const text = validate.string('name', name);
  const file = text.startsWith('/') ? text.slice(1) : text;
  if (file === '' || file === '.' || file === '..' || file.includes('/')) {
    throw invalidType('name', 'a name without slashes, but for a leading one', name);
  }
  return file;
}

/** Memory with a descriptor and without a disk, to be shared by processes. Byte 0 is the user's. */
export class SharedMemory extends Mapping {
  readonly #name: string | undefined;

  /** @internal */
  constructor(key: symbol, make: (owner: object) => Handle, name: string | undefined) {
    super(key, make);
    this.#name = name;
  }

  /** The descriptor that the mapping keeps; closed by `unmap()`. */
  get fd(): number {
    return native.descriptorOf(handleOf(this));
  }

  /** As it was given or opened by; undefined for memory of `adopt()` and without a name. */
  get name(): string | undefined {
    return this.#name;
  }

  /**
   * A new segment (memfd_create(2)), zeroed, whose size is sealed: nobody who gets its descriptor can cut
   * it under the others' mappings. It lives as long as somebody has it mapped or open.
   *
   * @param length bytes, at least 1
   * @param options `name`: shown in /proc/PID/maps, at most 249 bytes; it names nothing
   * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`.
   * @throws Error `EINVAL` (name too long), `EMFILE`, `ENFILE`, `ENOMEM`, `EFBIG`.
   * @example
   * const memory = SharedMemory.create(4096);
   * fork('./child.js', share({ counter: memory }));
   */
  static create(length: number, options?: { name?: string }): SharedMemory {
    validate.integer('length', length, 1);
    const { name } = validate.options(options);
    if (name !== undefined) validate.string('options.name', name);
    const make = (owner: object) => native.createMemory(owner, name ?? 'memmap', length);
    return new SharedMemory(constructorKey, make, name);
  }

  /**
   * The mapping of memory that came as a descriptor, from whoever: its type, its size and its seals are
   * looked at first. The descriptor stays the caller's.
   *
   * @param options `access`: default `'write'`. `trusted`: its size is not sealed, and nobody will cut it
   *   (the guard survives it if they do).
   * @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE` (a size of 0).
   * @throws Error `ERR_INVALID_STATE`: not sealed against shrinking and growing; `EBADF`, `ENODEV` (not a
   *   file), `EACCES` (not open for writing), `EPERM` (sealed against writing).
   * @example
   * const memory = SharedMemory.adopt(3, { access: 'read' });
   */
  static adopt(
    fd: number,
    options?: { access?: 'read' | 'write'; trusted?: boolean },
  ): SharedMemory {
    validate.descriptor('fd', fd);
    const given = validate.options(options);
    const mode = accessNumber(given.access);
    const trusted = validate.boolean('options.trusted', given.trusted);
    // Anything but a file of memory is refused by the mapping itself; of an empty one nothing can be shared.
    const { size } = native.identify(fd);
    if (!trusted && !sizeIsSealed(fd)) {
      throw stateError(
        'ERR_INVALID_STATE',
        `The memory behind descriptor ${fd} is not sealed against shrinking and growing: pass "trusted" if nobody will cut it`,
      );
    }
    const make = (owner: object) => native.mapFile(owner, fd, mode, 0, 0, 0);
    const memory = new SharedMemory(constructorKey, make, undefined);
    if (size === 0) {
      memory.unmap();
      throw outOfRange('fd', 'of memory that has bytes', fd);
    }
    return memory;
  }

  /**
   * Memory with a name, for programs that are not each other's children: a file of /dev/shm
   * (shm_overview(7)). Its bytes are allocated, and it gets its name when it has its size. It lives until
   * `unlink()`, whoever made it; nothing removes it by itself.
   *
   * Its size cannot be sealed: another process with the permission may cut it, which the guard survives.
   *
   * @param name with or without a leading slash, at most 255 bytes, no other slash
   * @param length bytes, at least 1
   * @param options `mode`: permissions, less the umask, default 0o600. `exclusive`: a name in use is
   *   `EEXIST`; otherwise what is there is opened, if it is long enough.
   * @throws TypeError `ERR_INVALID_ARG_TYPE`; RangeError `ERR_OUT_OF_RANGE`, also where the name is in
   *   use by a shorter memory.
   * @throws Error `EEXIST`, `EACCES`, `ENOSPC`, `ENAMETOOLONG`, `EMFILE`.
   * @example
   * const table = SharedMemory.createNamed('my-table', 1 << 20, { exclusive: true });
   */
  static createNamed(
    name: string,
    length: number,
    options?: { mode?: number; exclusive?: boolean },
  ): SharedMemory {
    const file = segmentName(name);
    validate.integer('length', length, 1);
    const given = validate.options(options);
    const mode = validate.optionalInteger('options.mode', given.mode, 0, 0o7777) ?? 0o600;
    const exclusive = validate.boolean('options.exclusive', given.exclusive);
    const make = (owner: object) => native.createNamed(owner, file, length, mode, exclusive);
    return new SharedMemory(constructorKey, make, name);
  }

  /**
   * Named memory that another program made. Any program: shm_open(3) in C, `shared_memory` in Python.
   *
   * @param options `access`: default `'write'`
   * @throws TypeError `ERR_INVALID_ARG_TYPE`; Error `ENOENT`, `EACCES`; RangeError `ERR_OUT_OF_RANGE`: it has no
   *   bytes yet.
   * @example
   * const table = SharedMemory.open('my-table', { access: 'read' });
   */
  static open(name: string, options?: { access?: 'read' | 'write' }): SharedMemory {
    const file = segmentName(name);
    const mode = accessNumber(validate.options(options).access);
    const make = (owner: object) => native.openNamed(owner, file, mode === 1);
    return new SharedMemory(constructorKey, make, name);
  }

  /**
   * Takes a name away (shm_unlink(3)); mappings go on.
   *
   * @throws TypeError `ERR_INVALID_ARG_TYPE`; Error `ENOENT`, `EACCES`.
   * @example
   * SharedMemory.unlink('my-table');
   */
  static unlink(name: string): void {
    native.shmUnlink(segmentName(name));
  }

  /**
   * `seal('write')`: no new writers from here on (F_SEAL_FUTURE_WRITE); mappings that exist keep writing.
   * It can not be taken back. For memory of `create()` only: a file of /dev/shm cannot be sealed.
   *
   * @throws Error `EPERM` (named memory, or sealed against sealing), `EINVAL` before Linux 5.1,
   *   `ERR_MAPPING_CLOSED`.
   * @example
   * memory.seal('write'); // whoever gets the descriptor from here on can only read
   */
  seal(what: 'write'): void {
    validate.oneOf('what', what, ['write']);
    native.addSeals(this.fd, F_SEAL_FUTURE_WRITE);
  }
}
