// The guard's table: readers who are inside a visit, as the handler is, while others insert and remove. What a
// reader has found is alive until it leaves; a removed region is deleted at once, so a sanitizer sees who looks
// at it too late.
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "attack.h"
#include "core/region_table.h"

namespace {

using memmap::RegionTable;

constexpr uintptr_t kRange = 4096;
constexpr uintptr_t kBase = uintptr_t{1} << 32;
constexpr int kRanges = 64;

// The table never looks into a region, so anything may stand for one.
struct Thing {
  uintptr_t begin;
  uint64_t magic = 0x600d;
};

memmap::Region* as_region(Thing* thing) { return reinterpret_cast<memmap::Region*>(thing); }

}  // namespace

extern "C" void case_table() {
  constexpr int kWriters = 4;
  constexpr int kReaders = 4;
  // More slots than the first chunk has, so that the table grows while it is read.
  const int extra = 1200;
  const int rounds = attack_times(200);
  static RegionTable table;  // its slots are never freed
  std::atomic<int> writing{kWriters};
  std::atomic<long> inserted{0};
  std::atomic<long> found{0};
  const auto write = [&](int index) {
    std::vector<std::pair<int32_t, std::unique_ptr<Thing>>> mine;
    const auto insert = [&](uintptr_t begin) {
      auto thing = std::make_unique<Thing>();
      thing->begin = begin;
      const int32_t slot = table.insert(as_region(thing.get()), begin, begin + kRange);
      CHECK(slot >= 0, "no slot");
      mine.emplace_back(slot, std::move(thing));
      inserted.fetch_add(1);
    };
    // Ranges are this thread's own, as addresses are of one region at a time.
    const auto range = [&](int i) {
      return kBase + (static_cast<uintptr_t>(i * kWriters + index)) * kRange;
    };
    // On a busy machine readers get their turn late: there is somebody to be read until they have had it.
    for (int round = 0; round < rounds || found.load() < 2 * rounds; round++) {
      const int count = round == 0 ? extra / kWriters : kRanges / kWriters;
      for (int i = 0; i < count; i++)
        insert(range(i));
      // What this thread has inserted it finds, whoever else is at it.
      const auto& [slot, thing] = mine[attack_random(static_cast<uint32_t>(mine.size()))];
      CHECK(table.find(thing->begin + 1) == as_region(thing.get()), "slot %d is not found", slot);
      while (!mine.empty()) {
        table.remove(mine.back().first);
        mine.back().second->magic = 0;
        mine.pop_back();
      }
      std::this_thread::yield();
    }
    writing.fetch_sub(1);
  };
  // One that is always there, below the others.
  Thing lasting = {kBase - kRange};
  const int32_t slot = table.insert(as_region(&lasting), lasting.begin, kBase);
  const auto look = [&] {
    const uintptr_t address = lasting.begin + attack_random(kRanges / 2 * kRange);
    RegionTable::Visit visit(table);
    const auto* thing = reinterpret_cast<const Thing*>(table.find(address));
    CHECK(thing != nullptr || address >= kBase, "one that is always there is not found");
    if (thing == nullptr) return;
    CHECK(thing->magic == 0x600d, "a region that was removed");
    CHECK(address - thing->begin < kRange, "a region of other addresses");
    found.fetch_add(1);
    if (attack_random(16) != 0) return;
    table.each([&](memmap::Region* region) {
      CHECK(reinterpret_cast<Thing*>(region)->magic == 0x600d, "a removed one among all");
    });
  };
  const auto read = [&] {
    while (writing.load() > 0) {
      look();
      // Who removes waits for a moment without readers; faults do leave such moments.
      std::this_thread::yield();
    }
  };
  in_threads(kWriters + kReaders, [&](int index) {
    if (index < kWriters) {
      write(index);
    } else {
      read();
    }
  });
  look();
  table.remove(slot);
  long left = 0;
  table.each([&](memmap::Region*) { left++; });
  CHECK(left == 0, "%ld left in the table", left);
  attack_figure("table.inserted", inserted.load());
  attack_figure("table.found", found.load());
}
