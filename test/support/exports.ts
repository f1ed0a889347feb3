// What the add-on's exports expect, for the fuzz run, and what must be minded with them.

import fc from 'fast-check';
import {
  type Argument,
  anyName,
  buffer,
  cell,
  fd,
  flags,
  garbage,
  handle,
  integer,
  job,
  mutex,
  oneOf,
  owner,
  ownerOfMapping,
  pairs,
  path,
  sharedView,
  view,
  waitId,
} from './garbage.js';

const size = fc.oneof(integer(0, 70_000), oneOf(0, 1, 4095, 4096, 4097, 8192, 1 << 20));
const offset = fc.oneof(integer(0, 20_000), oneOf(0, 4096, 8192, 12_288));
const none = integer(0, 0);
// As in native/binding/mapping_functions.cc, and two bits that are none.
const options = flags([0, 1, 2], [4, 8, 16, 32, 64, 128, 256, 512, 1024, 1]);
const target = fc.oneof(handle, buffer, view, sharedView);
const oflags = flags([0, 1, 2], [0o100, 0o200, 0o1000, 0o2000, 0o4000]);

/**
 * What each export expects. One that has no entry here is called with garbage only.
 * @param constants the add-on's
 */
export function expectedOf(
  constants: Readonly<Record<string, number>>,
): Record<string, fc.Arbitrary<Argument>[]> {
  const MAP = Object.fromEntries(
    Object.entries(constants)
      .filter(([name]) => name.startsWith('MAP_'))
      .map(([name, bits]) => [name.slice(4), bits]),
  ) as Record<'SHARED' | 'PRIVATE' | 'ANONYMOUS' | 'NORESERVE' | 'POPULATE' | 'LOCKED', number> &
    Record<'HUGETLB' | 'SHARED_VALIDATE' | 'FIXED', number>;

  const mmapFlags = flags(
    [MAP.SHARED, MAP.PRIVATE, MAP.SHARED | MAP.ANONYMOUS, MAP.PRIVATE | MAP.ANONYMOUS],
    [MAP.NORESERVE, MAP.POPULATE, MAP.LOCKED, MAP.HUGETLB, MAP.SHARED_VALIDATE, MAP.FIXED, 0x100],
  );

  return {
    mapFile: [
      owner,
      fc.oneof(path, fd, anyName),
      options,
      offset,
      fc.oneof(none, size),
      fc.oneof(none, none, size),
    ],
    mapAnonymous: [owner, size, options],
    bufferOf: [handle, offset, size],
    sharedBufferOf: [handle],
    mappingBehind: [owner, sharedView],
    accessOf: [handle],
    offsetOf: [handle],
    lengthOf: [handle],
    isClosed: [handle],
    faultsOf: [fc.oneof(handle, view, sharedView)],
    unmap: [handle],
    prepareFlush: [owner, handle, pairs],
    runFlush: [job],
    flushSync: [handle, offset, size],
    resize: [handle, size],
    slide: [handle, offset],
    refresh: [handle],
    advise: [target, fc.oneof(integer(0, 25), integer(99, 104)), offset, size],
    protect: [target, integer(0, 7), offset, size],
    sync: [fc.oneof(buffer, view), integer(0, 7)],
    lock: [target, offset, size],
    unlock: [target, offset, size],
    residency: [target, offset, size],
    prefetch: [handle, offset, size],
    usage: [handle],
    createMemory: [owner, anyName, size],
    createNamed: [owner, anyName, size, integer(0, 0o777), oneOf(true, false)],
    openNamed: [owner, anyName, oneOf(true, false)],
    memfdCreate: [anyName, flags([0, 1, 2, 3], [4, 8, 16])],
    shmOpen: [anyName, oflags, integer(0, 0o777)],
    shmUnlink: [anyName],
    addSeals: [fd, integer(0, 31)],
    getSeals: [fd],
    descriptorOf: [handle],
    identify: [fd],
    setCloseOnExec: [fd],
    wait: [cell, integer(0, 9), integer(-1, 1), integer(0, 2)],
    notify: [cell, integer(0, 9), integer(-1, 9)],
    listenForWaits: [oneOf(() => 1)],
    startWait: [cell, integer(0, 9), integer(-1, 1), integer(0, 9)],
    cancelWait: [waitId],
    refWaits: [oneOf(true, false)],
    hasWaitv: [],
    openMutex: [owner, ownerOfMapping, fc.oneof(oneOf(0, 8, 16), offset)],
    mutexKey: [mutex],
    mutexTry: [mutex, oneOf(true, false)],
    mutexLock: [mutex, integer(0, 2)],
    mutexStartWait: [mutex, integer(0, 9)],
    mutexOwner: [mutex],
    mutexPassOn: [mutex],
    mutexUnlock: [mutex],
    mmap: [size, integer(0, 7), mmapFlags, fd, oneOf(0, 4096, 1)],
    munmap: [buffer],
    mremap: [buffer, size],
    ftruncate: [fd, size],
    configure: [garbage, garbage, size],
    stats: [],
    enableGuard: [oneOf(true, false)],
    reinstallGuard: [],
  };
}

/** Where they take milliseconds, which are to be few: these block, or keep the process alive. */
export const waiting: Record<string, number> = {
  wait: 3,
  startWait: 3,
  mutexLock: 1,
  mutexStartWait: 1,
};
/** They return a descriptor, which is then ours to close. */
export const opening = ['memfdCreate', 'shmOpen'];
/** Which argument is a name of /dev/shm. */
export const naming: Record<string, number> = {
  createNamed: 1,
  openNamed: 1,
  shmOpen: 0,
  shmUnlink: 0,
};
/** What they make belongs to their first argument: a mapping, or something else. */
export const mapping = [
  ...['mapFile', 'mapAnonymous', 'mappingBehind'],
  ...['createMemory', 'createNamed', 'openNamed'],
];
export const owning = [...mapping, 'prepareFlush', 'openMutex'];
