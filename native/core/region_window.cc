// What of the file a region shows, and how: growing, shrinking, sliding, healing, protecting. All of it
// in the range that the region has, and under its lock, so that the guard sees the one state or the other.
#include <linux/mman.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "core/areas.h"
#include "core/guard.h"
#include "core/region.h"

namespace memmap {
namespace {

using Guard = std::lock_guard<SpinLock>;

void* pointer(uintptr_t address) { return reinterpret_cast<void*>(address); }

constexpr int kEmpty = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

}  // namespace

// Maps the pages of [begin, end) from the file, as the region's request said. Under the lock.
Failure Region::map_pages(uintptr_t begin, uintptr_t end) {
  const Failure failure =
      map_fixed(begin, end - begin, prot_, flags_, file_->fd(), file_offset_ + (begin - base_));
  if (failure) return failure;
  // Advice and locks belong to the area that was just replaced.
  if (advice_ != 0) madvise(pointer(begin), end - begin, advice_);
  if (!locked_) return {};
  // Not mlock(2): pages past the end of the file, where a window may well lie, are ENOMEM to it. Those that
  // there are come in at once, the others when there are some.
  if (mlock2(pointer(begin), end - begin, MLOCK_ONFAULT) != 0) {
    return Failure::system(errno, "mlock2");
  }
  madvise(pointer(begin), end - begin, MADV_POPULATE_READ);
  return {};
}

void Region::forget_patches(uintptr_t begin, uintptr_t end) {
  if (incident_ != nullptr) incident_->remove_patches(begin, end);
}

Failure Region::grow(size_t length) {
  Guard held(lock_);
  if (state_ != State::kLive) return Failure::of(Reason::kClosed);
  const size_t rounded = round_up(length, page_);
  if (rounded <= length_) return {};
  if (rounded > reserved_) return Failure::of(Reason::kOutOfRange, "beyond the reserve");
  const uintptr_t begin = base_ + length_;
  const uintptr_t end = base_ + rounded;
  const Failure failure = map_pages(begin, end);
  if (failure) {
    map_fixed(begin, end - begin, PROT_NONE, kEmpty, -1, 0);
    return failure;
  }
  forget_patches(begin, end);
  length_ = rounded;
  return {};
}

Failure Region::shrink(size_t length) {
  Guard held(lock_);
  if (state_ != State::kLive) return Failure::of(Reason::kClosed);
  const size_t rounded = round_up(length, page_);
  if (rounded >= length_) return {};
  const int prot = guard::enabled() ? PROT_NONE : PROT_READ | PROT_WRITE;
  const uintptr_t begin = base_ + rounded;
  const uintptr_t end = base_ + length_;
  const Failure failure = map_fixed(begin, end - begin, prot, kEmpty, -1, 0);
  if (failure) return failure;
  forget_patches(begin, end);
  length_ = rounded;
  if (areas_ < 2) {
    areas_++;
    areas::take_unchecked(1);
  }
  return {};
}

Result<Region::Slid> Region::slide(uint64_t file_offset) {
  Guard held(lock_);
  if (state_ != State::kLive) return Failure::of(Reason::kClosed);
  const uint64_t before = file_offset_;
  file_offset_ = file_offset;
  const Slid slid = {any_patch(base_, base_ + length_), waits_ != 0};
  if (length_ == 0) return slid;
  const Failure failure = map_pages(base_, base_ + length_);
  if (failure) {
    // It may be the lock that failed, with the new pages there already.
    file_offset_ = before;
    map_pages(base_, base_ + length_);
    return failure;
  }
  forget_patches(base_, base_ + length_);
  return slid;
}

Failure Region::heal() {
  Guard held(lock_);
  if (state_ != State::kLive) return Failure::of(Reason::kClosed);
  if (incident_ == nullptr || file_ == nullptr) return {};
  const uintptr_t mapped_end = base_ + length_;
  while (incident_->patch_count() > 0) {
    const Patch patch = incident_->patch(0);
    const uintptr_t end = std::max(patch.begin, std::min(patch.end, mapped_end));
    if (patch.begin < end) {
      const Failure failure = map_pages(patch.begin, end);
      if (failure) return failure;
    }
    if (patch.end > end) map_fixed(end, patch.end - end, PROT_NONE, kEmpty, -1, 0);
    incident_->remove_patches(patch.begin, patch.end);
  }
  return {};
}

Failure Region::protect(size_t offset, size_t length, int prot) {
  const Failure split = expect_split();
  if (split) return split;
  Guard held(lock_);
  if (state_ != State::kLive) return Failure::of(Reason::kClosed);
  // Where all pages are the guard's the kernel would allow it, and no page of the file could take their place.
  const bool writes = (prot & PROT_WRITE) != 0 && shared();
  if (writes && file_ != nullptr && !file_->writable()) return Failure::system(EACCES, "mprotect");
  const uintptr_t begin = round_down(base_ + offset, page_);
  const uintptr_t end = round_up(base_ + offset + length, page_);
  if (mprotect(pointer(begin), end - begin, prot) != 0) return Failure::system(errno, "mprotect");
  if (begin == base_ && end >= base_ + length_) prot_ = prot;
  return {};
}

// mlock(2) may take long, so not under the lock; a hold keeps the addresses meanwhile.
Failure Region::lock_pages(size_t offset, size_t length) {
  const RegionUse use(*this);
  if (!use) return Failure::of(Reason::kClosed);
  const uintptr_t begin = round_down(base_ + offset, page_);
  const uintptr_t end = round_up(base_ + offset + length, page_);
  if (mlock(pointer(begin), end - begin) != 0) return Failure::system(errno, "mlock");
  Guard held(lock_);
  if (begin == base_ && end >= base_ + length_) locked_ = true;
  return {};
}

void Region::forget_lock() {
  Guard held(lock_);
  locked_ = false;
}

bool Region::locked() const {
  Guard held(lock_);
  return locked_;
}

RegionRequest Region::as_request() const {
  Guard held(lock_);
  RegionRequest request;
  request.length = length_;
  request.prot = prot_;
  request.flags = flags_;
  request.fd = file_ == nullptr ? -1 : file_->fd();
  request.offset = file_offset_;
  request.file = file_;
  request.advice = advice_;
  request.page = page_;
  return request;
}

void Region::set_advice(int advice) {
  Guard held(lock_);
  advice_ = advice;
}

Failure Region::expect_split() {
  constexpr int64_t kSplit = 2;
  int64_t counted = 0;
  {
    Guard held(lock_);
    // What is counted for a region that is released meanwhile would never be given back.
    if (state_ != State::kLive) return Failure::of(Reason::kClosed);
    counted = areas_;
    if (counted + kSplit <= recount_areas_at_) {
      areas_ += kSplit;
      areas::take_unchecked(kSplit);
      return {};
    }
  }
  // The same part may have been split many times, which is one split: look how many there really are.
  const int64_t real = areas::count_within(base_, base_ + reserved_) + kSplit;
  const int64_t taken = std::max<int64_t>(real - counted, 0);
  if (taken > 0 && !areas::take(taken)) return Failure::system(ENOMEM, "mprotect");
  Guard held(lock_);
  if (state_ != State::kLive) {
    areas::give_back(taken);
    return Failure::of(Reason::kClosed);
  }
  // Less what another thread has counted, or found to be too many, in the meantime.
  areas::take_unchecked(real - areas_ - taken);
  areas_ = real;
  recount_areas_at_ = 2 * real + 64;
  return {};
}

}  // namespace memmap
