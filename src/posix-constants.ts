// The enums and the flat names of 'memmap/posix'. They are types whose values the add-on reads from the
// platform's headers, so they are computed.
import { native } from './native.js';

function constant(name: string): number {
  const value = native.constants[name];
  if (value === undefined) throw new Error(`memmap: the add-on has no ${name}`);
  return value;
}

/**
 * Protection of pages (mmap(2), mprotect(2)). The values are those of the platform's headers. Each member of
 * this enum and the others is exported by its flat name too: `PROT_READ` is `PROT.READ`.
 */
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

/** Flags of memfd_create(2). */
export enum MFD {
  CLOEXEC = constant('MFD_CLOEXEC'),
  ALLOW_SEALING = constant('MFD_ALLOW_SEALING'),
  HUGETLB = constant('MFD_HUGETLB'),
}

/** Seals of fcntl(2), F_ADD_SEALS. */
export enum F_SEAL {
  /** No further seals. */
  SEAL = constant('F_SEAL_SEAL'),
  SHRINK = constant('F_SEAL_SHRINK'),
  GROW = constant('F_SEAL_GROW'),
  /** No writing at all; not while writable mappings exist. */
  WRITE = constant('F_SEAL_WRITE'),
  /** No new writers; mappings that exist go on writing. */
  FUTURE_WRITE = constant('F_SEAL_FUTURE_WRITE'),
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
export const MFD_CLOEXEC: MFD.CLOEXEC = MFD.CLOEXEC;
export const MFD_ALLOW_SEALING: MFD.ALLOW_SEALING = MFD.ALLOW_SEALING;
export const MFD_HUGETLB: MFD.HUGETLB = MFD.HUGETLB;
export const F_SEAL_SEAL: F_SEAL.SEAL = F_SEAL.SEAL;
export const F_SEAL_SHRINK: F_SEAL.SHRINK = F_SEAL.SHRINK;
export const F_SEAL_GROW: F_SEAL.GROW = F_SEAL.GROW;
export const F_SEAL_WRITE: F_SEAL.WRITE = F_SEAL.WRITE;
export const F_SEAL_FUTURE_WRITE: F_SEAL.FUTURE_WRITE = F_SEAL.FUTURE_WRITE;

/** Bytes of a page, as sysconf(_SC_PAGESIZE) reports them. */
export const PAGE_SIZE: number = constant('PAGE_SIZE');
