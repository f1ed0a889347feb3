// An open file description of our own, and what is done to a file through it: its size, growth by
// real allocation, and write-back to the disk.
//
// Why our own: the kernel reports a write-back error once for each open file description. A dup(2) of
// the user's descriptor shares the user's description, and our msync would consume the error that the
// user's own fsync should have seen.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/platform.h"
#include "core/result.h"

namespace memmap {

struct FileRange {
  uint64_t offset;
  uint64_t length;
};

class File {
 public:
  // Opens `path`; with `create` a missing file is made, also where a symbolic link leads to one.
  static Result<std::shared_ptr<File>> open(const char* path, bool writable, bool create);
  // Reopens the file behind `fd` (/proc/self/fd/N), never with more rights than `fd` has: EACCES.
  static Result<std::shared_ptr<File>> reopen(int fd, bool writable);
  // Takes over a descriptor that the caller has just made.
  static Result<std::shared_ptr<File>> adopt(int fd, bool writable);
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int fd() const { return fd_; }
  bool writable() const { return writable_; }
  // Where we made the file, links followed; empty if it was there before.
  const std::string& made_at() const { return made_at_; }
  // The page size of mappings of this file: that of the huge pages on hugetlbfs.
  size_t page() const;

  Result<uint64_t> size() const;
  Result<struct stat> status() const;

  // Makes the file at least `length` bytes. By allocation, so that a full disk is ENOSPC now and not a
  // SIGBUS later; `sparse` extends it by ftruncate instead. On failure the file is as it was.
  Failure extend(uint64_t length, bool sparse);
  Failure truncate(uint64_t length);

  // Writes the ranges to the disk and waits (MS_SYNC), in the order given, with the metadata that is
  // needed to read them back. Safe on any thread. A failure of the sync itself poisons the file.
  Failure sync(const std::vector<FileRange>& ranges);
  // The same through an address that the caller knows to be mapped from this file.
  Failure sync_mapped(void* address, size_t length);
  // msync(2) and no more, at such an address: asked again after a failure, it says what the kernel says.
  Failure msync_mapped(void* address, size_t length, int flags);

  // A failure if a sync failed before. The kernel has marked those pages clean: a later sync that
  // succeeds proves nothing.
  Failure poisoned() const;

 private:
  // Whose position of the description is it: ours alone, or also that of others who know a descriptor of it.
  enum class Position { kOwn, kShared };
  File(int fd, bool writable, Position position, const std::string& made_at);
  static Result<std::shared_ptr<File>> finish(int fd, bool writable, Position position,
                                              const std::string& made_at = {});
  void learn_page(const struct stat& st) const;
  Failure sync_failed(int error, const char* syscall);
  Failure sync_directory();

  const int fd_;
  const bool writable_;
  const std::string made_at_;
  const bool own_position_;
  // 0: not asked for yet. Told by the same fstat(2) that tells the first size.
  mutable std::atomic<size_t> page_{0};
  mutable std::atomic<bool> regular_{false};
  // Held for each sync. The kernel tells a description of an error once: of two syncs of the same pages
  // one fails and the other returns 0, and must find the file poisoned by then.
  std::mutex syncing_;
  std::atomic<bool> directory_synced_;
  std::atomic<int> poisoned_{0};
};

}  // namespace memmap
