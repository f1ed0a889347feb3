// The system calls that the add-on makes beyond those that every Linux has had, since when, and what for:
// what scripts/attack/oldest.mjs takes away one by one, and the table of docs/runtimes.md.
//
// Each: the name as it is written, the call of <sys/syscall.h> with the condition on its arguments that
// without_syscall.c takes, the version of Linux, the use, and what the kernel answers where it is missing and
// where it is forbidden.

const MISSING = ['ENOSYS', 'EPERM'];
/** A flag or command that the kernel does not know, and a filter that refuses it. */
const UNKNOWN = ['EINVAL', 'EPERM'];
const ALWAYS_THERE = 'always';

const ROWS = [
  ['memfd_create', 'memfd_create', '3.17', '`SharedMemory.create()`', MISSING],
  ['fcntl(F_ADD_SEALS)', 'fcntl:1=1033', '3.17', 'seals', UNKNOWN],
  ['fcntl(F_OFD_SETLK)', 'fcntl:1=37', '3.15', '`Mutex`, `Channel`: who lives', UNKNOWN],
  ['open(O_TMPFILE)', 'openat:2&0x400000', '3.11', '`createNamed()`', ['EOPNOTSUPP', 'EPERM']],
  ['linkat', 'linkat', '2.6.16', '`createNamed()`', MISSING],
  // Of four bytes: the add-on's. Node does not start without the others.
  ['getrandom', 'getrandom:1=4', '3.17', '`Mutex`, `Channel`', MISSING],
  ['futex_waitv', 'futex_waitv', '5.16', '`waitAsync()` in few threads', MISSING],
  ['fallocate', 'fallocate', '2.6.23', 'extending a file', MISSING],
  ['ftruncate', 'ftruncate', ALWAYS_THERE, '`resize()`, new segments', MISSING],
  ['sync_file_range', 'sync_file_range', '2.6.17', '`flush()` of several ranges', MISSING],
  ['msync', 'msync', ALWAYS_THERE, '`flush()`', MISSING],
  ['fsync', 'fsync', ALWAYS_THERE, 'the first flush of a new file', MISSING],
  ['mremap', 'mremap', ALWAYS_THERE, '`mremap()`, the guard', MISSING],
  ['mremap(MREMAP_DONTUNMAP)', 'mremap:3&4', '5.7', '`mremap()` of private memory', UNKNOWN],
  // Not all advice, without which V8 aborts.
  ['madvise(MADV_RANDOM)', 'madvise:2=1', ALWAYS_THERE, '`advise()`', MISSING],
  ['madvise(MADV_POPULATE_READ)', 'madvise:2=22', '5.14', '`prefetch()`', UNKNOWN],
  ['mincore', 'mincore', ALWAYS_THERE, '`residency()`', MISSING],
  ['mlock', 'mlock', ALWAYS_THERE, '`lock()`', MISSING],
  ['munlock', 'munlock', ALWAYS_THERE, '`unlock()`', MISSING],
  ['mlock2', 'mlock2', '4.4', '`slide()` of locked pages', MISSING],
  ['process_vm_readv', 'process_vm_readv', '3.2', 'the guard', MISSING],
  // Of one byte: the add-on's. No program is loaded without the others.
  ['pread64', 'pread64:2=1', ALWAYS_THERE, 'the guard', MISSING],
  ['fstatfs', 'fstatfs', ALWAYS_THERE, 'page size, room on the disk', MISSING],
  ['sysinfo', 'sysinfo', ALWAYS_THERE, 'room in memory', MISSING],
  ['prctl', 'prctl', ALWAYS_THERE, 'names of threads', MISSING],
  ['readlink', 'readlink', ALWAYS_THERE, 'the directory of a new file', MISSING],
  ['unlink', 'unlink', ALWAYS_THERE, '`unlink()`', MISSING],
  ['tgkill', 'tgkill', '2.6', 'signals that are not ours', MISSING],
  ['sched_yield', 'sched_yield', ALWAYS_THERE, 'the guard', MISSING],
];

export const CALLS = ROWS.map(([name, filter, since, use, errors]) => {
  const [call, only] = filter.split(':');
  return { name, call, only, since, use, errors };
});

/** What the C library makes of an error. */
const TRANSLATED = { 'mlock2 ENOSYS': 'EINVAL', 'unlink EPERM': 'EACCES' };
export const toldAs = (name, error) => TRANSLATED[`${name} ${error}`] ?? error;

/** System calls that no process does without: nothing is told by taking them away. */
export const ALWAYS =
  `clock_gettime close fcntl fstat futex getpid gettid kill lseek mmap mprotect munmap open read
  rt_sigaction rt_sigprocmask`.split(/\s+/);

/** What the C library does of itself, and what of a symbol's name is not the call's. */
export const NO_CALL =
  `_ITM_deregisterTMCloneTable _ITM_registerTMCloneTable abort calloc dlsym fclose fgets fopen free
  memcpy memmove memrchr memset pthread_attr_destroy pthread_attr_init pthread_attr_setdetachstate
  pthread_attr_setstacksize pthread_cond_wait pthread_create pthread_mutex_lock pthread_mutex_unlock pthread_once
  sigdelset sigemptyset sigfillset snprintf strlen strncmp strrchr strtoll syscall sysconf`.split(
    /\s+/,
  );
export const WRAPPERS = {
  sigaction: 'rt_sigaction',
  pthread_sigmask: 'rt_sigprocmask',
  pread: 'pread64',
  shm_open: 'open',
  shm_unlink: 'unlink',
};
