// How a mapping changes: its length, its place in the file, and what it makes of changes that others make.
#include <algorithm>

#include "core/mapping.h"
#include "core/waiters.h"

namespace memmap {
namespace {

// Windows to be flushed are kept apart up to this many; then one range over all of them stands for them.
constexpr size_t kMaxWindows = 256;

}  // namespace

Result<std::shared_ptr<Region>> Mapping::resize(uint64_t length) {
  Lock held(mutex_);
  std::shared_ptr<Region> none;
  if (is_closed()) return Failure::of(Reason::kClosed);
  if (anonymous_) return Failure::of(Reason::kAccess, "an anonymous mapping has no file to resize");
  if (access_ != Access::kWrite) return Failure::of(Reason::kAccess, "resize needs 'write'");
  auto size = file_->size();
  if (!size.ok()) return size.failure();
  if (size.value() > offset_ + length_) {
    return Failure::of(Reason::kOutOfRange, "the file goes on past the end of the mapping");
  }
  const bool grows = length > length_;
  const bool in_place =
      region_ != nullptr && round_up(length + delta_, region_->page()) <= region_->reserved();
  if (grows && !in_place && sharers_.load() > 0) {
    return Failure::of(Reason::kOutOfRange, "beyond the reserve, with a live sharedBuffer");
  }

  const uint64_t old_size = size.value();
  const uint64_t new_size = offset_ + length;
  if (!grows && region_ != nullptr && region_->has_waits()) {
    waiters::leave(*region_, region_->base() + delta_ + length);
  }
  if (new_size > old_size) {
    const Failure failure = file_->extend(new_size, options_.sparse);
    if (failure) return failure;
  } else if (new_size < old_size) {
    const Failure failure = file_->truncate(new_size);
    if (failure) return failure;
  }
  const auto undo = [&](const Failure& failure) {
    if (new_size > old_size) file_->truncate(old_size);
    return failure;
  };

  if (!grows) {
    // The file is cut already: pages that cannot be taken out of the region fault, and the guard has them.
    if (region_ != nullptr) region_->shrink(length == 0 ? 0 : length + delta_);
    length_ = length;
    return none;
  }
  if (in_place) {
    const Failure failure = region_->grow(length + delta_);
    if (failure) return undo(failure);
    length_ = length;
    return none;
  }
  if (region_ != nullptr) {  // what was asked for since the beginning goes along
    options_.advice = region_->as_request().advice;
    options_.lock = region_->locked();
  }
  auto region = map_region(length, 0);
  if (!region.ok()) return undo(region.failure());
  std::shared_ptr<Region> replaced = std::move(region_);
  if (replaced != nullptr) {
    for (const Fault& fault : replaced->faults()) {
      if (earlier_faults_ == nullptr) earlier_faults_ = std::make_unique<FaultList>(FaultList{});
      earlier_faults_->record(fault);
    }
    lost_ = lost_ || replaced->patched(0, replaced->length());
  }
  adopt_region(region.value());
  length_ = length;
  return replaced;
}

void Mapping::leave_window(FileRange window) {
  if (access_ != Access::kWrite || window.length == 0) return;
  for (FileRange& known : windows_) {
    if (window.offset > known.offset + known.length ||
        known.offset > window.offset + window.length) {
      continue;
    }
    const uint64_t end = std::max(known.offset + known.length, window.offset + window.length);
    known.offset = std::min(known.offset, window.offset);
    known.length = end - known.offset;
    return;
  }
  windows_.push_back(window);
  if (windows_.size() <= kMaxWindows) return;
  uint64_t begin = windows_[0].offset;
  uint64_t end = 0;
  for (const FileRange& known : windows_) {
    begin = std::min(begin, known.offset);
    end = std::max(end, known.offset + known.length);
  }
  windows_ = {{begin, end - begin}};
}

void Mapping::restore_windows(const std::vector<FileRange>& windows) {
  Lock held(mutex_);
  for (const FileRange& window : windows)
    leave_window(window);
}

Result<uint64_t> Mapping::slide(uint64_t offset) {
  Lock held(mutex_);
  if (closed_) return Failure::of(Reason::kClosed);
  const auto refuse = [&](const Failure& failure) {
    return is_closed() ? Failure::of(Reason::kClosed) : failure;
  };
  if (anonymous_) return refuse(Failure::of(Reason::kAccess, "an anonymous mapping has no file"));
  if (access_ == Access::kCopy) {
    return refuse(Failure::of(Reason::kAccess, "what a private mapping holds would be lost"));
  }
  if (offset % file_->page() != delta_) {
    return refuse(
        Failure::of(Reason::kOutOfRange, "offset must equal the mapping's, modulo the page size"));
  }
  auto size = file_->size();
  if (!size.ok()) return size.failure();
  if (offset > size.value()) {
    return refuse(Failure::of(Reason::kOutOfRange, "offset lies past the end of the file"));
  }
  if (region_ != nullptr) {
    // Also when it shows nothing yet: what it grows by is counted from there.
    auto slid = region_->slide(offset - delta_);
    if (!slid.ok()) return slid.failure();
    if (slid.value().waits) waiters::look_again(*region_);
    lost_ = lost_ || slid.value().patched;
    leave_window({offset_, length_});
  }
  offset_ = offset;
  return std::min(size.value() - offset, length_);
}

Result<uint64_t> Mapping::refresh() {
  Lock held(mutex_);
  if (is_closed()) return Failure::of(Reason::kClosed);
  if (anonymous_) return length_;
  auto size = file_->size();
  if (!size.ok()) return size.failure();
  const uint64_t there = size.value() > offset_ ? size.value() - offset_ : 0;
  const uint64_t length = std::min(there, std::max(length_, options_.reserve));
  if (region_ != nullptr) {
    if (length > length_) {
      const Failure failure = region_->grow(length + delta_);
      if (failure) return failure;
      length_ = length;
    }
    const Failure failure = region_->heal();
    if (failure) return failure;
    waiters::look_again(*region_);
  }
  lost_ = false;
  return length;
}

}  // namespace memmap
