// What concerns the whole process rather than one mapping.
import { invalidType, stateError } from './errors.js';
import { native } from './native.js';

/**
 * Turns the guard off (or on again), before the first mapping of the process only.
 *
 * The guard is a handler for SIGBUS and SIGSEGV that puts usable pages where a mapping cannot be touched
 * any more. Without it such an access ends the process, as it does in C. It is on unless this is called.
 *
 * @throws TypeError `ERR_INVALID_ARG_TYPE`: not a boolean.
 * @throws Error `ERR_INVALID_STATE`: there has been a mapping already, in this thread or another.
 * @example
 * setGuard(false); // this program brings its own signal handler
 */
export function setGuard(on: boolean): void {
  if (typeof on !== 'boolean') throw invalidType('on', 'a boolean', on);
  if (!native.enableGuard(on)) {
    throw stateError(
      'ERR_INVALID_STATE',
      'The guard can be switched before the first mapping of the process only',
    );
  }
}

/** What the package holds at this moment, in the whole process. */
export interface Stats {
  /** Address ranges: mapped, and unmapped but not given back yet. */
  readonly regions: number;
  /** Bytes of address space of the mappings that are open. */
  readonly mappedBytes: number;
  /** Bytes of address space that wait for the last buffer over them to be collected. They hold no memory. */
  readonly retiredBytes: number;
  /** File descriptors held open. */
  readonly descriptors: number;
  /** Faults survived since the process began. */
  readonly faults: number;
}

/**
 * Counts of what is alive, for tests and for monitoring. Cheap: it reads five counters.
 *
 * @example
 * console.log(stats().regions);
 */
export function stats(): Stats {
  return native.stats();
}
