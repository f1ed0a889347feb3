// A mapping as its user sees it: any byte of a file, any length, over a region of whole pages.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/file.h"
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

// A flush that was asked for: it holds all that it needs, whatever becomes of the mapping meanwhile.
struct FlushJob {
  std::shared_ptr<File> file;  // null: nothing outlives the process, nothing to do
  std::vector<FileRange> ranges;
  bool taken = false;  // moved from: it runs once
  Failure run() const;
};

class Mapping {
 public:
  static Result<std::shared_ptr<Mapping>> map(std::shared_ptr<File> file,
                                              const MapOptions& options);
  // Opens `path` (with `create` makes it) and maps it; a file made here is gone again if that fails.
  static Result<std::shared_ptr<Mapping>> map_path(const char* path, bool create,
                                                   const MapOptions& options);
  static Result<std::shared_ptr<Mapping>> anonymous(const MapOptions& options, bool shared);

  Access access() const { return access_; }
  uint64_t offset() const { return offset_; }
  uint64_t length() const { return length_; }
  bool closed() const { return closed_ || (region_ != nullptr && !region_->live()); }
  const std::shared_ptr<Region>& region() const { return region_; }  // null: zero bytes
  const std::shared_ptr<File>& file() const { return file_; }
  // The address of byte 0, which is the byte at offset().
  uintptr_t data() const { return region_ == nullptr ? 0 : region_->base() + delta_; }

  // Ranges are relative to the mapping and lie within it.
  Result<FlushJob> flush(const std::vector<FileRange>& ranges) const;
  Failure flush_now(FileRange range) const;
  Failure close();

 private:
  Mapping() = default;
  Failure may_flush(FileRange range) const;
  Failure after_map(const MapOptions& options);

  Access access_ = Access::kRead;
  bool closed_ = false;
  uint64_t offset_ = 0;
  uint64_t length_ = 0;
  uint64_t delta_ = 0;  // offset_ less the page boundary before it
  std::shared_ptr<File> file_;
  std::shared_ptr<Region> region_;
};

}  // namespace memmap
