// What the guard has done to one region: the pages it replaced, and the faults it reports. Made in the
// signal handler, by mmap(2), at the region's first fault; so it holds no pointer and allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>

namespace memmap {

enum class FaultKind : uint8_t { kTruncated, kNoSpace, kIo, kReadOnly, kUnmapped };

struct Fault {
  uint64_t offset;  // in the file
  uint64_t length;
  FaultKind kind;
};

// Merged with their neighbours of the same kind, by offset; when there is no room, with the nearest one. All
// zeros is an empty list.
class FaultList {
 public:
  static constexpr int kMaxFaults = 64;
  void record(const Fault& fault);
  const Fault* begin() const { return faults_; }
  const Fault* end() const { return faults_ + count_; }

 private:
  int count_;
  Fault faults_[kMaxFaults];
};

struct Patch {
  uintptr_t begin;
  uintptr_t end;
};

class Incident {
 public:
  // Beyond this many separate patches one area is laid over the whole region.
  static constexpr int kMaxPatches = 128;

  static Incident* make();  // nullptr when the kernel gives no page; async-signal-safe
  static void destroy(Incident* incident);

  void record(const Fault& fault) { faults_.record(fault); }
  const FaultList& faults() const { return faults_; }

  bool patched(uintptr_t address) const;
  // The lowest patch that begins at or above `address`, or `limit`.
  uintptr_t next_patch(uintptr_t address, uintptr_t limit) const;
  bool full() const { return patch_count_ >= kMaxPatches; }
  int patch_count() const { return patch_count_; }
  const Patch& patch(int index) const { return patches_[index]; }
  void add_patch(uintptr_t begin, uintptr_t end);
  void remove_patches(uintptr_t begin, uintptr_t end);
  void clear_patches() { patch_count_ = 0; }
  // How many patches were ever made: their size doubles with it.
  int generation() const { return generation_; }
  int count_up() { return ++generation_; }

 private:
  int patch_count_;
  int generation_;
  FaultList faults_;
  Patch patches_[kMaxPatches];  // by address
};

}  // namespace memmap
