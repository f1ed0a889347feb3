#include "core/region.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstdlib>
#include <mutex>

#include "core/areas.h"
#include "core/guard.h"
#include "core/region_table.h"
#include "core/stats.h"
#include "core/waiters.h"
#include "core/warnings.h"

namespace memmap {
namespace {

using Guard = std::lock_guard<SpinLock>;

void* pointer(uintptr_t address) { return reinterpret_cast<void*>(address); }

constexpr int kAnonymous = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

}  // namespace

Failure map_fixed(uintptr_t address, size_t length, int prot, int flags, int fd, uint64_t offset) {
  const auto attempt = [&] {
    return mmap(pointer(address), length, prot, flags | MAP_FIXED, fd,
                static_cast<off_t>(offset)) != MAP_FAILED;
  };
  if (attempt()) return {};
  int error = errno;
  if (error == ENOMEM && areas::give_up_spare() && attempt()) return {};
  // msync(2) of a range with a hole is ENOMEM, and MS_ASYNC does nothing else on Linux.
  if (msync(pointer(address), length, MS_ASYNC) != 0 && errno == ENOMEM) {
    if (mmap(pointer(address), length, PROT_NONE, kAnonymous | MAP_FIXED, -1, 0) == MAP_FAILED) {
      abort();
    }
  }
  return Failure::system(error, "mmap");
}

namespace {

// Addresses, as PROT_NONE, which costs no memory, from a multiple of `unit` on: some more are asked for and cut off.
void* reserve(size_t length, size_t unit) {
  const size_t slack = unit > page_size() ? unit : 0;
  void* const room = mmap(nullptr, length + slack, PROT_NONE, kAnonymous, -1, 0);
  if (room == MAP_FAILED || slack == 0) return room;
  const uintptr_t raw = reinterpret_cast<uintptr_t>(room);
  const uintptr_t begin = round_up(raw, unit);
  const size_t tail = raw + slack - begin;
  if (begin != raw) munmap(room, begin - raw);
  if (tail != 0) munmap(pointer(begin + length), tail);
  return pointer(begin);
}

// Address space that one table of pages covers: 2 MiB of it, or more on machines with larger pages.
size_t table_span() { return page_size() * (page_size() / sizeof(void*)); }

// mmap(2) where the kernel likes, but not across the end of a table of pages if that can be helped. A fault brings in
// all pages of a large folio at once where they lie in one table, and 16 otherwise (finish_fault in mm/memory.c): a
// window of 1 MiB is read in less than half of the time. From a whole table on the kernel aligns by itself.
void* map_within_table(const RegionRequest& request) {
  void* const first = mmap(nullptr, request.length, request.prot, request.flags, request.fd,
                           static_cast<off_t>(request.offset));
  constexpr size_t kPagesOfOneFault = 16;
  const size_t span = table_span();
  const size_t length = round_up(request.length, page_size());
  if (first == MAP_FAILED || request.file == nullptr || (request.flags & MAP_POPULATE) != 0 ||
      length >= span || length <= kPagesOfOneFault * page_size()) {
    return first;
  }
  const uintptr_t begin = reinterpret_cast<uintptr_t>(first);
  if (begin / span == (begin + length - 1) / span) return first;
  void* const better = reserve(length, span);
  if (better == MAP_FAILED) return first;
  if (map_fixed(reinterpret_cast<uintptr_t>(better), length, request.prot, request.flags,
                request.fd, request.offset)) {
    munmap(better, length);
    return first;
  }
  munmap(first, length);
  return better;
}

}  // namespace

Result<std::shared_ptr<Region>> Region::map(const RegionRequest& request) {
  const size_t page = request.page != 0 ? request.page : page_size();
  const bool reserves = request.reserved > request.length;
  const size_t reserved = round_up(reserves ? request.reserved : request.length, page);
  const int64_t areas = reserves ? 2 : 1;
  if (!areas::take(areas)) return Failure::system(ENOMEM, "mmap");

  void* base;
  if (reserves) {
    // The reserve first, then the file over its beginning. Huge pages need their own alignment.
    base = reserve(reserved, page);
    if (base != MAP_FAILED && request.length != 0) {
      const Failure failure =
          map_fixed(reinterpret_cast<uintptr_t>(base), round_up(request.length, page), request.prot,
                    request.flags, request.fd, request.offset);
      if (failure) {
        munmap(base, reserved);
        areas::give_back(areas);
        return failure;
      }
    }
  } else {
    base = map_within_table(request);
  }
  if (base == MAP_FAILED) {
    const int error = errno;
    areas::give_back(areas);
    return Failure::system(error, "mmap");
  }
  return finish(request, base, reserved, page);
}

Result<std::shared_ptr<Region>> Region::adopt(const RegionRequest& request, void* address) {
  return finish(request, address, round_up(request.length, request.page), request.page);
}

Result<std::shared_ptr<Region>> Region::finish(const RegionRequest& request, void* base,
                                               size_t reserved, size_t page) {
  guard::install_once();
  struct Made : Region {  // one allocation with the counts, for a constructor that is private
    Made(const RegionRequest& asked, uintptr_t begin, size_t bytes, size_t page_bytes)
        : Region(asked, begin, bytes, page_bytes) {}
  };
  const std::shared_ptr<Region> region =
      std::make_shared<Made>(request, reinterpret_cast<uintptr_t>(base), reserved, page);
  region->slot_ = g_regions.insert(region.get(), region->base_, region->base_ + reserved);
  if (region->slot_ < 0) return Failure::system(ENOMEM, "mmap");  // the destructor unmaps
  if (request.advice != 0) madvise(base, round_up(request.length, page), request.advice);
  return region;
}

Region::Region(const RegionRequest& request, uintptr_t base, size_t reserved, size_t page)
    : base_(base),
      reserved_(reserved),
      page_(page),
      flags_(request.flags),
      length_(round_up(request.length, page)),
      file_offset_(request.offset),
      prot_(request.prot),
      advice_(request.advice),
      areas_(request.reserved > request.length ? 2 : 1),
      file_(request.file) {
  g_stats.regions.fetch_add(1);
  g_stats.mapped_bytes.fetch_add(static_cast<int64_t>(reserved_));
}

Region::~Region() {
  // Whoever holds the region's addresses has a reference, so nobody has them any more.
  if (state_ == State::kReleased) return;
  if (state_ == State::kRetired) {
    g_stats.retired_bytes.fetch_sub(static_cast<int64_t>(reserved_));
  } else {
    g_stats.mapped_bytes.fetch_sub(static_cast<int64_t>(reserved_));
  }
  state_ = State::kReleased;
  release(file_);
}

std::shared_ptr<Region> Region::find(const void* address) {
  RegionTable::Visit visit(g_regions);
  Region* region = g_regions.find(reinterpret_cast<uintptr_t>(address));
  return region == nullptr ? nullptr : region->weak_from_this().lock();
}

size_t Region::length() const {
  Guard held(lock_);
  return length_;
}

bool Region::shared() const { return (flags_ & MAP_TYPE) != MAP_PRIVATE; }

bool Region::live() const {
  Guard held(lock_);
  return state_ == State::kLive;
}

bool Region::over() const {
  Guard held(lock_);
  return state_ == State::kReleased && incident_ == nullptr && past_faults_.empty();
}

std::shared_ptr<File> Region::file() const {
  Guard held(lock_);
  return file_;
}

uint64_t Region::file_offset() const {
  Guard held(lock_);
  return file_offset_;
}

bool Region::hold(int count) {
  Guard held(lock_);
  if (state_ != State::kLive) return false;
  holds_ += count;
  return true;
}

bool Region::hold_longer() {
  Guard held(lock_);
  if (state_ != State::kLive && holds_ == 0) return false;
  holds_++;
  return true;
}

void Region::drop_hold() {
  bool released = false;
  {
    Guard held(lock_);
    released = --holds_ == 0 && state_ == State::kRetired;
    if (released) {
      state_ = State::kReleased;
      g_stats.retired_bytes.fetch_sub(static_cast<int64_t>(reserved_));
    }
  }
  if (released) {
    release(nullptr);
  } else {
    retire_abandoned();
  }
}

void Region::abandon(int count) {
  {
    Guard held(lock_);
    abandoned_ += count;
  }
  retire_abandoned();
}

void Region::retire_abandoned() {
  {
    Guard held(lock_);
    if (holds_ == 0 || holds_ != abandoned_) return;
  }
  if (mapping.expired()) retire();
}

bool Region::begin_wait() {
  Guard held(lock_);
  if (state_ != State::kLive || retiring_) return false;
  holds_++;
  waits_++;
  return true;
}

void Region::end_wait() {
  {
    Guard held(lock_);
    waits_--;
  }
  drop_hold();
}

bool Region::has_waits() const {
  Guard held(lock_);
  return waits_ != 0;
}

Failure Region::retire() {
  bool waits = false;
  {
    Guard held(lock_);
    retiring_ = true;
    waits = waits_ != 0;
  }
  if (waits) waiters::leave(*this);
  std::shared_ptr<File> file;  // closed after the lock is let go
  bool unused = false;
  {
    Guard held(lock_);
    if (state_ != State::kLive) return {};
    unused = holds_ == 0;
    if (!unused) {
      const Failure failure = lay_retired();
      if (failure) return failure;
      g_stats.retired_bytes.fetch_add(static_cast<int64_t>(reserved_));
    }
    state_ = unused ? State::kReleased : State::kRetired;
    g_stats.mapped_bytes.fetch_sub(static_cast<int64_t>(reserved_));
    file.swap(file_);
  }
  if (unused) release(file);
  return {};
}

Failure Region::lay_retired() {
  // One call over the whole range: there is no moment in which an address belongs to nobody.
  const int prot = guard::enabled() ? PROT_NONE : PROT_READ | PROT_WRITE;
  const Failure failure = map_fixed(base_, reserved_, prot, kAnonymous, -1, 0);
  // No area to be had: the pages stay, but nothing reaches them; mprotect of a whole area needs none.
  if (failure && mprotect(pointer(base_), reserved_, prot) != 0) return failure;
  if (incident_ != nullptr) incident_->clear_patches();
  areas::give_back(areas_ - 1);
  areas_ = 1;
  return {};
}

void Region::release(const std::shared_ptr<File>& file) {
  // Out of the table first: once unmapped, the addresses may be somebody else's, and a fault there is
  // none of ours.
  if (slot_ >= 0) g_regions.remove(slot_);
  slot_ = -1;
  // What happened stays on record, and is still to be told if nobody has been told yet.
  std::vector<Fault> past;
  if (incident_ != nullptr) past = faults();  // nobody makes one any more: out of the table
  int due = kDue;
  if (warning_.compare_exchange_strong(due, kGiven)) keep_warning(owner_.load(), file.get(), past);
  munmap(pointer(base_), reserved_);
  areas::give_back(areas_);
  areas_ = 0;
  {
    Guard held(lock_);
    Incident::destroy(incident_);
    incident_ = nullptr;
    past_faults_ = std::move(past);
  }
  g_stats.regions.fetch_sub(1);
}

Failure Region::sync(size_t offset, size_t length) {
  const std::shared_ptr<File> own = file();
  if (own == nullptr) return {};  // nothing behind it that outlives the process
  const uintptr_t begin = round_down(base_ + offset, page_);
  const uintptr_t end = round_up(base_ + offset + length, page_);
  return own->sync_mapped(pointer(begin), end - begin);
}

bool Region::patched(size_t offset, size_t length) const {
  Guard held(lock_);
  // No byte is none that was lost, wherever it lies.
  return length != 0 && any_patch(base_ + offset, base_ + offset + length);
}

bool Region::any_patch(uintptr_t begin, uintptr_t end) const {
  if (incident_ == nullptr) return false;
  for (int i = 0; i < incident_->patch_count(); i++) {
    const Patch& patch = incident_->patch(i);
    if (patch.begin < end && patch.end > begin) return true;
  }
  return false;
}

bool Region::may_warn(const void* owner) const {
  const void* mine = owner_.load();
  return (mine == nullptr || mine == owner) && warning_.load() == kDue;
}

bool Region::take_warning(const void* owner) {
  if (!may_warn(owner)) return false;
  int due = kDue;
  return warning_.compare_exchange_strong(due, kGiven);
}

std::vector<Fault> Region::faults() const {
  std::vector<Fault> faults;
  faults.reserve(FaultList::kMaxFaults);  // before the lock: an allocation may take long
  Guard held(lock_);
  if (incident_ == nullptr) return past_faults_;
  const FaultList& known = incident_->faults();
  faults.assign(known.begin(), known.end());
  return faults;
}

}  // namespace memmap
