// A region: one range of addresses that this package mapped, from mmap(2) to munmap(2).
//
//                  map()                        unmap(), exposed
//     (nothing) -----------> LIVE ------------------------------------> RETIRED
//                             |  the owner: unmap(), or its collection      |
//                             |  with nothing exposed                       |  the last hold is dropped
//                             +------------------> RELEASED <---------------+
//
//   LIVE      pages of the file, or anonymous memory. The guard may replace some by patches (incident.h).
//   RETIRED   PROT_NONE pages, laid over the whole range in one step: file and memory are let go, the
//             addresses are not. I/O that is in flight gets EFAULT; code that touches it is caught by
//             the guard, which lays zero pages. With the guard off they are writable pages at once.
//   RELEASED  the addresses are the kernel's again. Nothing may know them any more.
//
// Who may move it: LIVE -> RETIRED any thread, once (retire()). LIVE or RETIRED -> RELEASED only when
// no hold is left. Every ArrayBuffer over the region has two holds: one falls when the JavaScript object
// is collected (pending I/O keeps it alive), one when its backing store is (a stream or transfer() may
// have moved it to another object). One alone is not enough: V8 lets go of a detached buffer's memory
// at once, while a read(2) into it may still run on a pool thread, and a munmap would hand its addresses
// to somebody else. SharedArrayBuffers hold once, until their backing store's deleter runs.
// A hold of the second kind stays for ever when a worker ends that has moved a buffer: another thread may
// have it, and the runtime would not tell when it lets go.
//
// The range never moves or grows: beyond its reserve a mapping gets a new region.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/file.h"
#include "core/incident.h"
#include "core/result.h"
#include "core/spin_lock.h"

namespace memmap {

class Mapping;

struct RegionRequest {
  size_t length = 0;    // bytes to map from the file (or anonymous), > 0 unless reserved > 0
  size_t reserved = 0;  // bytes of address space, >= length; 0: as much as length
  int prot = 0;         // PROT_*
  int flags = 0;        // MAP_*; anything but MAP_FIXED and its relatives
  int fd = -1;          // what mmap(2) is given
  uint64_t offset = 0;  // a multiple of the page size
  std::shared_ptr<File>
      file;         // our own description of the same file: for flushes and for the guard
  int advice = 0;   // MADV_*, given again wherever pages are mapped anew
  size_t page = 0;  // 0: the machine's
};

class Region : public std::enable_shared_from_this<Region> {
 public:
  static Result<std::shared_ptr<Region>> map(const RegionRequest& request);
  // The same for addresses that are mapped already, and counted as one area.
  static Result<std::shared_ptr<Region>> adopt(const RegionRequest& request, void* address);
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  // The region whose range contains `address`; null when it is none of ours.
  static std::shared_ptr<Region> find(const void* address);

  // Of which this is the region, if it is one's. Set once, before anybody else knows the region.
  std::weak_ptr<Mapping> mapping;

  uintptr_t base() const { return base_; }
  size_t reserved() const { return reserved_; }
  size_t page() const { return page_; }
  size_t length() const;
  int flags() const { return flags_; }
  bool shared() const;
  bool live() const;
  bool over() const;  // its addresses are given back, and it has no faults to tell
  std::shared_ptr<File> file() const;
  uint64_t file_offset() const;

  // What would map it again as it is now.
  RegionRequest as_request() const;

  // Two holds for an ArrayBuffer, one for a SharedArrayBuffer. False when the region is not live.
  bool hold(int count);
  // One more, for who has one already; of a retired region too. False when nobody has one.
  bool hold_longer();
  void drop_hold();
  // So many holds nobody will drop: of buffers of which their environment did not know, when it ended,
  // whether they had gone. They keep the addresses; file and memory go with the last who has a say.
  void abandon(int count);
  // Retires the region when no other holds are left, and no mapping.
  void retire_abandoned();

  // A hold for a wait on one of the region's words (waiters.h), which is ended before the region is
  // retired. False: not live.
  bool begin_wait();
  void end_wait();
  bool has_waits() const;

  // Retires the region, or releases it when nothing holds it. Idempotent.
  Failure retire();

  // region_window.cc: what of the file the region shows. Each is one step for all who look on.
  Failure grow(size_t length);    // within the reserve
  Failure shrink(size_t length);  // what lies behind becomes PROT_NONE
  // The same range over another part of the file. What was known under the one lock that it takes:
  struct Slid {
    bool patched = false;  // pages of the range were the guard's
    bool waits = false;    // somebody waits on a word of it
  };
  Result<Slid> slide(uint64_t file_offset);
  Failure heal();  // patches go, the file's pages are back
  Failure protect(size_t offset, size_t length, int prot);
  Failure lock_pages(size_t offset, size_t length);
  void forget_lock();
  bool locked() const;  // the whole of it
  void set_advice(int advice);
  // Areas that were split off by calls on parts of the region. Refused when there are too many.
  Failure expect_split();

  // MS_SYNC through the region's own addresses. `offset` is relative to the base.
  Failure sync(size_t offset, size_t length);
  // Whether a page in the range, or any page, was replaced by the guard and not put back since.
  bool patched(size_t offset, size_t length) const;
  bool patched() const { return patched(0, reserved_); }
  std::vector<Fault> faults() const;
  // True once in the region's life, after its first fault, for its owner (an environment, by address);
  // a region without an owner is anybody's. Whoever gets it tells the user.
  bool take_warning(const void* owner);
  bool may_warn(const void* owner) const;
  void set_owner(const void* owner) { owner_.store(owner); }
  void disown(const void* owner) { owner_.compare_exchange_strong(owner, nullptr); }

  // The guard's entry: makes the page at `address` usable. Called in the signal handler, and nowhere
  // else. False: not ours to mend.
  bool survive(uintptr_t address, int signal, int code);
  void reset_after_fork() { lock_.reset_after_fork(); }

 private:
  enum class State : uint8_t { kLive, kRetired, kReleased };

  Region(const RegionRequest& request, uintptr_t base, size_t reserved, size_t page);
  static Result<std::shared_ptr<Region>> finish(const RegionRequest& request, void* base,
                                                size_t reserved, size_t page);
  void release(const std::shared_ptr<File>& file);  // with state_ at kReleased, outside the lock
  Failure lay_retired();
  Failure map_pages(uintptr_t begin, uintptr_t end);
  void forget_patches(uintptr_t begin, uintptr_t end);
  bool any_patch(uintptr_t begin, uintptr_t end) const;  // under the lock

  // patch.cc: the parts of survive(), under the lock, in the handler
  FaultKind classify(uintptr_t page_address, int signal, int code) const;
  bool replace(uintptr_t begin, uintptr_t end, FaultKind kind);
  bool replace_all(FaultKind kind);
  bool lift_protection(uintptr_t at, FaultKind kind);
  bool try_again(uintptr_t at);
  void report(FaultKind kind, uintptr_t begin, uintptr_t end);
  void copy_contents(void* target, uintptr_t begin, size_t length) const;
  size_t patch_length(FaultKind kind) const;

  const uintptr_t base_;
  const size_t reserved_;
  const size_t page_;
  const int flags_;
  int32_t slot_ = -1;
  enum Warning : int { kNone, kDue, kGiven };
  std::atomic<int> warning_{kNone};
  std::atomic<const void*> owner_{nullptr};

  mutable SpinLock lock_;  // guards what follows; the handler takes it too
  State state_ = State::kLive;
  size_t length_;
  uint64_t file_offset_;
  int prot_;
  int advice_;
  bool locked_ = false;  // mlock(2) of the whole: done again wherever pages are mapped anew
  int holds_ = 0;
  int abandoned_ = 0;      // how many of them nobody will drop
  int waits_ = 0;          // how many of the holds are waits
  bool retiring_ = false;  // no new waits
  int64_t recount_areas_at_ = 64;
  int64_t areas_;  // how many areas this region is counted for
  std::shared_ptr<File> file_;
  Incident* incident_ = nullptr;
  struct Again {
    long thread;
    uintptr_t at;
    int times;
  };
  Again again_[16] = {};            // faults that were let happen again, by thread
  std::vector<Fault> past_faults_;  // of the incident, once the region is released
};

// Keeps the addresses of a region from being given back while a call of ours uses them. It may be retired
// meanwhile: the call then meets PROT_NONE pages.
class RegionUse {
 public:
  explicit RegionUse(Region& region) : region_(region), held_(region.hold(1)) {}
  ~RegionUse() {
    if (held_) region_.drop_hold();
  }
  RegionUse(const RegionUse&) = delete;
  RegionUse& operator=(const RegionUse&) = delete;
  explicit operator bool() const { return held_; }  // false: the region is not live

 private:
  Region& region_;
  const bool held_;
};

// mmap(2) with MAP_FIXED over a range that is ours. One that fails may leave a hole, into which the next
// mmap of anybody falls: the hole is closed with PROT_NONE, or the process ends here, deliberately.
// Async-signal-safe.
Failure map_fixed(uintptr_t address, size_t length, int prot, int flags, int fd, uint64_t offset);

}  // namespace memmap
