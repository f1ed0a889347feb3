// A mapping as its user sees it: any byte of a file, any length, over a region of whole pages.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "core/file.h"
#include "core/futex.h"
#include "core/region.h"
#include "core/result.h"

namespace memmap {

enum class Access : uint8_t { kRead, kWrite, kCopy };

struct MapOptions {
  Access access = Access::kRead;
  uint64_t offset = 0;
  uint64_t length = 0;   // 0: to the end of the file
  uint64_t reserve = 0;  // bytes; 0: none beyond the length
  bool sparse = false;
  bool populate = false;
  bool lock = false;
  bool huge_pages = false;
  int advice = 0;  // MADV_*
};

class Mapping;

// A flush that was asked for: it holds all that it needs, whatever becomes of the mapping meanwhile.
struct FlushJob {
  std::shared_ptr<File> file;  // null: nothing outlives the process, nothing to do
  std::vector<FileRange> ranges;
  // Windows that a slide left behind: when the flush fails they are the next one's again.
  std::vector<FileRange> windows;
  std::weak_ptr<Mapping> mapping;
  bool taken = false;  // moved from: it runs once
  Failure run() const;
};

// What works in the memory of a mapping, and has to let go before it is unmapped.
class MappingUser {
 public:
  virtual void mapping_ends() = 0;  // on any thread

 protected:
  ~MappingUser() = default;
};

// Used by one thread, or by several where a SharedArrayBuffer has carried it to workers.
class Mapping : public std::enable_shared_from_this<Mapping> {
 public:
  static Result<std::shared_ptr<Mapping>> map(std::shared_ptr<File> file,
                                              const MapOptions& options);
  // Opens `path` (with `create` makes it) and maps it; a file made here is gone again if that fails.
  static Result<std::shared_ptr<Mapping>> map_path(const char* path, bool create,
                                                   const MapOptions& options);
  static Result<std::shared_ptr<Mapping>> anonymous(const MapOptions& options, bool shared);
  ~Mapping();
  // The mapping whose memory contains `address`; null when there is none.
  static std::shared_ptr<Mapping> find(const void* address);

  Access access() const { return access_; }
  uint64_t offset() const;
  uint64_t length() const;
  bool closed() const;
  std::shared_ptr<Region> region() const;  // null: zero bytes
  std::shared_ptr<File> file() const;
  // From the region's base to byte 0, which is the byte at offset().
  uint64_t delta() const { return delta_; }

  std::vector<Fault> faults() const;

  // Ranges are relative to the mapping and lie within it. `whole`: all of it, and all windows since the
  // last such flush.
  Result<FlushJob> flush(const std::vector<FileRange>& ranges, bool whole);
  Failure flush_now(FileRange range, bool whole);

  // What there is to be known of a mapping that has ended.
  struct Last {
    bool nothing_else = false;  // no buffer keeps its addresses, and there were no faults
    uint64_t offset = 0;
    uint64_t length = 0;
  };
  Failure close(Last* last = nullptr);

  // The word at this byte of the file, wherever the window stands by now. `to_leave`: for its users, which
  // are told of the end one after the other, also when that has begun.
  Result<Word> word_at(uint64_t position, bool to_leave = false) const;
  // False: it is closed.
  bool add_user(std::weak_ptr<MappingUser> user);

  // mapping_window.cc
  // Sets the length of mapping and file. The region that the mapping had before, if it got another: the
  // caller detaches its buffers and retires it.
  Result<std::shared_ptr<Region>> resize(uint64_t length);
  // The bytes of the window that lie before the end of the file.
  Result<uint64_t> slide(uint64_t offset);
  Result<uint64_t> refresh();

  // SharedArrayBuffers over the mapping that are alive: while there are any it keeps its region.
  void add_sharer() { sharers_.fetch_add(1); }
  void remove_sharer() { sharers_.fetch_sub(1); }
  void restore_windows(const std::vector<FileRange>& windows);

 private:
  using Lock = std::lock_guard<std::mutex>;

  Mapping() = default;
  static std::shared_ptr<Mapping> make();
  Failure may_flush(FileRange range, bool whole) const;
  bool is_closed() const { return closed_ || (region_ != nullptr && !region_->live()); }
  Result<std::shared_ptr<Region>> map_region(uint64_t length, uint64_t reserve) const;
  void adopt_region(std::shared_ptr<Region> region);
  void leave_window(FileRange window);

  Access access_ = Access::kRead;
  bool anonymous_ = false;
  uint64_t delta_ = 0;  // offset_ less the page boundary before it
  MapOptions options_;  // as asked for, and changed since: what a new region is mapped with
  std::atomic<int> sharers_{0};

  mutable std::mutex mutex_;  // guards what follows
  bool closing_ = false;
  bool closed_ = false;
  bool lost_ = false;  // a fault is no longer to be seen in the region, and was not healed
  uint64_t offset_ = 0;
  uint64_t length_ = 0;
  std::vector<FileRange> windows_;
  std::vector<std::weak_ptr<MappingUser>> users_;
  std::unique_ptr<FaultList> earlier_faults_;  // of regions that this mapping had before
  std::shared_ptr<File> file_;
  std::shared_ptr<Region> region_;
};

}  // namespace memmap
