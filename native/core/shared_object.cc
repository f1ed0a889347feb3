#include "core/shared_object.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace memmap {

Result<std::shared_ptr<File>> make_sealed_memory(const char* name, uint64_t length) {
  const int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return Failure::system(errno, "memfd_create");
  auto file = File::adopt(fd, true);
  const Failure failure = file.value()->truncate(length);
  if (failure) return failure;
  // Not F_SEAL_SEAL: seal('write') adds one more later. Seals can never be taken off (fcntl(2)).
  if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
    return Failure::system(errno, "fcntl");
  }
  return file;
}

std::string path_of(const std::string& name) {
  return "/dev/shm/" + (name.rfind('/', 0) == 0 ? name.substr(1) : name);
}

Result<std::shared_ptr<File>> open_named(const std::string& name, bool writable) {
  // As shm_open(3): anybody may put a link into /dev/shm, and it must not lead to a file of the caller's.
  const int flags = (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  const int fd = open(path_of(name).c_str(), flags);
  if (fd < 0) return Failure::system(errno, "open");
  auto file = File::adopt(fd, writable);
  auto size = file.value()->size();
  if (!size.ok()) return size.failure();
  if (size.value() == 0) return Failure::of(Reason::kOutOfRange, "the memory has no bytes yet");
  return file;
}

Result<std::shared_ptr<File>> make_named(const NamedRequest& request) {
  const int fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, request.mode);
  if (fd < 0) return Failure::system(errno, "open");
  auto file = File::adopt(fd, true);
  const Failure failure = file.value()->extend(request.length, false);
  if (failure) return failure;
  char link[40];
  std::snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  const std::string path = path_of(request.name);
  for (int round = 0; round < 100; round++) {
    if (linkat(AT_FDCWD, link, AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0) return file;
    if (errno != EEXIST || request.exclusive) break;
    auto there = open_named(request.name, true);
    if (there.ok()) {
      auto size = there.value()->size();
      if (size.ok() && size.value() < request.length) {
        return Failure::of(Reason::kOutOfRange, "the name is in use by a shorter memory");
      }
      return there;
    }
    // Unlinked between the two calls: the name is free again.
    if (there.failure().error != ENOENT) return there;
    errno = EEXIST;
  }
  return Failure::system(errno, "linkat");
}

Result<int> memfd(const char* name, unsigned flags) {
  const int fd = memfd_create(name, flags | MFD_CLOEXEC);
  if (fd < 0) return Failure::system(errno, "memfd_create");
  return fd;
}

Result<int> shm_open_descriptor(const char* name, int oflag, unsigned mode) {
  const int fd = shm_open(name, oflag, mode);
  if (fd < 0) return Failure::system(errno, "shm_open");
  return fd;
}

Failure shm_unlink_name(const char* name) {
  return shm_unlink(name) == 0 ? Failure{} : Failure::system(errno, "shm_unlink");
}

Failure add_seals(int fd, int seals) {
  return fcntl(fd, F_ADD_SEALS, seals) == 0 ? Failure{} : Failure::system(errno, "fcntl");
}

Result<int> seals_of(int fd) {
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0) return Failure::system(errno, "fcntl");
  return seals;
}

Result<Identity> identify(int fd) {
  struct stat st = {};
  if (fstat(fd, &st) != 0) return Failure::system(errno, "fstat");
  return Identity{st.st_dev, st.st_ino, static_cast<uint64_t>(st.st_size)};
}

Failure set_cloexec(int fd) {
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return Failure::system(errno, "fcntl");
  return {};
}

}  // namespace memmap
