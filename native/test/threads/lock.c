/* The Mutex of memmap_sync.h as C has it, with threads as participants: locked, tried, locked with a deadline, left
 * by participants that go away with it, and locked by who never looks up, whom a lost wake would leave asleep.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "attack.h"
#include "memmap_sync.h"

enum { THREADS = 6, COUNTER = 64 };

struct shared {
  int fd;
  char *memory;
  int rounds;
  int deaths; /* whether participants may leave with the lock held */
  pthread_barrier_t all;
  long locked;
  long told;
  long left;
};

/* memmap_mutex_lock without the look at the owner every 50 ms: only a wake ends this sleep. */
static int lock_patiently(const memmap_participant *me, uint32_t *word) {
  int error = memmap_mutex_try(word, me->id, 0);
  while (error == EBUSY) {
    const uint32_t seen = memmap_mutex_announce(word);
    if (seen != 0) memmap_wait(word, seen, NULL);
    error = memmap_mutex_try(word, me->id, MEMMAP_WAITERS);
  }
  return error;
}

static int lock_somehow(const struct shared *shared, const memmap_participant *me, uint32_t *word) {
  const uint32_t how = attack_random(4);
  if (how == 0) return memmap_mutex_trylock(me, word);
  if (how == 1) {
    const struct timespec soon = memmap_timespec(memmap_now() + 300000);
    return memmap_mutex_lock(me, word, &soon);
  }
  return shared->deaths ? memmap_mutex_lock(me, word, NULL) : lock_patiently(me, word);
}

static void use(int index, void *data) {
  struct shared *shared = data;
  uint32_t *word = memmap_word(shared->memory, 0);
  uint32_t *counter = memmap_word(shared->memory, COUNTER);
  memmap_participant me;
  int i;
  (void)index;
  CHECK(memmap_join(&me, shared->fd) == 0, "join");
  for (i = 0; i < shared->rounds; i++) {
    int error;
    /* Now and then nobody comes after the last one, and sets right what went wrong before. */
    if (i % 4 == 0) pthread_barrier_wait(&shared->all);
    error = lock_somehow(shared, &me, word);
    if (error == EBUSY || error == ETIMEDOUT) continue;
    CHECK(error == 0 || (error == EOWNERDEAD && shared->deaths), "lock: %d", error);
    CHECK(memmap_mutex_trylock(&me, word) == EDEADLK, "locked twice");
    if (shared->deaths) {
      /* After a death it is the kernel that has kept the order, which a sanitizer does not see. */
      __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
    } else {
      *counter += 1;
    }
    __atomic_fetch_add(&shared->locked, 1, __ATOMIC_RELAXED);
    if (error == EOWNERDEAD) __atomic_fetch_add(&shared->told, 1, __ATOMIC_RELAXED);
    if (shared->deaths && attack_random(20) == 0) {
      __atomic_fetch_add(&shared->left, 1, __ATOMIC_RELAXED);
      memmap_leave(&me);
      CHECK(memmap_mutex_unlock(&me, word) == EPERM, "unlocked by who has left");
      CHECK(memmap_join(&me, shared->fd) == 0, "join");
    } else {
      CHECK(memmap_mutex_unlock(&me, word) == 0, "unlock");
    }
  }
  memmap_leave(&me);
}

static void run(const char *name, int rounds, int deaths) {
  struct shared shared = {0};
  char title[64];
  memmap_participant last;
  int error;
  shared.fd = attack_memory(4096);
  shared.memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, shared.fd, 0);
  CHECK(shared.memory != MAP_FAILED, "mmap");
  shared.rounds = rounds;
  shared.deaths = deaths;
  pthread_barrier_init(&shared.all, NULL, THREADS);
  attack_threads(THREADS, use, &shared);
  pthread_barrier_destroy(&shared.all);
  CHECK(memmap_join(&last, shared.fd) == 0, "join");
  error = memmap_mutex_lock(&last, memmap_word(shared.memory, 0), NULL);
  CHECK(error == 0 || error == EOWNERDEAD, "lock: %d", error);
  if (error == EOWNERDEAD) shared.told++;
  CHECK(shared.told == shared.left, "%ld were told of %ld deaths", shared.told, shared.left);
  CHECK((long)*memmap_word(shared.memory, COUNTER) == shared.locked, "%u under the lock, of %ld",
        *memmap_word(shared.memory, COUNTER), shared.locked);
  CHECK(memmap_mutex_unlock(&last, memmap_word(shared.memory, 0)) == 0, "unlock");
  memmap_leave(&last);
  munmap(shared.memory, 4096);
  close(shared.fd);
  snprintf(title, sizeof title, "lock.%s", name);
  attack_figure(title, shared.locked);
}

void case_lock(void);
void case_lock(void) {
  run("locked", attack_times(2000), 0);
  run("with deaths", attack_times(150), 1);
}
