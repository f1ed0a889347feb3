/* memmap_sync.h: wait, notify and the Mutex of `memmap/sync`, for programs in C and C++.
 *
 * One header, no library. Define _GNU_SOURCE before the first system header. Linux only.
 *
 *   int fd = shm_open("/my-table", O_RDWR, 0);            the descriptor of the shared memory
 *   char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
 *
 *   memmap_participant me;
 *   int error = memmap_join(&me, fd);                     once for each thread that locks
 *   error = memmap_mutex_lock(&me, memmap_word(memory, 64), NULL);
 *   if (error == 0 || error == EOWNERDEAD) {              EOWNERDEAD: locked, look at the data first
 *     ...
 *     memmap_mutex_unlock(&me, memmap_word(memory, 64));
 *   }
 *   memmap_leave(&me);
 *
 * Functions return 0 or an errno value, and leave errno alone in no particular way. Deadlines are points
 * of CLOCK_MONOTONIC; NULL is for ever.
 *
 * The layout of a Mutex: MEMMAP_MUTEX_BYTES bytes at a multiple of 4. All zero is an unlocked Mutex, so
 * that fresh memory needs no initialization.
 *
 *   byte 0        1        2        3        4        5        6        7
 *       +--------+--------+--------+--------+--------+--------+--------+--------+
 *       |  lock word, native byte order     |  reserved, zero                   |
 *       +--------+--------+--------+--------+--------+--------+--------+--------+
 *
 *   bit   31        30       29 ............................................. 0
 *       +---------+--------+----------------------------------------------------+
 *       | WAITERS |  DIED  |  OWNER: id of the participant that holds it; 0 free |
 *       +---------+--------+----------------------------------------------------+
 *
 *   WAITERS  somebody sleeps on the word, or is about to: who unlocks wakes one
 *   DIED     only with OWNER 0: the last owner ended while it held the lock
 *
 * An id belongs to one participant (a thread of a process) for its life: it is drawn at random, and its
 * participant holds an open-file-description lock (fcntl_locking(2), F_OFD_SETLK) on byte
 * MEMMAP_ID_BASE + id of the memory's file, far beyond its end. The kernel drops that lock when the
 * participant's descriptor is closed, which its death does in any case; so "is the owner alive?" is asked
 * with F_OFD_GETLK, whatever the process ids and the namespaces. A lock word whose owner is dead is taken
 * by compare-and-swap from exactly the value that was judged.
 *
 * Not promised: order among waiters. A participant that was duplicated by fork(2) lives until both
 * processes have ended: a child that goes on without exec must not use its parent's.
 */
#ifndef MEMMAP_SYNC_H
#define MEMMAP_SYNC_H

#ifndef _GNU_SOURCE
#error "memmap_sync.h needs _GNU_SOURCE, defined before any system header"
#endif

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MEMMAP_MUTEX_BYTES 8
#define MEMMAP_WAITERS UINT32_C(0x80000000)
#define MEMMAP_DIED UINT32_C(0x40000000)
#define MEMMAP_OWNER UINT32_C(0x3fffffff)
/* "memm" in the high half: away from the bytes that other programs lock. */
#define MEMMAP_ID_BASE INT64_C(0x6d656d6d00000000)
/* Ids that are tried. Each is in use with a probability of the participants there are in 2^30. */
#define MEMMAP_MAX_DRAWS 64
/* How long a waiter sleeps before it asks whether the owner lives, in nanoseconds. */
#define MEMMAP_OWNER_CHECK INT64_C(50000000)

/* The word at `offset` bytes of shared memory; a multiple of 4. */
static inline uint32_t* memmap_word(void* memory, size_t offset) {
  return (uint32_t*)(void*)((char*)memory + offset);
}

/* --- wait and notify ----------------------------------------------------------------------------- */

/* Sleeps while the word has the value: futex(2), FUTEX_WAIT_BITSET, across processes. 0: woken (or for
 * no reason: look at the value again); EAGAIN: another value; ETIMEDOUT; EINTR; EFAULT: no such memory. */
static inline int memmap_wait(const uint32_t* word, uint32_t value,
                              const struct timespec* deadline) {
  const long done =
      syscall(SYS_futex, word, FUTEX_WAIT_BITSET, value, deadline, NULL, FUTEX_BITSET_MATCH_ANY);
  return done == 0 ? 0 : errno;
}

/* Change the value first, then notify. Wakes at most `count` sleepers; how many, or -1. */
static inline int memmap_notify(const uint32_t* word, int count) {
  return count <= 0 ? 0 : (int)syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
}

static inline int64_t memmap_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline struct timespec memmap_timespec(int64_t nanoseconds) {
  struct timespec point;
  point.tv_sec = (time_t)(nanoseconds / 1000000000);
  point.tv_nsec = (long)(nanoseconds % 1000000000);
  return point;
}

/* --- participants -------------------------------------------------------------------------------- */

typedef struct memmap_participant {
  int fd; /* a description of its own of the memory's file; -1: has left, or memory without a file */
  uint32_t id;
} memmap_participant;

static inline int memmap_id_lock(int fd, int command, uint32_t id, struct flock* lock) {
  lock->l_type = F_WRLCK;
  lock->l_whence = SEEK_SET;
  lock->l_start = (off_t)(MEMMAP_ID_BASE + id);
  lock->l_len = 1;
  lock->l_pid = 0;
  return fcntl(fd, command, lock);
}

static inline int memmap_random_id(uint32_t* id) {
  do {
    if (getrandom(id, sizeof *id, 0) != (ssize_t)sizeof *id) return errno != 0 ? errno : EIO;
    *id &= MEMMAP_OWNER;
  } while (*id == 0);
  return 0;
}

/* `fd`: the shared memory, open for reading and writing; it stays the caller's. It is opened anew, since
 * a lock on an inherited description would be shared with whoever has inherited it too. EAGAIN: every id that
 * was tried is in use; whoever can open the memory can lock them all. */
static inline int memmap_join(memmap_participant* me, int fd) {
  char path[32];
  struct flock lock;
  int error;
  int draws = 0;
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  me->id = 0;
  me->fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (me->fd < 0) return errno;
  do {
    error = memmap_random_id(&me->id);
    if (error != 0) break;
    error = memmap_id_lock(me->fd, F_OFD_SETLK, me->id, &lock) == 0 ? 0 : errno;
    /* Somebody's: another. So often in a row no honest ones are met: somebody has locked them all. */
  } while ((error == EAGAIN || error == EACCES) && ++draws < MEMMAP_MAX_DRAWS);
  if (error != 0) {
    close(me->fd);
    me->fd = -1;
  }
  return error;
}

/* What it holds then counts as left by a dead owner. */
static inline void memmap_leave(memmap_participant* me) {
  if (me->fd >= 0) close(me->fd);
  me->fd = -1;
  me->id = 0;
}

static inline int memmap_is_alive(const memmap_participant* me, uint32_t id) {
  struct flock lock;
  if (id == me->id) return 1;
  /* An error proves no death. */
  return memmap_id_lock(me->fd, F_OFD_GETLK, id, &lock) != 0 || lock.l_type != F_UNLCK;
}

/* --- the Mutex, in steps: memmap/sync puts the same steps together for async code ---------------- */

static inline int memmap_swap(uint32_t* word, uint32_t* seen, uint32_t next) {
  return __atomic_compare_exchange_n(word, seen, next, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* `waiters`: 0, or MEMMAP_WAITERS by who has slept, since others may sleep still. 0, EOWNERDEAD (locked
 * as well), EBUSY, EDEADLK: this participant holds it. */
static inline int memmap_mutex_try(uint32_t* word, uint32_t id, uint32_t waiters) {
  uint32_t seen = 0;
  for (;;) {
    const uint32_t owner = seen & MEMMAP_OWNER;
    if (owner == id) return EDEADLK;
    if (owner != 0) return EBUSY;
    if (memmap_swap(word, &seen, id | waiters | (seen & MEMMAP_WAITERS))) {
      return (seen & MEMMAP_DIED) != 0 ? EOWNERDEAD : 0;
    }
  }
}

/* Announces a sleeper. The value to sleep on, or 0: it is free by now. */
static inline uint32_t memmap_mutex_announce(uint32_t* word) {
  uint32_t seen = __atomic_load_n(word, __ATOMIC_SEQ_CST);
  for (;;) {
    if ((seen & MEMMAP_OWNER) == 0) return 0;
    if ((seen & MEMMAP_WAITERS) != 0) return seen;
    if (memmap_swap(word, &seen, seen | MEMMAP_WAITERS)) return seen | MEMMAP_WAITERS;
  }
}

/* For an owner that was found dead, of the value `seen`: EOWNERDEAD, and it is locked, or EBUSY. */
static inline int memmap_mutex_take_over(uint32_t* word, uint32_t seen, uint32_t id) {
  const uint32_t next = id | (seen & MEMMAP_WAITERS);
  return memmap_swap(word, &seen, next) ? EOWNERDEAD : EBUSY;
}

/* Lets go of it as `left`: 0, or MEMMAP_DIED. EPERM: this participant does not hold it. */
static inline int memmap_mutex_release(uint32_t* word, uint32_t id, uint32_t left) {
  uint32_t seen = __atomic_load_n(word, __ATOMIC_SEQ_CST);
  do {
    if (id == 0 || (seen & MEMMAP_OWNER) != id) return EPERM;
  } while (!memmap_swap(word, &seen, left));
  if ((seen & MEMMAP_WAITERS) != 0) memmap_notify(word, 1);
  return 0;
}

/* --- the Mutex, whole ---------------------------------------------------------------------------- */

/* One attempt, for which a dead owner is no owner. `waiters`: as above. */
static inline int memmap_mutex_attempt(const memmap_participant* me, uint32_t* word,
                                       uint32_t waiters) {
  const int error = memmap_mutex_try(word, me->id, waiters);
  uint32_t seen;
  if (error != EBUSY) return error;
  seen = __atomic_load_n(word, __ATOMIC_SEQ_CST);
  if ((seen & MEMMAP_OWNER) == 0) return memmap_mutex_try(word, me->id, waiters);
  if (memmap_is_alive(me, seen & MEMMAP_OWNER)) return EBUSY;
  return memmap_mutex_take_over(word, seen, me->id);
}

/* 0, EOWNERDEAD (locked as well), EBUSY, EDEADLK. */
static inline int memmap_mutex_trylock(const memmap_participant* me, uint32_t* word) {
  return memmap_mutex_attempt(me, word, 0);
}

/* 0, EOWNERDEAD (locked as well), ETIMEDOUT, EDEADLK, EFAULT. */
static inline int memmap_mutex_lock(const memmap_participant* me, uint32_t* word,
                                    const struct timespec* deadline) {
  const int64_t end =
      deadline == NULL ? INT64_MAX : (int64_t)deadline->tv_sec * 1000000000 + deadline->tv_nsec;
  int error = memmap_mutex_try(word, me->id, 0);
  while (error == EBUSY) {
    const uint32_t seen = memmap_mutex_announce(word);
    if (seen != 0) {
      const int64_t check = memmap_now() + MEMMAP_OWNER_CHECK;
      const struct timespec until = memmap_timespec(check < end ? check : end);
      error = memmap_wait(word, seen, &until);
      if (error == EFAULT) return error;
      if (error == ETIMEDOUT) {
        error = memmap_mutex_attempt(me, word, MEMMAP_WAITERS);
        if (error == EBUSY && memmap_now() >= end) return ETIMEDOUT;
        continue;
      }
    }
    error = memmap_mutex_try(word, me->id, MEMMAP_WAITERS);
  }
  return error;
}

/* 0, or EPERM: this participant does not hold it. */
static inline int memmap_mutex_unlock(const memmap_participant* me, uint32_t* word) {
  return memmap_mutex_release(word, me->id, 0);
}

#ifdef __cplusplus
}
#endif

#endif
