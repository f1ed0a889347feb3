#include "core/file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "core/stats.h"

namespace memmap {
namespace {

// O_NONBLOCK: opening a FIFO must not wait for its other end; it means nothing to a regular file.
constexpr int kOpenFlags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

int open_retrying(const char* path, int flags) {
  int fd;
  do {
    fd = ::open(path, flags | kOpenFlags, 0666);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

// Where a symbolic link leads, empty if `path` is none.
std::string link_target(const std::string& path) {
  char text[4096];
  const ssize_t length = readlink(path.c_str(), text, sizeof(text));
  if (length <= 0) return {};
  const std::string target(text, static_cast<size_t>(length));
  const size_t slash = path.rfind('/');
  if (target[0] == '/' || slash == std::string::npos) return target;
  return path.substr(0, slash + 1) + target;
}

// Room on the file system for `bytes` more, as far as it tells. A quick no before anything is changed;
// a yes is only a guess, and fallocate has the last word.
bool seems_full(int fd, uint64_t bytes) {
  struct statfs fs = {};
  if (fstatfs(fd, &fs) != 0) return false;
  if (fs.f_type == TMPFS_MAGIC && fs.f_blocks == 0) {
    // A memfd has no limit of its own. The machine's is one: past it fallocate(2) would go on until the
    // kernel kills somebody.
    struct sysinfo machine = {};
    if (sysinfo(&machine) != 0) return false;
    const uint64_t total = (machine.totalram + machine.totalswap) * uint64_t{machine.mem_unit};
    return bytes > total;
  }
  if (fs.f_blocks == 0) return false;
  return bytes / static_cast<uint64_t>(fs.f_bsize) > static_cast<uint64_t>(fs.f_bfree);
}

}  // namespace

File::File(int fd, bool writable, Position position, const std::string& made_at)
    : fd_(fd),
      writable_(writable),
      made_at_(made_at),
      own_position_(position == Position::kOwn),
      directory_synced_(made_at.empty()) {
  g_stats.descriptors.fetch_add(1);
}

File::~File() {
  ::close(fd_);
  g_stats.descriptors.fetch_sub(1);
}

Result<std::shared_ptr<File>> File::finish(int fd, bool writable, Position position,
                                           const std::string& made_at) {
  struct Made : File {  // one allocation with the counts, for a constructor that is private
    Made(int own, bool may_write, Position whose, const std::string& at)
        : File(own, may_write, whose, at) {}
  };
  return std::shared_ptr<File>(std::make_shared<Made>(fd, writable, position, made_at));
}

// A file of hugetlbfs has its page as block size. So may others have a large one, so the file system is asked
// then; for most files it need not be.
void File::learn_page(const struct stat& st) const {
  size_t page = page_size();
  struct statfs fs = {};
  if (static_cast<size_t>(st.st_blksize) > page && fstatfs(fd_, &fs) == 0 &&
      fs.f_type == HUGETLBFS_MAGIC) {
    page = static_cast<size_t>(fs.f_bsize);
  }
  page_.store(page, std::memory_order_relaxed);
}

size_t File::page() const {
  if (page_.load(std::memory_order_relaxed) == 0) status();
  const size_t page = page_.load(std::memory_order_relaxed);
  return page == 0 ? page_size() : page;
}

Result<std::shared_ptr<File>> File::open(const char* path, bool writable, bool create) {
  const int flags = writable ? O_RDWR : O_RDONLY;
  std::string at = path;
  // A round for each symbolic link; the kernel follows 40 (path_resolution(7)).
  for (int round = 0; round <= 40; round++) {
    int fd = open_retrying(at.c_str(), flags);
    if (fd >= 0) return finish(fd, writable, Position::kOwn);
    if (errno != ENOENT || !create) return Failure::system(errno, "open");
    // O_EXCL tells whether it is we who made it: then a failure later on takes it away again, and the
    // first flush syncs its directory. It follows no link, so links to a missing file are followed here.
    fd = open_retrying(at.c_str(), flags | O_CREAT | O_EXCL);
    if (fd >= 0) return finish(fd, writable, Position::kOwn, at);
    if (errno != EEXIST) return Failure::system(errno, "open");
    const std::string target = link_target(at);
    if (!target.empty()) at = target;  // else somebody else was faster
  }
  return Failure::system(ELOOP, "open");
}

Result<std::shared_ptr<File>> File::reopen(int fd, bool writable) {
  const int had = fcntl(fd, F_GETFL);
  if (had < 0) return Failure::system(errno, "fcntl");
  // Reopening asks the file's permissions anew, and root has them all: what the descriptor itself does
  // not allow is refused as mmap(2) refuses it.
  const int mode = had & O_ACCMODE;
  if ((had & O_PATH) != 0) return Failure::system(EBADF, "mmap");
  if (mode == O_WRONLY || (writable && mode != O_RDWR)) return Failure::system(EACCES, "mmap");
  struct stat st = {};
  if (fstat(fd, &st) != 0) return Failure::system(errno, "fstat");
  if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) return Failure::system(ENODEV, "mmap");

  char path[40];
  std::snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  const int own = open_retrying(path, writable ? O_RDWR : O_RDONLY);
  if (own >= 0)
    return finish(own, writable, Position::kShared);  // with the user of SharedMemory.fd
  if (errno == EMFILE || errno == ENFILE) return Failure::system(errno, "open");
  // No /proc, or permissions that have changed since: a second descriptor of the same description.
  const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return Failure::system(errno, "fcntl");
  return finish(copy, writable, Position::kShared);
}

Result<std::shared_ptr<File>> File::adopt(int fd, bool writable) {
  return finish(fd, writable, Position::kShared);
}

Result<struct stat> File::status() const {
  struct stat st = {};
  if (fstat(fd_, &st) != 0) return Failure::system(errno, "fstat");
  if (page_.load(std::memory_order_relaxed) == 0) learn_page(st);
  return st;
}

Result<uint64_t> File::size() const {
  if (regular_.load(std::memory_order_relaxed) && own_position_) {
    // Half of what fstat(2) costs, and a tenth of a slide(). The position means nothing to us.
    const off_t end = lseek(fd_, 0, SEEK_END);
    if (end >= 0) return static_cast<uint64_t>(end);
  }
  auto st = status();
  if (!st.ok()) return st.failure();
  if (S_ISREG(st.value().st_mode)) {
    regular_.store(true, std::memory_order_relaxed);
    return static_cast<uint64_t>(st.value().st_size);
  }
  if (!S_ISBLK(st.value().st_mode)) return Failure::system(ENODEV, "mmap");
  const off_t end = lseek(fd_, 0, SEEK_END);
  if (end < 0) return Failure::system(errno, "lseek");
  return static_cast<uint64_t>(end);
}

Failure File::truncate(uint64_t length) {
  if (ftruncate(fd_, static_cast<off_t>(length)) != 0) return Failure::system(errno, "ftruncate");
  return {};
}

Failure File::extend(uint64_t length, bool sparse) {
  auto before = size();
  if (!before.ok()) return before.failure();
  const uint64_t old = before.value();
  if (old >= length) return {};
  if (sparse) return truncate(length);
  if (seems_full(fd_, length - old)) return Failure::system(ENOSPC, "fallocate");

  // The system call itself: glibc's posix_fallocate falls back to writing a byte into each block.
  // First the blocks, keeping the size, so that a failure half-way leaves the size alone.
  auto allocate = [&](int mode) {
    long status;
    do {
      status = syscall(SYS_fallocate, fd_, mode, static_cast<off_t>(old),
                       static_cast<off_t>(length - old));
    } while (status != 0 && errno == EINTR);
    return status == 0;
  };
  if (!allocate(FALLOC_FL_KEEP_SIZE)) {
    const int error = errno;
    // Blocks that were allocated past the end before the failure go back with a truncation to the
    // present size (a hole punched past the end is ignored by ext4).
    auto now = size();
    if (now.ok() && now.value() == old) truncate(old);
    return Failure::system(error, "fallocate");
  }
  // Mode 0 only ever grows a file: unlike ftruncate it cannot cut what another writer has just added.
  if (!allocate(0)) return Failure::system(errno, "fallocate");
  return {};
}

}  // namespace memmap
