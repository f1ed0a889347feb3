// What the guard does to a page that cannot be used: Region::survive() and its parts.
//
// All of it runs in the signal handler, so only system calls and plain memory are used: no allocation,
// no lock but the region's own, no exception.
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <mutex>

#include "core/areas.h"
#include "core/region.h"
#include "core/stats.h"

namespace memmap {
namespace {

constexpr int kScratch = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
constexpr size_t kLargestPatch = size_t{4} << 20;
// Room for a hole to be made on either side of a patch.
constexpr int64_t kAreasPerPatch = 2;

void* pointer(uintptr_t address) { return reinterpret_cast<void*>(address); }

// Of this process's memory, without a fault.
ssize_t read_own(void* target, uintptr_t from, size_t length) {
  const iovec local = {target, length};
  const iovec remote = {pointer(from), length};
  return process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
}

}  // namespace

FaultKind Region::classify(uintptr_t at, int signal, int code) const {
  if (state_ == State::kRetired || at >= base_ + length_) return FaultKind::kUnmapped;
  if (signal == SIGBUS && (code == BUS_MCEERR_AR || code == BUS_MCEERR_AO)) return FaultKind::kIo;
  const uint64_t offset = file_offset_ + (at - base_);
  if (file_ != nullptr) {
    struct stat st;
    // The size decides before the signal does: a write past the end of a mapping that may only be read
    // is a SIGSEGV, since the kernel checks the protection first.
    if (fstat(file_->fd(), &st) == 0 && S_ISREG(st.st_mode) &&
        offset >= round_up(static_cast<uint64_t>(st.st_size), page_)) {
      return FaultKind::kTruncated;
    }
  }
  if (signal == SIGBUS) {
    char byte;
    // What can be read could not be made writable: the disk is full. Otherwise the device failed.
    const bool readable =
        file_ == nullptr || pread(file_->fd(), &byte, 1, static_cast<off_t>(offset)) >= 0;
    return readable ? FaultKind::kNoSpace : FaultKind::kIo;
  }
  // SIGSEGV in a live region: a write to a page that can be read, or any access to one that cannot.
  char byte;
  const ssize_t got = read_own(&byte, at, 1);
  // Where the call itself is forbidden (EPERM, ENOSYS under seccomp) the protection asked for decides.
  const bool readable = got == 1 || (errno != EFAULT && (prot_ & PROT_READ) != 0);
  return readable ? FaultKind::kReadOnly : FaultKind::kUnmapped;
}

// What can still be read of the old pages; zeros for the rest.
void Region::copy_contents(void* target, uintptr_t begin, size_t length) const {
  if (file_ == nullptr) {
    if (read_own(target, begin, length) >= 0 || errno == EFAULT) return;
    // Forbidden. This reads pages out of reach as well, so that it is no answer above, but serves here.
    const int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    if (memory < 0) return;
    (void)!pread(memory, target, length, static_cast<off_t>(begin));
    close(memory);
    return;
  }
  const uint64_t offset = file_offset_ + (begin - base_);
  for (size_t done = 0; done < length;) {
    const ssize_t got = pread(file_->fd(), static_cast<char*>(target) + done, length - done,
                              static_cast<off_t>(offset + done));
    if (got == 0) break;  // the end of the file
    done = got > 0 ? done + static_cast<size_t>(got) : round_down(done, page_) + page_;
  }
}

// Puts usable private pages in place of [begin, end).
bool Region::replace(uintptr_t begin, uintptr_t end, FaultKind kind) {
  const size_t length = end - begin;
  const bool zeros = kind == FaultKind::kTruncated || kind == FaultKind::kUnmapped || !shared();
  if (zeros) return !map_fixed(begin, length, PROT_READ | PROT_WRITE, kScratch, -1, 0);

  // Filled aside and then moved over the old pages in one step, so that no other thread sees it half
  // done. mremap(2) unmaps what lies at the target.
  void* scratch = mmap(nullptr, length, PROT_READ | PROT_WRITE, kScratch, -1, 0);
  if (scratch == MAP_FAILED) return false;
  copy_contents(scratch, begin, length);
  if (mremap(scratch, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, pointer(begin)) !=
      MAP_FAILED) {
    return true;
  }
  // It may have unmapped the target before it failed: lay pages there, or close the hole.
  const bool laid = !map_fixed(begin, length, PROT_READ | PROT_WRITE, kScratch, -1, 0);
  if (laid) memcpy(pointer(begin), scratch, length);
  munmap(scratch, length);
  return laid;
}

// The last resort, which needs no further area: one area over all of it.
bool Region::replace_all(FaultKind kind) {
  const size_t length = state_ == State::kRetired ? reserved_ : length_;
  bool done = false;
  if (state_ == State::kLive && kind != FaultKind::kNoSpace && file_ != nullptr && shared()) {
    // What the file holds stays to be seen. Not on a full tmpfs, where reading a hole takes a page too.
    done = !map_fixed(base_, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE,
                      file_->fd(), file_offset_);
  }
  if (!done) done = replace(base_, base_ + length, kind);
  if (!done) done = !map_fixed(base_, length, PROT_READ | PROT_WRITE, kScratch, -1, 0);
  if (!done) return false;
  incident_->clear_patches();
  incident_->add_patch(base_, base_ + length);
  return true;
}

// How many bytes to replace at once. For a full disk and for retired pages twice as many each time, for
// the others after some faults: so scattered faults need a bounded number of areas, and a single one
// costs a single page its connection to the file.
size_t Region::patch_length(FaultKind kind) const {
  constexpr int kSingles = 32;
  const bool at_once = kind == FaultKind::kNoSpace || state_ == State::kRetired;
  const int doublings = std::clamp(incident_->generation() - (at_once ? 0 : kSingles), 0, 20);
  const bool private_memory = state_ == State::kLive && !shared();
  if (private_memory && kind != FaultKind::kReadOnly) return page_;  // there is no second copy
  return std::min(page_ << doublings, std::max(kLargestPatch, page_));
}

// In private memory only the protection is in the way: the page is nobody else's, and its contents stay.
bool Region::lift_protection(uintptr_t at, FaultKind kind) {
  const bool all = incident_->count_up() > Incident::kMaxPatches;
  const uintptr_t begin = all ? base_ : at;
  const size_t length = all ? length_ : page_;
  if (mprotect(pointer(begin), length, PROT_READ | PROT_WRITE) != 0) {
    if (mprotect(pointer(base_), length_, PROT_READ | PROT_WRITE) != 0) return false;
  }
  report(kind, at, at + page_);
  return true;
}

// The page may be good by now: the file has grown again, or refresh(), slide() or protect() was faster than
// this handler. To replace it would cut it off from the file for nothing, and for a wrong reason. So each
// thread runs its instruction again before that; several times, since a file that is cut and grown again
// and again can be short at each access and long enough at each look.
bool Region::try_again(uintptr_t at) {
  constexpr int kTimes = 8;
  const long thread = syscall(SYS_gettid);
  Again& last = again_[static_cast<size_t>(thread) % std::size(again_)];
  if (last.thread != thread || last.at != at) last = {thread, at, 0};
  if (last.times++ < kTimes) return true;
  last = {};
  return false;
}

void Region::report(FaultKind kind, uintptr_t begin, uintptr_t end) {
  incident_->record({file_offset_ + (begin - base_), end - begin, kind});
  g_stats.faults.fetch_add(1);
  int none = kNone;
  warning_.compare_exchange_strong(none, kDue);
}

bool Region::survive(uintptr_t address, int signal, int code) {
  std::lock_guard<SpinLock> held(lock_);
  if (state_ == State::kReleased) return false;
  if (incident_ == nullptr) {
    incident_ = Incident::make();
    if (incident_ == nullptr && areas::give_up_spare()) incident_ = Incident::make();
    if (incident_ == nullptr) return false;
  }
  const uintptr_t at = round_down(address, page_);
  if (incident_->patched(at)) {
    // Another thread was faster; or somebody has protected the patch since; or it is a private mapping
    // of a file that was cut again. Whatever it is, the fault must not come again for ever.
    if (signal == SIGBUS) return !map_fixed(at, page_, PROT_READ | PROT_WRITE, kScratch, -1, 0);
    return mprotect(pointer(at), page_, PROT_READ | PROT_WRITE) == 0;
  }

  const FaultKind kind = classify(at, signal, code);
  const bool lasting = kind == FaultKind::kTruncated || kind == FaultKind::kIo;
  if (state_ == State::kLive && !lasting && try_again(at)) return true;
  const bool protection = kind == FaultKind::kReadOnly || kind == FaultKind::kUnmapped;
  if (protection && state_ == State::kLive && !shared() && at < base_ + length_) {
    return lift_protection(at, kind);
  }
  const uintptr_t mapped_end = base_ + (state_ == State::kRetired ? reserved_ : length_);
  const uintptr_t limit = at < mapped_end ? mapped_end : base_ + reserved_;
  // Past the end of the file all that follows is gone as well: one area, not one for each page.
  uintptr_t end = kind == FaultKind::kTruncated ? limit : at + patch_length(kind);
  end = std::min(std::min(end, limit), incident_->next_patch(at, limit));

  uint64_t reported_begin = at;
  uint64_t reported_end = end;
  if (!incident_->full() && replace(at, end, kind)) {
    incident_->add_patch(at, end);
    areas_ += kAreasPerPatch;
    areas::take_unchecked(kAreasPerPatch);
  } else if (replace_all(kind)) {
    reported_begin = base_;
    reported_end = mapped_end;
  } else {
    return false;
  }
  report(kind, reported_begin, reported_end);
  return true;
}

}  // namespace memmap
