#include "core/region_table.h"

#include <sched.h>

#include <cstdlib>

namespace memmap {

RegionTable g_regions;

// Chunk 0 has kFirst slots, chunk n > 0 has kFirst << (n - 1): together kFirst << n.
RegionTable::Slot& RegionTable::at(int32_t index) const {
  const uint32_t block = static_cast<uint32_t>(index) / kFirst;
  const int chunk = block == 0 ? 0 : 32 - __builtin_clz(block);
  const uint32_t start = chunk == 0 ? 0 : static_cast<uint32_t>(kFirst) << (chunk - 1);
  return chunks_[chunk].load(std::memory_order_acquire)[static_cast<uint32_t>(index) - start];
}

int32_t RegionTable::pop_free() {
  uint64_t head = free_.load();
  while ((head & 0xffffffff) != 0) {
    const int32_t index = static_cast<int32_t>(head & 0xffffffff) - 1;
    const uint64_t next = static_cast<uint32_t>(at(index).next_free.load());
    const uint64_t counter = (head >> 32) + 1;
    if (free_.compare_exchange_weak(head, counter << 32 | next)) return index;
  }
  return -1;
}

void RegionTable::push_free(int32_t index) {
  uint64_t head = free_.load();
  uint64_t next;
  do {
    at(index).next_free.store(static_cast<int32_t>(head & 0xffffffff));
    next = ((head >> 32) + 1) << 32 | static_cast<uint32_t>(index + 1);
  } while (!free_.compare_exchange_weak(head, next));
}

int32_t RegionTable::insert(Region* region, uintptr_t begin, uintptr_t end) {
  int32_t index = pop_free();
  if (index < 0) {
    int32_t used = used_.load();
    do {
      const uint32_t block = static_cast<uint32_t>(used) / kFirst;
      const int chunk = block == 0 ? 0 : 32 - __builtin_clz(block);
      if (chunk >= kChunks) return -1;
      if (chunks_[chunk].load() == nullptr) {
        const size_t slots = chunk == 0 ? kFirst : static_cast<size_t>(kFirst) << (chunk - 1);
        auto* fresh = static_cast<Slot*>(std::calloc(slots, sizeof(Slot)));
        if (fresh == nullptr) return -1;
        Slot* none = nullptr;
        if (!chunks_[chunk].compare_exchange_strong(none, fresh)) std::free(fresh);
      }
    } while (!used_.compare_exchange_weak(used, used + 1));
    index = used;
  }
  Slot& slot = at(index);
  slot.begin.store(begin);
  slot.end.store(end);
  slot.region.store(region);
  return index;
}

void RegionTable::remove(int32_t index) {
  at(index).region.store(nullptr);
  wait_for_visits();
  push_free(index);
}

Region* RegionTable::find(uintptr_t address) const {
  const int32_t used = used_.load();
  for (int32_t i = 0; i < used; i++) {
    const Slot& slot = at(i);
    if (address < slot.begin.load(std::memory_order_relaxed)) continue;
    if (address >= slot.end.load(std::memory_order_relaxed)) continue;
    Region* region = slot.region.load(std::memory_order_seq_cst);
    // The slot may have been given to another region since its bounds were read: read them again.
    if (region != nullptr && address >= slot.begin.load() && address < slot.end.load()) {
      return region;
    }
  }
  return nullptr;
}

RegionTable::Visit::Visit(RegionTable& table) : table_(table), phase_(table.phase_.load()) {
  table_.inside_[phase_].fetch_add(1);
}

RegionTable::Visit::~Visit() { table_.inside_[phase_].fetch_sub(1); }

// Every reader that may hold the removed pointer was inside one of the two counters when it was
// cleared. Each counter being zero at some moment since then means that all of them have left.
void RegionTable::wait_for_visits() {
  const int old = phase_.load();
  while (inside_[old ^ 1].load() != 0)
    sched_yield();
  phase_.store(old ^ 1);
  while (inside_[old].load() != 0)
    sched_yield();
}

void RegionTable::reset_after_fork() {
  inside_[0].store(0);
  inside_[1].store(0);
}

}  // namespace memmap
