// A disk whose every write and flush is recorded, for tests of power cuts and of failing disks: a FUSE
// file system of three files. Put a loop device over `disk`, with direct I/O, and a file system on that.
//
//   block_log MOUNTPOINT BACKING LOG        in the foreground, until it is unmounted
//
//   disk      BACKING, as large as that is. A write and an fsync are in LOG before they are answered.
//   marks     what is written here is in LOG too, in its place among the writes: a program that writes a
//             mark after a flush has resolved knows that everything the flush did stands before it.
//   control   commands, one in each write(2), which make the disk fail with EIO:
//               write|flush|read SOUND COUNT    SOUND more of this kind succeed, then COUNT fail
//               work                            nothing fails any more
//
// LOG is a sequence of { u32 kind, u32 length, u64 offset } in the machine's byte order, each followed by
// `length` bytes if it is a write or a mark. The server has one thread: the order of LOG is the order of
// the answers, and whatever stands before a flush in it had been answered before the flush came in.
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { WRITE = 1, FLUSH = 2, MARK = 3, FAILED_WRITE = 4, FAILED_FLUSH = 5, FAILED_READ = 6 };

struct header {
  uint32_t kind;
  uint32_t length;
  uint64_t offset;
};

// How many of a kind succeed before so many fail.
struct plan {
  uint64_t sound;
  uint64_t failing;
};

static int backing = -1;
static int record = -1;
static struct plan writes;
static struct plan flushes;
static struct plan reads;

// Whether this one fails.
static bool fails(struct plan *plan) {
  if (plan->failing == 0) return false;
  if (plan->sound > 0) {
    plan->sound--;
    return false;
  }
  plan->failing--;
  return true;
}

static int append(enum kind kind, off_t offset, size_t length, const char *bytes) {
  struct header header = {(uint32_t)kind, (uint32_t)length, (uint64_t)offset};
  struct iovec parts[2] = {{&header, sizeof(header)}, {(void *)(uintptr_t)bytes, length}};
  const ssize_t want = (ssize_t)(sizeof(header) + (bytes != NULL ? length : 0));
  if (writev(record, parts, bytes != NULL ? 2 : 1) == want) return 0;
  // What follows would not be readable any more: a test must see that, and not a shorter log.
  perror("block_log: the log cannot be written");
  _exit(1);
}

static bool is(const char *path, const char *name) { return strcmp(path + 1, name) == 0; }

static int on_getattr(const char *path, struct stat *st, struct fuse_file_info *info) {
  (void)info;
  memset(st, 0, sizeof(*st));
  st->st_nlink = 1;
  st->st_mode = S_IFREG | 0600;
  if (is(path, "")) {
    st->st_mode = S_IFDIR | 0700;
  } else if (is(path, "disk")) {
    struct stat own;
    if (fstat(backing, &own) != 0) return -errno;
    st->st_size = own.st_size;
  } else if (!is(path, "marks") && !is(path, "control")) {
    return -ENOENT;
  }
  return 0;
}

static int on_open(const char *path, struct fuse_file_info *info) {
  // Commands and marks come in as they are written, each in one piece. The disk must be mappable.
  info->direct_io = is(path, "disk") ? 0 : 1;
  return 0;
}

// `> control` of a shell truncates first.
static int on_truncate(const char *path, off_t size, struct fuse_file_info *info) {
  (void)size;
  (void)info;
  return is(path, "disk") ? -EPERM : 0;
}

static int on_read(const char *path, char *to, size_t length, off_t offset,
                   struct fuse_file_info *info) {
  (void)info;
  if (!is(path, "disk")) return 0;
  if (fails(&reads)) {
    append(FAILED_READ, offset, length, NULL);
    return -EIO;
  }
  const ssize_t got = pread(backing, to, length, offset);
  return got < 0 ? -errno : (int)got;
}

static int command(const char *text, size_t length) {
  char line[64];
  if (length >= sizeof(line)) return -EINVAL;
  memcpy(line, text, length);
  line[length] = '\0';
  if (strncmp(line, "work", 4) == 0) {
    writes = flushes = reads = (struct plan){0, 0};
    return (int)length;
  }
  char what[8];
  struct plan plan;
  if (sscanf(line, "%7s %" SCNu64 " %" SCNu64, what, &plan.sound, &plan.failing) != 3) {
    return -EINVAL;
  }
  if (strcmp(what, "write") == 0) {
    writes = plan;
  } else if (strcmp(what, "flush") == 0) {
    flushes = plan;
  } else if (strcmp(what, "read") == 0) {
    reads = plan;
  } else {
    return -EINVAL;
  }
  return (int)length;
}

static int on_write(const char *path, const char *from, size_t length, off_t offset,
                    struct fuse_file_info *info) {
  (void)info;
  if (is(path, "control")) return command(from, length);
  if (is(path, "marks")) {
    append(MARK, 0, length, from);
    return (int)length;
  }
  if (fails(&writes)) {
    append(FAILED_WRITE, offset, length, NULL);
    return -EIO;
  }
  const ssize_t wrote = pwrite(backing, from, length, offset);
  if (wrote < 0) return -errno;
  append(WRITE, offset, (size_t)wrote, from);
  return (int)wrote;
}

static int on_fsync(const char *path, int datasync, struct fuse_file_info *info) {
  (void)datasync;
  (void)info;
  if (!is(path, "disk")) return 0;
  const bool failed = fails(&flushes);
  append(failed ? FAILED_FLUSH : FLUSH, 0, 0, NULL);
  return failed ? -EIO : 0;
}

static void *on_init(struct fuse_conn_info *connection, struct fuse_config *config) {
  // No write is kept back and merged with others by the kernel.
  connection->want &= ~(unsigned)FUSE_CAP_WRITEBACK_CACHE;
  config->kernel_cache = 0;
  config->entry_timeout = config->attr_timeout = 3600;
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: block_log MOUNTPOINT BACKING LOG\n");
    return 2;
  }
  backing = open(argv[2], O_RDWR | O_CLOEXEC);
  record = open(argv[3], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
  if (backing < 0 || record < 0) {
    perror("block_log");
    return 1;
  }
  const struct fuse_operations operations = {
      .getattr = on_getattr,
      .open = on_open,
      .truncate = on_truncate,
      .read = on_read,
      .write = on_write,
      .fsync = on_fsync,
      .init = on_init,
  };
  char foreground[] = "-f";
  char one_thread[] = "-s";
  char *arguments[] = {argv[0], foreground, one_thread, argv[1], NULL};
  return fuse_main(4, arguments, &operations, NULL);
}
