// Example 3: one record of a database file, as C lays it out.
//
//   record write PATH ID NAME VALUE
//   record read PATH

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct record {
  int record_id;
  char name[32];
  int value;
};

_Static_assert(sizeof(struct record) == 40, "the record of the file is 40 bytes");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the record is little-endian");

static _Noreturn void fail(const char *what) {
  perror(what);
  exit(1);
}

static int usage(void) {
  fputs("usage: record write PATH ID NAME VALUE\n       record read PATH\n", stderr);
  return 2;
}

static int parse_int(const char *text) {
  char *end;
  errno = 0;
  long number = strtol(text, &end, 10);
  if (end == text || *end != '\0' || errno != 0 || number < INT_MIN || number > INT_MAX) {
    fprintf(stderr, "%s: not an int\n", text);
    exit(2);
  }
  return (int)number;
}

static struct record *map_record(const char *path, int flags, int prot) {
  int fd = open(path, flags | O_CLOEXEC, 0644);
  if (fd < 0) fail(path);
  if (flags & O_CREAT) {
    if (ftruncate(fd, sizeof(struct record)) != 0) fail("ftruncate");
  } else {
    struct stat status;
    if (fstat(fd, &status) != 0) fail("fstat");
    if (status.st_size < (off_t)sizeof(struct record)) {
      fprintf(stderr, "%s: shorter than a record\n", path);
      exit(1);
    }
  }
  struct record *record = mmap(NULL, sizeof *record, prot, MAP_SHARED, fd, 0);
  if (record == MAP_FAILED) fail("mmap");
  close(fd);
  return record;
}

static void print_record(const char *what, const struct record *record) {
  printf("%s: id=%d name=%.*s value=%d\n", what, record->record_id, (int)sizeof record->name,
         record->name, record->value);
}

static int write_record(const char *path, const char *id, const char *name, const char *value) {
  struct record wanted = {.record_id = parse_int(id), .value = parse_int(value)};
  size_t length = strlen(name);
  if (length >= sizeof wanted.name) {
    fprintf(stderr, "%s: longer than %zu bytes\n", name, sizeof wanted.name - 1);
    return 2;
  }
  memcpy(wanted.name, name, length);  // the rest of the name is zeros, so no old bytes stay behind

  struct record *record = map_record(path, O_RDWR | O_CREAT, PROT_READ | PROT_WRITE);
  *record = wanted;
  if (msync(record, sizeof *record, MS_SYNC) != 0) fail("msync");
  print_record("Record flushed to disk", record);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 6 && strcmp(argv[1], "write") == 0) {
    return write_record(argv[2], argv[3], argv[4], argv[5]);
  }
  if (argc == 3 && strcmp(argv[1], "read") == 0) {
    print_record("Record read", map_record(argv[2], O_RDONLY, PROT_READ));
    return 0;
  }
  return usage();
}
