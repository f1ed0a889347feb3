// The table in which the guard looks up the address of a fault.
//
// It is the one piece of global mutable state, and it is lock-free because the signal handler reads it:
// the handler may interrupt any thread at any instruction, one that holds a lock included.
//
//   insert()   takes a slot from a free list, writes begin and end, publishes the region pointer
//   find()     scans the slots; a slot without a region is skipped
//   remove()   clears the region pointer, waits until no handler is inside that may have seen it,
//              and only then gives the slot back; the Region may be deleted after it returns
//
// Slots are never freed, so a reader can never follow a stale pointer to one.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace memmap {

class Region;

class RegionTable {
 public:
  // The slot's number, or -1: no memory.
  int32_t insert(Region* region, uintptr_t begin, uintptr_t end);
  void remove(int32_t slot);

  // Async-signal-safe. The result stays valid while the caller is inside a Visit.
  Region* find(uintptr_t address) const;
  template <class F>
  void each(F visit) const {
    const int32_t used = used_.load(std::memory_order_acquire);
    for (int32_t i = 0; i < used; i++) {
      Region* region = at(i).region.load(std::memory_order_acquire);
      if (region != nullptr) visit(region);
    }
  }

  // Marks a reader that is inside the table.
  class Visit {
   public:
    explicit Visit(RegionTable& table);
    ~Visit();
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

   private:
    RegionTable& table_;
    int phase_;
  };

  void reset_after_fork();  // other threads' visits do not exist in the child

 private:
  struct Slot {
    std::atomic<uintptr_t> begin;
    std::atomic<uintptr_t> end;
    std::atomic<Region*> region;
    std::atomic<int32_t> next_free;
  };
  static constexpr int kFirst = 1024;  // slots in chunk 0; each chunk doubles the table
  static constexpr int kChunks = 20;   // half a thousand million slots

  Slot& at(int32_t index) const;
  int32_t pop_free();
  void push_free(int32_t index);
  void wait_for_visits();

  std::atomic<Slot*> chunks_[kChunks] = {};
  std::atomic<int32_t> used_{0};
  // The free list's head: the slot's number + 1 in the low half, a counter against ABA in the high one.
  std::atomic<uint64_t> free_{0};
  // Readers enter the counter of the current phase; a remover turns the phase, so that the counter it
  // waits for only falls.
  mutable std::atomic<int> phase_{0};
  mutable std::atomic<int32_t> inside_[2] = {};
};

extern RegionTable g_regions;

}  // namespace memmap
