// The other side of memmap/sync in C: a partner with nothing but memmap_sync.h between it and the kernel.
//
//   sync_peer cells  MEMORY CELL VALUE TIMES COUNT   a plain store, TIMES atomic additions to cell 0, and
//                                                    prints the first COUNT cells
//   sync_peer ping   MEMORY CELL ROUNDS              turns: cell CELL is ping's, the next one pong's
//   sync_peer pong   MEMORY CELL ROUNDS
//   sync_peer doze   MEMORY CELL TALLY               sleeps on a cell that does not change, again and again
//   sync_peer hold   MEMORY BYTE                     locks, says how, and holds the lock until it is killed
//   sync_peer add    MEMORY LIFE TIMES               locks, adds one, unlocks; TIMES 0: until it is told
//
// MEMORY is a descriptor that was inherited, or a name in /dev/shm. The waits have no timeout: who is not
// woken hangs, until its parent kills it or ends.

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memmap_sync.h"

static _Noreturn void fail(const char *what, int error) {
  fprintf(stderr, "sync_peer: %s: %s\n", what, strerror(error));
  exit(1);
}

static uint32_t number(const char *text) {
  char *end;
  errno = 0;
  unsigned long value = strtoul(text, &end, 10);
  if (end == text || *end != '\0' || errno != 0 || value > UINT32_MAX) {
    fprintf(stderr, "sync_peer: %s: not a number\n", text);
    exit(2);
  }
  return (uint32_t)value;
}

struct memory {
  int fd;
  uint32_t *cells;
  size_t count;
};

static struct memory attach(const char *where) {
  char *end;
  struct memory memory;
  struct stat status;
  long fd = strtol(where, &end, 10);
  if (*where == '\0' || *end != '\0') fd = shm_open(where, O_RDWR | O_CLOEXEC, 0);
  if (fd < 0 || fd > INT_MAX) fail(where, errno);
  memory.fd = (int)fd;
  if (fstat(memory.fd, &status) != 0) fail("fstat", errno);
  memory.count = (size_t)status.st_size / sizeof(uint32_t);
  void *at = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd, 0);
  if (at == MAP_FAILED) fail("mmap", errno);
  memory.cells = at;
  return memory;
}

static uint32_t *cell(const struct memory *memory, uint32_t index) {
  if (index >= memory->count) fail("cell", ERANGE);
  return memory->cells + index;
}

static uint32_t load(const uint32_t *word) { return __atomic_load_n(word, __ATOMIC_SEQ_CST); }
static void store(uint32_t *word, uint32_t value) {
  __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}
static uint32_t add(uint32_t *word) { return __atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST); }

// --- memory ----------------------------------------------------------------------------------------

static void cells(const struct memory *memory, uint32_t mine, uint32_t value, uint32_t times,
                  uint32_t count) {
  *(volatile uint32_t *)cell(memory, mine) = value;
  for (uint32_t i = 0; i < times; i++)
    add(cell(memory, 0));
  for (uint32_t i = 0; i < count; i++) {
    printf("%s%u", i == 0 ? "[" : ",", *(volatile uint32_t *)cell(memory, i));
  }
  puts("]");
}

// --- wait and notify -------------------------------------------------------------------------------

static void await(uint32_t *word, uint32_t wanted) {
  for (;;) {
    const uint32_t seen = load(word);
    if (seen == wanted) return;
    const int error = memmap_wait(word, seen, NULL);
    if (error != 0 && error != EAGAIN && error != EINTR) fail("memmap_wait", error);
  }
}

static void say(uint32_t *word, uint32_t value) {
  store(word, value);
  if (memmap_notify(word, 1) < 0) fail("memmap_notify", errno);
}

static void take_turns(const struct memory *memory, uint32_t first, uint32_t rounds, int begins) {
  uint32_t *mine = cell(memory, begins ? first : first + 1);
  uint32_t *theirs = cell(memory, begins ? first + 1 : first);
  for (uint32_t i = 1; i <= rounds; i++) {
    if (begins) say(mine, i);
    await(theirs, i);
    if (!begins) say(mine, i);
  }
}

// The cells of a doze, from its first one: the one to sleep on, "enough", and how many have stopped.
static void doze(const struct memory *memory, uint32_t first, uint32_t tally) {
  while (load(cell(memory, first + 1)) == 0) {
    const int error = memmap_wait(cell(memory, first), 0, NULL);
    if (error != 0) fail("memmap_wait", error);
    add(cell(memory, tally));
  }
  add(cell(memory, first + 2));
}

// --- the Mutex -------------------------------------------------------------------------------------

// As in test/support/ledger.ts, which explains them.
enum { LOCK = 0, COUNTER = 2, HOLDER, TURNS, REPORTS, BREACH, STOP, GO, STAY, LIVES = 16 };
enum { BEGUN, DONE, REPORTED, KEPT };

static int lock(const memmap_participant *me, uint32_t *word) {
  const int error = memmap_mutex_lock(me, word, NULL);
  if (error != 0 && error != EOWNERDEAD) fail("memmap_mutex_lock", error);
  return error;
}

static void unlock(const memmap_participant *me, uint32_t *word) {
  const int error = memmap_mutex_unlock(me, word);
  if (error != 0) fail("memmap_mutex_unlock", error);
}

static void hold(const struct memory *memory, uint32_t byte) {
  memmap_participant me;
  const int error = memmap_join(&me, memory->fd);
  if (error != 0) fail("memmap_join", error);
  puts(lock(&me, memmap_word(memory->cells, byte)) == 0 ? "held" : "held, the owner died");
  fflush(stdout);
  for (;;)
    pause();
}

// What the dead owner has left behind: its addition is counted as done if the counter has it.
static void repair(volatile uint32_t *c) {
  uint32_t sum = 0;
  volatile uint32_t *half = NULL;
  for (volatile uint32_t *life = c + LIVES; life[KEPT] != 0; life += 4) {
    if (life[BEGUN] != life[DONE]) {
      if (half != NULL || life[BEGUN] != life[DONE] + 1) c[BREACH] = 1;
      half = life;
    }
    sum += life[DONE];
  }
  if (c[COUNTER] - sum > (half != NULL)) c[BREACH] = 2;
  if (half != NULL && c[COUNTER] == sum) half[BEGUN] = half[DONE];
  if (half != NULL && c[COUNTER] != sum) half[DONE] = half[BEGUN];
  c[REPORTS]++;
  if (c[HOLDER] != 0) c[LIVES + 4 * (c[HOLDER] - 1) + REPORTED]++;
  c[HOLDER] = 0;
}

static void stay(uint32_t *word, uint32_t where) {
  if (load(word) != where) return;
  store(word, -where);
  for (;;)
    pause();
}

static void add_under_lock(const struct memory *memory, uint32_t number_of_life, uint32_t times) {
  memmap_participant me;
  volatile uint32_t *c = memory->cells;
  volatile uint32_t *life = cell(memory, LIVES + 4 * (number_of_life - 1));
  const int error = memmap_join(&me, memory->fd);
  if (error != 0) fail("memmap_join", error);
  puts("ready");
  fflush(stdout);
  await(cell(memory, GO), 1);
  for (uint32_t i = 0; times == 0 ? load(cell(memory, STOP)) == 0 : i < times; i++) {
    if (lock(&me, memory->cells + LOCK) == EOWNERDEAD) repair(c);
    if (c[HOLDER] != 0) c[BREACH] = 3;  // somebody is in here, or his death was not reported
    c[HOLDER] = number_of_life;
    c[TURNS]++;
    life[BEGUN]++;
    stay(memory->cells + STAY, 2 * number_of_life);
    c[COUNTER]++;
    stay(memory->cells + STAY, 2 * number_of_life + 1);
    life[DONE]++;
    c[HOLDER] = 0;
    unlock(&me, memory->cells + LOCK);
    // Others want turns too.
    if (times == 0 && i % 1000 == 999) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
  memmap_leave(&me);
}

int main(int argc, char **argv) {
  // Whoever waits for ever does not outlive who would end it.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail("prctl", errno);
  if (argc >= 4) {
    const char *what = argv[1];
    const struct memory memory = attach(argv[2]);
    uint32_t n[4] = {0};
    for (int i = 3; i < argc && i < 7; i++)
      n[i - 3] = number(argv[i]);
    if (argc == 7 && strcmp(what, "cells") == 0) {
      cells(&memory, n[0], n[1], n[2], n[3]);
    } else if (argc == 5 && (strcmp(what, "ping") == 0 || strcmp(what, "pong") == 0)) {
      take_turns(&memory, n[0], n[1], what[1] == 'i');
    } else if (argc == 5 && strcmp(what, "doze") == 0) {
      doze(&memory, n[0], n[1]);
    } else if (argc == 4 && strcmp(what, "hold") == 0) {
      hold(&memory, n[0]);
    } else if (argc == 5 && strcmp(what, "add") == 0) {
      add_under_lock(&memory, n[0], n[1]);
    } else {
      argc = 0;
    }
    if (argc != 0) return 0;
  }
  fputs("usage: see the head of sync_peer.c\n", stderr);
  return 2;
}
