#include "core/mapping.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "core/huge_pages.h"
#include "core/platform.h"

namespace memmap {
namespace {

int protection(Access access) {
  return access == Access::kRead ? PROT_READ : PROT_READ | PROT_WRITE;
}

}  // namespace

Failure FlushJob::run() const {
  if (file == nullptr) return {};
  const int poisoned = file->poisoned();
  if (poisoned != 0) return {Reason::kPoisoned, poisoned, "msync", ""};
  return file->sync(ranges);
}

Result<std::shared_ptr<Mapping>> Mapping::map_path(const char* path, bool create,
                                                   const MapOptions& options) {
  auto file = File::open(path, options.access == Access::kWrite, create);
  if (!file.ok()) return file.failure();
  auto mapping = map(file.value(), options);
  const std::string& made_at = file.value()->made_at();
  if (!mapping.ok() && !made_at.empty()) unlink(made_at.c_str());
  return mapping;
}

Result<std::shared_ptr<Mapping>> Mapping::map(std::shared_ptr<File> file,
                                              const MapOptions& options) {
  auto size = file->size();
  if (!size.ok()) return size.failure();
  uint64_t length = options.length;
  if (length == 0) {
    if (options.offset > size.value()) {
      return Failure::of(Reason::kOutOfRange, "offset lies past the end of the file");
    }
    length = size.value() - options.offset;
  }
  if (options.reserve != 0 && options.reserve < length) {
    return Failure::of(Reason::kOutOfRange, "reserve is less than the length");
  }
  const uint64_t end = options.offset + length;
  if (end > size.value()) {
    if (options.access != Access::kWrite) {
      return Failure::of(Reason::kOutOfRange, "the range goes past the end of the file");
    }
    const Failure failure = file->extend(end, options.sparse);
    if (failure) return failure;
  }
  const auto undo = [&](const Failure& failure) {
    auto now = file->size();
    if (end > size.value() && now.ok() && now.value() == end) file->truncate(size.value());
    return failure;
  };

  std::shared_ptr<Mapping> mapping(new Mapping);
  mapping->access_ = options.access;
  mapping->offset_ = options.offset;
  mapping->length_ = length;
  mapping->file_ = file;
  mapping->delta_ = options.offset % file->page();
  if (length == 0 && options.reserve == 0) return mapping;

  RegionRequest request;
  request.length = length == 0 ? 0 : length + mapping->delta_;
  request.reserved = options.reserve == 0 ? 0 : options.reserve + mapping->delta_;
  request.prot = protection(options.access);
  request.flags = options.access == Access::kCopy ? MAP_PRIVATE : MAP_SHARED;
  if (options.populate) request.flags |= MAP_POPULATE;
  request.fd = file->fd();
  request.offset = options.offset - mapping->delta_;
  request.file = file;
  request.advice = options.advice;
  request.page = file->page();
  auto region = Region::map(request);
  if (!region.ok()) return undo(region.failure());
  mapping->region_ = region.value();
  const Failure failure = mapping->after_map(options);
  if (failure) {
    mapping->close();
    return undo(failure);
  }
  return mapping;
}

Result<std::shared_ptr<Mapping>> Mapping::anonymous(const MapOptions& options, bool shared) {
  RegionRequest request;
  request.length = options.length;
  request.prot = PROT_READ | PROT_WRITE;
  request.flags = (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS;
  if (options.populate) request.flags |= MAP_POPULATE;
  if (options.huge_pages) {
    request.flags |= MAP_HUGETLB;
    request.page = huge_page_size();
    if (request.page == 0) {
      return Failure::of(Reason::kUnavailable, "this kernel has no huge pages");
    }
  }
  auto region = Region::map(request);
  if (!region.ok()) return region.failure();
  std::shared_ptr<Mapping> mapping(new Mapping);
  mapping->access_ = shared ? Access::kWrite : Access::kCopy;
  mapping->length_ = options.length;
  mapping->region_ = region.value();
  const Failure failure = mapping->after_map(options);
  if (failure) {
    mapping->close();
    return failure;
  }
  return mapping;
}

Failure Mapping::after_map(const MapOptions& options) {
  if (length_ == 0) return {};
  void* address = reinterpret_cast<void*>(region_->base());
  const size_t bytes = length_ + delta_;
  // A file of hugetlbfs has its huge pages anyway; elsewhere it is a wish, which the kernel may refuse.
  const bool wish = options.huge_pages && file_ != nullptr && file_->page() == page_size();
  if (wish && madvise(address, bytes, MADV_HUGEPAGE) != 0) {
    return Failure::system(errno, "madvise");
  }
  // mlock(2), not MAP_LOCKED, which reports success when the pages could not be brought in.
  if (options.lock && mlock(address, bytes) != 0) return Failure::system(errno, "mlock");
  return {};
}

Failure Mapping::may_flush(FileRange range) const {
  if (closed()) return Failure::of(Reason::kClosed);
  if (access_ == Access::kCopy) {
    return Failure::of(Reason::kAccess, "a private mapping has nothing to flush");
  }
  // After a fault the bytes are no longer the file's, and msync would return 0.
  if (region_ != nullptr && region_->patched(delta_ + range.offset, range.length)) {
    return Failure::of(Reason::kFault);
  }
  if (file_ != nullptr && file_->poisoned() != 0) {
    return {Reason::kPoisoned, file_->poisoned(), "msync", ""};
  }
  return {};
}

Result<FlushJob> Mapping::flush(const std::vector<FileRange>& ranges) const {
  FlushJob job;
  for (const FileRange& range : ranges) {
    const Failure failure = may_flush(range);
    if (failure) return failure;
    job.ranges.push_back({offset_ + range.offset, range.length});
  }
  job.file = file_;
  return job;
}

Failure Mapping::flush_now(FileRange range) const {
  const Failure failure = may_flush(range);
  if (failure) return failure;
  if (file_ == nullptr) return {};
  if (region_ == nullptr || range.length == 0) return file_->sync({{offset_, 0}});
  return region_->sync(delta_ + range.offset, range.length);
}

Failure Mapping::close() {
  closed_ = true;
  file_.reset();
  return region_ == nullptr ? Failure{} : region_->retire();
}

}  // namespace memmap
