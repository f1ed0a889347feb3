/* What mappings are measured against in C: the same work, asked for line by line, so that a benchmark can let
 * the two sides take turns.
 *
 *   map_bench        reads lines "COMMAND FILE NUMBER [NUMBER]" and answers each with one number
 *
 * Nanoseconds for one of:
 *   map FILE COUNT              open, mmap of the whole file, munmap, close: no look at its size
 *   touch FILE COUNT            reading the first byte of each page, of a new mapping each time
 *   flush FILE COUNT            writing a byte of one page of the first 1024 and msync(MS_SYNC) of that page
 *   scattered FILE COUNT PAGES  the same of so many pages that do not touch, msync of each
 *   slide FILE COUNT WINDOW     mmap(MAP_FIXED) of the next window of the file
 *   sizedslide, readslide       the same after asking for the file's size; or reading a byte of each page after it
 *   random FILE COUNT           a 32-bit word at a place that the one before does not tell the processor
 *   records FILE COUNT BYTES    the same of a record that is copied out
 * Bytes a second of one:
 *   scan FILE COUNT             adding up all 32-bit words
 *   doubles FILE COUNT          adding up all doubles, in their order
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FLUSHED_PAGES = 1024 };

typedef struct {
  char *memory;
  size_t size;
} file_map;

static size_t page;
/* What the loops compute, so that they are not left out. */
static volatile uint64_t kept;

static _Noreturn void fail(const char *what) {
  fprintf(stderr, "map_bench: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static file_map map_file(const char *path, int flags, int prot) {
  struct stat status;
  file_map map;
  const int fd = open(path, flags | O_CLOEXEC);
  if (fd < 0) fail(path);
  if (fstat(fd, &status) != 0) fail("fstat");
  map.size = (size_t)status.st_size;
  map.memory = mmap(NULL, map.size, prot, MAP_SHARED, fd, 0);
  if (map.memory == MAP_FAILED) fail("mmap");
  close(fd);
  return map;
}

/* The same in bench/random.mjs. */
static uint32_t next(uint32_t state) { return state * 1664525u + 1013904223u; }

static double map_and_unmap(const char *path, long count) {
  const file_map whole = map_file(path, O_RDONLY, PROT_READ);
  const double begin = nanoseconds();
  for (long i = 0; i < count; i++) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *memory;
    if (fd < 0) fail(path);
    memory = mmap(NULL, whole.size, PROT_READ, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED || munmap(memory, whole.size) != 0) fail("mmap");
    close(fd);
  }
  return (nanoseconds() - begin) / (double)count;
}

static double touch(const char *path, long count) {
  double took = 0;
  uint64_t sum = 0;
  size_t pages = 0;
  for (long i = 0; i < count; i++) {
    const file_map map = map_file(path, O_RDONLY, PROT_READ);
    const double begin = nanoseconds();
    for (size_t at = 0; at < map.size; at += page)
      sum += (unsigned char)map.memory[at];
    took += nanoseconds() - begin;
    pages += (map.size + page - 1) / page;
    munmap(map.memory, map.size);
  }
  kept = sum;
  return took / (double)pages;
}

static double flush(const char *path, long count, long pages) {
  const file_map map = map_file(path, O_RDWR, PROT_READ | PROT_WRITE);
  const size_t step = (size_t)(FLUSHED_PAGES / pages) * page;
  double begin;
  if (map.size < FLUSHED_PAGES * page) {
    errno = EINVAL;
    fail("file too short");
  }
  begin = nanoseconds();
  for (long i = 0; i < count; i++) {
    const size_t first = pages == 1 ? (size_t)(i % FLUSHED_PAGES) * page : 0;
    for (long k = 0; k < pages; k++)
      map.memory[first + (size_t)k * step]++;
    for (long k = 0; k < pages; k++)
      if (msync(map.memory + first + (size_t)k * step, page, MS_SYNC) != 0) fail("msync");
  }
  begin = nanoseconds() - begin;
  munmap(map.memory, map.size);
  return begin / (double)count;
}

enum after_slide { NOTHING, SIZE, READ };

static double slide(const char *path, long count, size_t window, enum after_slide more) {
  struct stat status;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  char *memory;
  off_t at = 0;
  uint64_t sum = 0;
  double begin;
  if (fd < 0 || fstat(fd, &status) != 0) fail(path);
  memory = mmap(NULL, window, PROT_READ, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) fail("mmap");
  begin = nanoseconds();
  for (long i = 0; i < count; i++) {
    at += (off_t)window;
    if (at + (off_t)window > status.st_size) at = 0;
    if (more == SIZE && lseek(fd, 0, SEEK_END) < at) fail("lseek");
    if (mmap(memory, window, PROT_READ, MAP_SHARED | MAP_FIXED, fd, at) == MAP_FAILED) fail("mmap");
    for (size_t k = 0; more == READ && k < window; k += page)
      sum += (unsigned char)memory[k];
  }
  kept = sum;
  begin = nanoseconds() - begin;
  munmap(memory, window);
  close(fd);
  return begin / (double)count;
}

static double random_words(const char *path, long count) {
  const file_map map = map_file(path, O_RDONLY, PROT_READ);
  const uint32_t *words = (const uint32_t *)(const void *)map.memory;
  const uint32_t mask = (uint32_t)(map.size / sizeof *words) - 1;
  uint32_t state = 1;
  uint32_t sum = 0;
  const double begin = nanoseconds();
  double took;
  for (long i = 0; i < count; i++) {
    state = next(state);
    sum += words[(state >> 7) & mask];
  }
  took = nanoseconds() - begin;
  kept = sum;
  munmap(map.memory, map.size);
  return took / (double)count;
}

static double records(const char *path, long count, size_t bytes) {
  const file_map map = map_file(path, O_RDONLY, PROT_READ);
  const uint32_t mask = (uint32_t)(map.size / bytes) - 1;
  char *record = malloc(bytes);
  uint32_t state = 1;
  uint64_t sum = 0;
  double begin = nanoseconds();
  if (record == NULL) fail("malloc");
  for (long i = 0; i < count; i++) {
    state = next(state);
    memcpy(record, map.memory + (size_t)((state >> 7) & mask) * bytes, bytes);
    sum += (unsigned char)record[i % (long)bytes];
  }
  begin = nanoseconds() - begin;
  kept = sum;
  free(record);
  munmap(map.memory, map.size);
  return begin / (double)count;
}

static double scan(const char *path, long count, int doubles) {
  const file_map map = map_file(path, O_RDONLY, PROT_READ);
  const double begin = nanoseconds();
  double took;
  for (long i = 0; i < count; i++) {
    if (doubles) {
      const double *all = (const double *)(const void *)map.memory;
      double sum = 0;
      for (size_t k = 0; k < map.size / sizeof *all; k++)
        sum += all[k];
      kept = (uint64_t)sum;
    } else {
      const uint32_t *all = (const uint32_t *)(const void *)map.memory;
      uint32_t sum = 0;
      for (size_t k = 0; k < map.size / sizeof *all; k++)
        sum += all[k];
      kept = sum;
    }
  }
  took = nanoseconds() - begin;
  munmap(map.memory, map.size);
  return (double)map.size * (double)count / took * 1e9;
}

static double answer(const char *command, const char *path, long count, long more) {
  if (strcmp(command, "map") == 0) return map_and_unmap(path, count);
  if (strcmp(command, "touch") == 0) return touch(path, count);
  if (strcmp(command, "flush") == 0) return flush(path, count, 1);
  if (strcmp(command, "scattered") == 0 && more > 1) return flush(path, count, more);
  if (strcmp(command, "slide") == 0 && more > 0) return slide(path, count, (size_t)more, NOTHING);
  if (strcmp(command, "sizedslide") == 0 && more > 0) return slide(path, count, (size_t)more, SIZE);
  if (strcmp(command, "readslide") == 0 && more > 0) return slide(path, count, (size_t)more, READ);
  if (strcmp(command, "random") == 0) return random_words(path, count);
  if (strcmp(command, "records") == 0 && more > 0) return records(path, count, (size_t)more);
  if (strcmp(command, "scan") == 0) return scan(path, count, 0);
  if (strcmp(command, "doubles") == 0) return scan(path, count, 1);
  errno = EINVAL;
  fail(command);
}

int main(void) {
  char line[4200];
  char command[16];
  char path[4096];
  long count;
  long more;
  page = (size_t)sysconf(_SC_PAGESIZE);
  while (fgets(line, sizeof line, stdin) != NULL) {
    more = 0;
    if (sscanf(line, "%15s %4095s %ld %ld", command, path, &count, &more) < 3 || count < 1) {
      fprintf(stderr, "map_bench: not understood: %s", line);
      return 2;
    }
    printf("%.17g\n", answer(command, path, count, more));
    fflush(stdout);
  }
  return 0;
}
