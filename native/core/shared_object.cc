#include "core/shared_object.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

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
