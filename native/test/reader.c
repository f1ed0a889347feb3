// Example 1, second half: prints what the writer stored in the shared file, and replies there.
//
//   reader [PATH]

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIZE = 64 };

static const char REPLY[] = "Reader replied!";

static _Noreturn void fail(const char *what) {
  perror(what);
  exit(1);
}

int main(int argc, char **argv) {
  const char *path = argc > 1 ? argv[1] : "shared.dat";

  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) fail(path);
  // A mapping may be longer than its file, but a touch past the file's last page is SIGBUS.
  struct stat status;
  if (fstat(fd, &status) != 0) fail("fstat");
  if (status.st_size < SIZE) {
    fprintf(stderr, "%s: shorter than %d bytes, so not the writer's\n", path, SIZE);
    return 1;
  }
  char *text = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (text == MAP_FAILED) fail("mmap");
  close(fd);  // the mapping holds the file by itself

  printf("Reader sees: %.*s\n", SIZE, text);

  // The first byte last, with release: it tells the writer that the others are there.
  memcpy(text + 1, REPLY + 1, sizeof REPLY - 1);
  atomic_store_explicit((_Atomic char *)text, REPLY[0], memory_order_release);
  return 0;
}
