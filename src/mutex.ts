// Mutex: a lock in shared memory. Its layout, and how the death of an owner is noticed, stand in
// native/include/memmap_sync.h; here are its waits, and the tasks of one thread.
import { constants } from 'node:os';
import { invalidType, systemError, withFaults } from './errors.js';
import { Line } from './line.js';
import { handleOf, Mapping } from './mapping.js';
import { type MutexHandle, native } from './native.js';
import * as validate from './validate.js';
import { inSlices, Pending } from './waiting.js';

/** `Locked` of native/core/mutex.h, in its order. */
enum Locked {
  YES,
  OWNER_DIED,
  BUSY,
  MINE,
  TIMED_OUT,
}

/** `Owner` of native/core/mutex.h, in its order. */
export enum Owner {
  NOBODY,
  THIS_THREAD,
  ALIVE,
  DEAD,
}

/** For the modules of this package: who holds a lock, without taking it. */
export let ownerOf: (mutex: Mutex) => Owner;

/** Milliseconds after which a waiter asks whether the owner lives. */
const OWNER_CHECK = 50;

const failed = (code: 'EDEADLK' | 'ETIMEDOUT'): Error =>
  systemError(constants.errno[code], 'futex');

/** By the lock's key. Only those that somebody stands in. */
const lines = new Map<string, Line>();

/** A lock that is held. `using held = await mutex.lock()` unlocks it at the end of the block. */
export interface Held extends Disposable {
  /** The owner before ended while holding it: what the lock protects may be half changed. */
  readonly ownerDied: boolean;
  /**
   * Lets go of the lock; once, later calls do nothing. Any task of the thread may call it.
   *
   * @throws Error `ERR_MAPPING_CLOSED`: the mapping was unmapped before, and the lock given up with it:
   *   the next owner is told `ownerDied`. `EPERM`: somebody has overwritten the lock. RangeError
   *   `ERR_OUT_OF_RANGE`: the mapping was slid away from the lock, which stays held.
   * @example
   * const held = mutex.lockSync();
   * held.unlock();
   */
  unlock(): void;
}

class HeldLock implements Held {
  readonly ownerDied: boolean;
  #unlock: (() => void) | undefined;

  constructor(ownerDied: boolean, unlock: () => void) {
    this.ownerDied = ownerDied;
    this.#unlock = unlock;
  }

  unlock(): void {
    const unlock = this.#unlock;
    this.#unlock = undefined;
    try {
      unlock?.();
    } catch (error) {
      // Held still: the mapping may come back to it.
      if ((error as { code?: unknown }).code === 'ERR_OUT_OF_RANGE') this.#unlock = unlock;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.unlock();
  }
}

/**
 * A lock in shared memory, for any number of processes, workers and async tasks. Memory of zeros is an
 * unlocked one. It is not recursive. One that a process or worker held when it ended goes to the next who
 * asks, and tells that one so; waiters notice the end of a process within some 50 ms.
 *
 * Programs in C take the same lock with native/include/memmap_sync.h.
 *
 * Not promised: order among processes. Who holds a lock and is stopped (SIGSTOP) is not dead.
 *
 * @example
 * const mutex = new Mutex(memory, 0);
 * {
 *   using held = await mutex.lock();
 *   if (held.ownerDied) repair();
 *   table[0]++;
 * }
 */
export class Mutex {
  /** Bytes that a lock takes. */
  static readonly BYTES: number = native.constants['MEMMAP_MUTEX_BYTES']!;
  readonly #memory: Mapping;
  readonly #handle: MutexHandle;
  readonly #key: string;

  static {
    ownerOf = (mutex) => native.mutexOwner(mutex.#handle);
  }

  /**
   * @param memory shared and writable. Of a file that is cut away under it the lock is lost: prefer
   *   SharedMemory, whose size is sealed.
   * @param byteOffset from the beginning of the mapping; the address a multiple of 4. The lock stays at
   *   this byte of the file when the mapping slides.
   * @throws TypeError `ERR_INVALID_ARG_TYPE`, also for private memory; RangeError `ERR_OUT_OF_RANGE`.
   * @throws Error `ERR_MAPPING_CLOSED`; `ERR_MAPPING_ACCESS`: a mapping to read; `EMFILE`, `ENOENT` (no
   *   /proc), `EACCES`: it needs a descriptor of its own, by which the kernel knows that it lives; `EAGAIN`:
   *   another process has locked the bytes of the file by which it would be known.
   */
  constructor(memory: Mapping, byteOffset: number) {
    if (!(memory instanceof Mapping)) throw invalidType('memory', 'a Mapping', memory);
    validate.integer('byteOffset', byteOffset);
    this.#memory = memory;
    this.#handle = native.openMutex(this, handleOf(memory), byteOffset);
    this.#key = native.mutexKey(this.#handle);
  }

  /**
   * Locks without blocking the thread. Tasks of one thread queue in the order in which they asked.
   *
   * @param options `timeout`: milliseconds >= 0, default: for ever. `signal`: gives up with its reason.
   * @throws (rejects) Error `ETIMEDOUT`, `ERR_MAPPING_CLOSED`, `ERR_MAPPING_FAULT` with `faults`; the
   *   signal's reason.
   * @example
   * using held = await mutex.lock({ timeout: 1000 });
   */
  async lock(options?: { timeout?: number; signal?: AbortSignal }): Promise<Held> {
    const given = validate.options(options);
    const timeout = validate.milliseconds('options.timeout', given.timeout);
    const signal = validate.signal('options.signal', given.signal);
    signal?.throwIfAborted();
    const until = performance.now() + timeout;
    const line = this.#line();
    await line.enter(until, signal, () => failed('ETIMEDOUT'));
    try {
      return await this.#acquire(line, until, signal);
    } finally {
      line.poke = undefined;
      if (!line.leave()) lines.delete(this.#key);
    }
  }

  #line(): Line {
    const line = lines.get(this.#key) ?? new Line();
    lines.set(this.#key, line);
    return line;
  }

  async #acquire(line: Line, until: number, signal: AbortSignal | undefined): Promise<Held> {
    for (let slept = false; ; slept = true) {
      const held = this.#held(this.#try(slept));
      if (held !== undefined) return held;
      const rest = until - performance.now();
      if (rest <= 0 || signal?.aborted) {
        // It may have been woken in another's place.
        if (slept) native.mutexPassOn(this.#handle);
        throw signal?.aborted ? signal.reason : failed('ETIMEDOUT');
      }
      const id = withFaults(this.#memory, () =>
        native.mutexStartWait(this.#handle, Math.min(rest, OWNER_CHECK)),
      );
      if (id === 0) continue;
      const wait = new Pending(id, signal);
      line.poke = wait.wake;
      // However it ended: the lock may be elsewhere by now, in memory that was mapped anew.
      await wait.outcome;
    }
  }

  #try(slept: boolean): Locked {
    return withFaults(this.#memory, () => native.mutexTry(this.#handle, slept));
  }

  #held(locked: Locked): Held | undefined {
    if (locked !== Locked.YES && locked !== Locked.OWNER_DIED) return undefined;
    return new HeldLock(locked === Locked.OWNER_DIED, () => {
      withFaults(this.#memory, () => native.mutexUnlock(this.#handle));
      lines.get(this.#key)?.poke?.();
    });
  }

  /**
   * Locks, and blocks the thread meanwhile.
   *
   * @param timeout milliseconds >= 0; default: for ever
   * @throws Error `EDEADLK`: this thread holds it; `ETIMEDOUT`, `ERR_MAPPING_CLOSED`,
   *   `ERR_MAPPING_FAULT`.
   * @example
   * using held = mutex.lockSync(1000);
   */
  lockSync(timeout?: number): Held {
    const span = validate.milliseconds('timeout', timeout);
    const locked = withFaults(this.#memory, () =>
      inSlices(span, Locked.TIMED_OUT, (ms) => native.mutexLock(this.#handle, ms)),
    );
    const held = this.#held(locked);
    if (held === undefined) throw failed(locked === Locked.MINE ? 'EDEADLK' : 'ETIMEDOUT');
    return held;
  }

  /**
   * Locks if nobody holds it; `undefined` otherwise.
   *
   * @throws Error `ERR_MAPPING_CLOSED`, `ERR_MAPPING_FAULT`.
   * @example
   * using held = mutex.tryLock();
   * if (held === undefined) console.log('somebody else is at it');
   */
  tryLock(): Held | undefined {
    return this.#held(this.#try(false));
  }
}
