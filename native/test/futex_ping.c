// Round trips between two processes over raw futex(2): what bench/groups/waits.mjs measures itself against.
//
//   futex_ping ROUNDS [CPU CPU]       prints nanoseconds for one round trip; on these two processors
//
// The loops are those of the benchmark's other side: store, wake one, wait for the answer.

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static _Noreturn void fail(const char *what) {
  perror(what);
  exit(1);
}

static void await(const uint32_t *word, uint32_t wanted) {
  for (;;) {
    const uint32_t seen = __atomic_load_n(word, __ATOMIC_SEQ_CST);
    if (seen == wanted) return;
    if (syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0) != 0 && errno != EAGAIN &&
        errno != EINTR) {
      fail("FUTEX_WAIT");
    }
  }
}

static void say(uint32_t *word, uint32_t value) {
  __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
  if (syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) < 0) fail("FUTEX_WAKE");
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void pong(uint32_t *cells, uint32_t rounds) {
  for (uint32_t i = 1; i <= rounds; i++) {
    await(cells, i);
    say(cells + 1, i);
  }
}

// As many seconds as the last `rounds` of them took: the first ones warm up.
static double ping(uint32_t *cells, uint32_t first, uint32_t rounds) {
  double begin = 0;
  for (uint32_t i = 1; i <= first + rounds; i++) {
    if (i == first + 1) begin = seconds();
    say(cells, i);
    await(cells + 1, i);
  }
  return seconds() - begin;
}

static void stay_on(const char *cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET((size_t)strtoul(cpu, NULL, 10) % CPU_SETSIZE, &one);
  if (sched_setaffinity(0, sizeof one, &one) != 0) fail("sched_setaffinity");
}

int main(int argc, char **argv) {
  char *end = NULL;
  const unsigned long rounds = argc == 2 || argc == 4 ? strtoul(argv[1], &end, 10) : 0;
  if (rounds == 0 || rounds > UINT32_MAX / 2 || *end != '\0') {
    fputs("usage: futex_ping ROUNDS [CPU CPU]\n", stderr);
    return 2;
  }
  const uint32_t first = (uint32_t)(rounds / 10);
  // A file, as in the benchmark: of anonymous memory the kernel finds a word by another way.
  const int fd = memfd_create("futex_ping", MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, 4096) != 0) fail("memfd_create");
  uint32_t *cells = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (cells == MAP_FAILED) fail("mmap");
  const pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (argc == 4) stay_on(argv[3]);
    pong(cells, first + (uint32_t)rounds);
    _exit(0);
  }
  if (argc == 4) stay_on(argv[2]);
  const double took = ping(cells, first, (uint32_t)rounds);
  int status = 0;
  if (waitpid(child, &status, 0) != child || status != 0) fail("waitpid");
  printf("%.1f\n", took * 1e9 / (double)rounds);
  return 0;
}
