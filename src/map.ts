// map() and anonymous(): how a Mapping comes about.
import {
  type AnonymousOptions,
  type File,
  fileArgument,
  type MapOptions,
  mapArguments,
  memoryFlags,
  SHARED,
} from './map-options.js';
import { constructorKey, Mapping } from './mapping.js';
import { native } from './native.js';
import * as validate from './validate.js';

/**
 * Maps a file: its bytes as memory (mmap(2)).
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
  const given = mapArguments(options);
  return new Mapping(constructorKey, (owner) => native.mapFile(owner, target, ...given));
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
  const flags = memoryFlags(given) | (shared ? SHARED : 0);
  return new Mapping(constructorKey, (owner) => native.mapAnonymous(owner, length, flags));
}
