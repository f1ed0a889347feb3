// Write-back: how bytes of a mapping get to the disk. By offsets in the file, not by addresses, so that
// a flush that races an unmap or a slide writes what it was called for.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/file.h"

namespace memmap {

Failure File::sync_failed(int error, const char* syscall) {
  // ENOMEM (a hole in the addresses), EBUSY, EINTR and EINVAL (flags, or a file that cannot be synced) say
  // nothing about the disk.
  if (error != ENOMEM && error != EBUSY && error != EINTR && error != EINVAL) {
    int none = 0;
    poisoned_.compare_exchange_strong(none, error);
  }
  return Failure::system(error, syscall);
}

Failure File::poisoned() const {
  const int error = poisoned_.load();
  return error == 0 ? Failure{} : Failure{Reason::kPoisoned, error, "msync", ""};
}

Failure File::msync_mapped(void* address, size_t length, int flags) {
  std::lock_guard<std::mutex> held(syncing_);
  return msync(address, length, flags) == 0 ? Failure{} : sync_failed(errno, "msync");
}

Failure File::sync_mapped(void* address, size_t length) {
  std::lock_guard<std::mutex> held(syncing_);
  const Failure before = poisoned();
  if (before) return before;
  if (msync(address, length, MS_SYNC) != 0) return sync_failed(errno, "msync");
  return directory_synced_.load() ? Failure{} : sync_directory();
}

Failure File::sync(const std::vector<FileRange>& ranges) {
  std::lock_guard<std::mutex> held(syncing_);
  const Failure before = poisoned();
  if (before) return before;
  // Several ranges: start the writing of all before waiting for the first. Eight scattered msync one
  // after the other took 2.3 times as long. It is only a hint here; msync below is what decides.
  if (ranges.size() > 1) {
    for (const FileRange& range : ranges) {
      sync_file_range(fd_, static_cast<off_t>(range.offset), static_cast<off_t>(range.length),
                      SYNC_FILE_RANGE_WRITE);
    }
  }
  for (const FileRange& range : ranges) {
    if (range.length == 0) continue;
    const uint64_t begin = round_down(range.offset, page_);
    const uint64_t end = round_up(range.offset + range.length, page_);
    // MS_SYNC on a shared mapping is vfs_fsync_range with datasync (mm/msync.c). fdatasync of the
    // whole file would wait for everything else that is dirty in it: 69 ms against 0.55 ms.
    void* window =
        mmap(nullptr, end - begin, PROT_READ, MAP_SHARED, fd_, static_cast<off_t>(begin));
    if (window == MAP_FAILED) return Failure::system(errno, "mmap");
    const int status = msync(window, end - begin, MS_SYNC);
    const int error = errno;
    munmap(window, end - begin);
    if (status != 0) return sync_failed(error, "msync");
  }
  return directory_synced_.load() ? Failure{} : sync_directory();
}

// A file that we made is there by its name only when its directory is on the disk too (fsync(2)).
Failure File::sync_directory() {
  char link[40];
  std::snprintf(link, sizeof(link), "/proc/self/fd/%d", fd_);
  char path[4096];
  const ssize_t length = readlink(link, path, sizeof(path) - 1);
  if (length < 0) return Failure::system(errno, "readlink");
  path[length] = '\0';
  struct stat st = {};
  if (fstat(fd_, &st) != 0) return Failure::system(errno, "fstat");
  char* slash = std::strrchr(path, '/');
  if (st.st_nlink > 0 && slash != nullptr) {  // else it has no name any more, and needs none
    *(slash == path ? slash + 1 : slash) = '\0';
    const int directory = ::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return Failure::system(errno, "open");
    const int status = fsync(directory);
    const int error = errno;
    close(directory);
    // EINVAL: a file system whose directories cannot be synced (fsync(2)).
    if (status != 0 && error != EINVAL) return sync_failed(error, "fsync");
  }
  directory_synced_.store(true);
  return {};
}

}  // namespace memmap
