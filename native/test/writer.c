// Example 1, first half: shares 64 bytes of a file with a reader that is started apart.
//
//   writer [PATH]        then, in another terminal:  reader [PATH]
//
// There is no msync here: both processes map the same pages of the page cache, so what one of them
// stores, the other loads. msync(2) is about the disk.

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 64, PATIENCE_SECONDS = 60 };

static const char GREETING[] = "Hello from writer!";

static _Noreturn void fail(const char *what) {
  perror(what);
  exit(1);
}

static time_t now(void) {
  struct timespec time;
  if (clock_gettime(CLOCK_MONOTONIC, &time) != 0) fail("clock_gettime");
  return time.tv_sec;
}

int main(int argc, char **argv) {
  const char *path = argc > 1 ? argv[1] : "shared.dat";

  int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) fail(path);
  if (ftruncate(fd, SIZE) != 0) fail("ftruncate");
  char *text = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (text == MAP_FAILED) fail("mmap");
  close(fd);  // the mapping holds the file by itself

  memcpy(text, GREETING, sizeof GREETING);
  printf("Writer wrote: %s\n", text);
  fflush(stdout);  // whoever starts the reader on seeing this line waits for it

  // The reader stores the first byte of its reply last. A new first byte, loaded with acquire,
  // therefore says that the rest of the reply is there too; a look at the whole text could catch
  // it half written.
  _Atomic char *first = (_Atomic char *)text;
  const time_t deadline = now() + PATIENCE_SECONDS;
  while (atomic_load_explicit(first, memory_order_acquire) == GREETING[0]) {
    if (now() >= deadline) {
      fprintf(stderr, "no reply within %d seconds\n", PATIENCE_SECONDS);
      return 1;
    }
    nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
  }
  printf("Writer sees now: %.*s\n", SIZE, text);
  return 0;
}
