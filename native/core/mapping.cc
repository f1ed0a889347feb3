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

Mapping::~Mapping() {
  if (region_ != nullptr) region_->retire_abandoned();
}

std::shared_ptr<Mapping> Mapping::make() {
  struct Made : Mapping {};  // one allocation with the counts, for a constructor that is private
  return std::make_shared<Made>();
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

  auto mapping = make();
  mapping->access_ = options.access;
  mapping->options_ = options;
  mapping->offset_ = options.offset;
  mapping->length_ = length;
  mapping->file_ = file;
  mapping->delta_ = options.offset % file->page();
  if (length == 0 && options.reserve == 0) return mapping;
  auto region = mapping->map_region(length, options.reserve);
  if (!region.ok()) return undo(region.failure());
  mapping->adopt_region(region.value());
  return mapping;
}

Result<std::shared_ptr<Mapping>> Mapping::anonymous(const MapOptions& options, bool shared) {
  auto mapping = make();
  mapping->access_ = shared ? Access::kWrite : Access::kCopy;
  mapping->anonymous_ = true;
  mapping->options_ = options;
  mapping->length_ = options.length;
  auto region = mapping->map_region(options.length, 0);
  if (!region.ok()) return region.failure();
  mapping->adopt_region(region.value());
  return mapping;
}

std::shared_ptr<Mapping> Mapping::find(const void* address) {
  const auto region = Region::find(address);
  return region == nullptr ? nullptr : region->mapping.lock();
}

// A region for `length` bytes from the present offset on.
Result<std::shared_ptr<Region>> Mapping::map_region(uint64_t length, uint64_t reserve) const {
  RegionRequest request;
  request.length = length == 0 ? 0 : length + delta_;
  request.reserved = reserve == 0 ? 0 : reserve + delta_;
  // One that takes another's place keeps the protection that the whole of it has by now.
  request.prot = region_ == nullptr ? protection(access_) : region_->as_request().prot;
  request.flags = access_ == Access::kCopy ? MAP_PRIVATE : MAP_SHARED;
  if (options_.populate) request.flags |= MAP_POPULATE;
  request.advice = options_.advice;
  if (anonymous_) {
    request.flags |= MAP_ANONYMOUS;
    if (options_.huge_pages) {
      request.flags |= MAP_HUGETLB;
      request.page = huge_page_size();
      if (request.page == 0) {
        return Failure::of(Reason::kUnavailable, "this kernel has no huge pages");
      }
    }
  } else {
    request.fd = file_->fd();
    request.offset = offset_ - delta_;
    request.file = file_;
    request.page = file_->page();
  }
  auto region = Region::map(request);
  if (!region.ok() || length == 0) return region;

  void* address = reinterpret_cast<void*>(region.value()->base());
  // A file of hugetlbfs has its huge pages anyway; elsewhere it is a wish, which the kernel may refuse.
  const bool wish = options_.huge_pages && !anonymous_ && file_->page() == page_size();
  if (wish && madvise(address, request.length, MADV_HUGEPAGE) != 0) {
    return Failure::system(errno, "madvise");
  }
  // mlock(2), not MAP_LOCKED, which reports success when the pages could not be brought in.
  if (options_.lock) {
    const Failure failure = region.value()->lock_pages(0, request.length);
    if (failure) return failure;
  }
  return region;
}

void Mapping::adopt_region(std::shared_ptr<Region> region) {
  region->mapping = weak_from_this();
  region_ = std::move(region);
}

uint64_t Mapping::offset() const {
  Lock held(mutex_);
  return offset_;
}

uint64_t Mapping::length() const {
  Lock held(mutex_);
  return length_;
}

bool Mapping::closed() const {
  Lock held(mutex_);
  return is_closed();
}

std::shared_ptr<Region> Mapping::region() const {
  Lock held(mutex_);
  return region_;
}

std::shared_ptr<File> Mapping::file() const {
  Lock held(mutex_);
  return file_;
}

std::vector<Fault> Mapping::faults() const {
  FaultList all = {};
  {
    Lock held(mutex_);
    if (earlier_faults_ == nullptr)
      return region_ == nullptr ? std::vector<Fault>{} : region_->faults();
    all = *earlier_faults_;
    if (region_ != nullptr) {
      for (const Fault& fault : region_->faults())
        all.record(fault);
    }
  }
  return {all.begin(), all.end()};
}

Failure FlushJob::run() const {
  if (file == nullptr) return {};
  const Failure failure = file->sync(ranges);
  const auto still_there = mapping.lock();
  if (failure && still_there != nullptr) still_there->restore_windows(windows);
  return failure;
}

Failure Mapping::may_flush(FileRange range, bool whole) const {
  if (is_closed()) return Failure::of(Reason::kClosed);
  if (access_ == Access::kCopy) {
    return Failure::of(Reason::kAccess, "a private mapping has nothing to flush");
  }
  // After a fault the bytes are no longer the file's, and msync would return 0.
  if ((whole && lost_) ||
      (region_ != nullptr && region_->patched(delta_ + range.offset, range.length))) {
    return Failure::of(Reason::kFault);
  }
  return file_ == nullptr ? Failure{} : file_->poisoned();
}

Result<FlushJob> Mapping::flush(const std::vector<FileRange>& ranges, bool whole) {
  Lock held(mutex_);
  const std::vector<FileRange> all = {{0, length_}};
  FlushJob job;
  for (const FileRange& range : whole ? all : ranges) {
    const Failure failure = may_flush(range, whole);
    if (failure) return failure;
    job.ranges.push_back({offset_ + range.offset, range.length});
  }
  const Failure failure = may_flush({0, 0}, whole);  // there may have been no range
  if (failure) return failure;
  if (whole) {
    job.windows.swap(windows_);
    job.ranges.insert(job.ranges.begin(), job.windows.begin(), job.windows.end());
    job.mapping = weak_from_this();
  }
  job.file = file_;
  return job;
}

Failure Mapping::flush_now(FileRange range, bool whole) {
  std::shared_ptr<File> file;
  std::shared_ptr<Region> region;
  const uint64_t in_mapping = range.offset;
  {
    Lock held(mutex_);
    const Failure failure = may_flush(range, whole);
    if (failure) return failure;
    if (file_ == nullptr) return {};
    if (!(whole && !windows_.empty())) {
      file = file_;
      region = region_;
    }
    // Other threads may unmap or slide it at any moment: by the offset in the file then, as flush() does.
    if (file != nullptr && sharers_.load() > 0) region = nullptr;
    range.offset += offset_;
  }
  if (file == nullptr) {  // windows that were left behind: by their offsets in the file
    auto job = flush({}, true);
    return job.ok() ? job.value().run() : job.failure();
  }
  if (region == nullptr || range.length == 0) return file->sync({range});
  return region->sync(delta_ + in_mapping, range.length);
}

Result<Word> Mapping::word_at(uint64_t position, bool to_leave) const {
  Lock held(mutex_);
  if (is_closed() || region_ == nullptr) return Failure::of(Reason::kClosed);
  if (closing_ && !to_leave) return Failure::of(Reason::kClosed);
  if (position < offset_ || position + sizeof(uint32_t) > offset_ + length_) {
    return Failure::of(Reason::kOutOfRange, "the mapping's window does not show the word");
  }
  return Word{region_, region_->base() + delta_ + (position - offset_)};
}

bool Mapping::add_user(std::weak_ptr<MappingUser> user) {
  Lock held(mutex_);
  if (closing_ || is_closed()) return false;
  if (users_.size() == users_.capacity()) {
    const auto gone = [](const auto& weak) { return weak.expired(); };
    users_.erase(std::remove_if(users_.begin(), users_.end(), gone), users_.end());
  }
  users_.push_back(std::move(user));
  return true;
}

Failure Mapping::close(Last* last) {
  std::shared_ptr<Region> region;
  std::vector<std::weak_ptr<MappingUser>> users;
  const auto end = [&] {  // under the lock
    closed_ = true;
    file_.reset();
    region = region_;
  };
  {
    Lock held(mutex_);
    closing_ = true;
    users.swap(users_);
    if (users.empty()) end();
  }
  for (const auto& weak : users) {
    const auto user = weak.lock();
    if (user != nullptr) user->mapping_ends();
  }
  if (!users.empty()) {
    Lock held(mutex_);
    end();
  }
  if (region != nullptr) {
    const Failure failure = region->retire();
    if (failure) return failure;
  }
  Lock held(mutex_);
  if (region == nullptr || region->over()) {
    // Its memory serves the next one while it is in the processor's cache.
    region_.reset();
    if (last != nullptr) *last = {earlier_faults_ == nullptr, offset_, length_};
  }
  return {};
}

}  // namespace memmap
