// Regions that are mapped, looked up, touched, retired and released by many threads. A retired page that is
// touched meanwhile is the guard's; at the end nothing is left, and the counts are as before.
#include <sys/mman.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "attack.h"
#include "core/areas.h"
#include "core/region.h"
#include "core/stats.h"
#include "core/warnings.h"

namespace {

using memmap::Region;

constexpr size_t kPages = 4;

std::shared_ptr<Region> map_one(size_t page) {
  memmap::RegionRequest request;
  request.length = kPages * page;
  request.prot = PROT_READ | PROT_WRITE;
  request.flags = (attack_random(2) == 0 ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS;
  request.page = page;
  if (attack_random(2) == 0) request.reserved = 2 * kPages * page;
  auto region = Region::map(request);
  CHECK(region.ok(), "mmap: %d", region.failure().error);
  return region.value();
}

uint32_t* word_of(const Region& region, size_t page) {
  return reinterpret_cast<uint32_t*>(region.base() + attack_random(kPages) * page);
}

}  // namespace

extern "C" void case_regions() {
  constexpr int kThreads = 6;
  constexpr int kPlaces = 8;
  const int rounds = attack_times(1500);
  const size_t page = memmap::page_size();
  const int64_t areas = memmap::areas::taken();
  const int64_t faults = memmap::g_stats.faults.load();
  struct Place {
    std::mutex mutex;
    std::shared_ptr<Region> region;
  };
  Place places[kPlaces];
  const auto in = [](Place& place) {
    std::lock_guard<std::mutex> held(place.mutex);
    return place.region;
  };
  std::atomic<long> mapped{0};
  std::atomic<long> retired{0};
  std::atomic<long> warned{0};
  std::atomic<long> touched{0};
  in_threads(kThreads, [&](int) {
    for (int i = 0; i < rounds; i++) {
      Place& place = places[attack_random(kPlaces)];
      std::shared_ptr<Region> region = in(place);
      const uint32_t what = attack_random(16);
      if (region == nullptr || what < 4) {
        auto fresh = map_one(page);
        attack_write(word_of(*fresh, page), 1);
        mapped.fetch_add(1);
        std::lock_guard<std::mutex> held(place.mutex);
        place.region.swap(fresh);  // the old one goes with `fresh`, or with who has it still
      } else if (what < 8) {
        // Retired under holds, as unmap() does it; who holds it may touch it, and gets zeros, or what another one
        // has written since who has come this way as well.
        const memmap::RegionUse use(*region);
        if (!use) continue;
        CHECK(!region->retire(), "retire");
        retired.fetch_add(1);
        CHECK(!region->live() && !region->hold(1), "alive after it was retired");
        const uint32_t seen = attack_touch(word_of(*region, page));
        CHECK(seen == 0 || seen == 7, "a retired page is not empty: %u", seen);
        attack_write(word_of(*region, page), 7);
        touched.fetch_add(1);
      } else if (what < 10) {
        CHECK(!region->retire(), "retire");
        std::lock_guard<std::mutex> held(place.mutex);
        if (place.region == region) place.region = nullptr;
      } else if (what < 14) {
        const memmap::RegionUse use(*region);
        if (!use) continue;
        const uint32_t* word = word_of(*region, page);
        CHECK(Region::find(word) == region, "another region at its addresses");
        attack_touch(word);  // it may be retired meanwhile
        touched.fetch_add(1);
      } else if (what == 14) {
        memmap::disown_regions(&places);
        region->protect(0, page, attack_random(2) == 0 ? PROT_READ : PROT_READ | PROT_WRITE);
      } else {
        warned.fetch_add(static_cast<long>(memmap::regions_to_warn_of(nullptr).size()));
      }
    }
  });
  for (Place& place : places)
    place.region = nullptr;
  warned.fetch_add(static_cast<long>(memmap::regions_to_warn_of(nullptr).size()));
  const auto& stats = memmap::g_stats;
  CHECK(stats.regions.load() == 0, "%ld regions left", static_cast<long>(stats.regions.load()));
  CHECK(stats.mapped_bytes.load() == 0 && stats.retired_bytes.load() == 0, "%ld and %ld bytes left",
        static_cast<long>(stats.mapped_bytes.load()),
        static_cast<long>(stats.retired_bytes.load()));
  CHECK(memmap::areas::taken() == areas, "%ld areas are counted too many",
        static_cast<long>(memmap::areas::taken() - areas));
  // Each retired region that was touched has faulted, and each that has faulted is told of once.
  const long survived = static_cast<long>(stats.faults.load() - faults);
  CHECK(survived > 0 && warned.load() > 0, "no fault");
  CHECK(warned.load() <= mapped.load() && warned.load() <= survived, "%ld warnings of %ld faults",
        warned.load(), survived);
  attack_figure("regions.mapped", mapped.load());
  attack_figure("regions.retired", retired.load());
  attack_figure("regions.faults", survived);
}
