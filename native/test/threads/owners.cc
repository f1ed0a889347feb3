// Everything that may happen to a wait, at random, from all threads at once: it is begun, aborted, notified, runs
// out of time, its region is unmapped under it, its owner goes away and is freed. Each wait ends in one way.
#include <atomic>
#include <vector>

#include "core/stats.h"
#include "waits.h"

namespace {

using namespace attack;
namespace waiters = memmap::waiters;

constexpr int kThreads = 6;
constexpr int kPlaces = 3;
constexpr size_t kWords = 4;

struct Totals {
  std::atomic<long> started{0};
  std::atomic<long> settled{0};
  std::atomic<long> cancelled{0};
  std::atomic<long> forgotten{0};
  std::atomic<long> closed{0};
};

// Its owner goes away, as an environment does that ends; whoever settles one of its waits after that writes into
// memory that was freed.
void let_go(std::unique_ptr<Owner> owner, Totals& totals) {
  waiters::forget(owner.get());
  const long rest = owner->started() - owner->settled() - owner->cancelled();
  CHECK(rest >= 0, "more ends than waits");
  totals.started.fetch_add(owner->started());
  totals.settled.fetch_add(owner->settled());
  totals.cancelled.fetch_add(owner->cancelled());
  totals.closed.fetch_add(owner->settled_as(Outcome::kClosed));
  totals.forgotten.fetch_add(rest);
  CHECK(owner->settled_as(Outcome::kFault) == 0, "a fault where there was none");
}

}  // namespace

extern "C" void case_owners() {
  const int rounds = attack_times(2500);
  const int64_t regions = memmap::g_stats.regions.load();
  struct Place {
    std::mutex mutex;
    std::shared_ptr<Region> region = shared_pages(1);
  };
  Place places[kPlaces];
  Totals totals;
  std::atomic<long> retired{0};
  in_threads(kThreads, [&](int) {
    auto owner = std::make_unique<Owner>();
    std::vector<uint64_t> ids;
    for (int i = 0; i < rounds; i++) {
      Place& place = places[attack_random(kPlaces)];
      std::shared_ptr<Region> region;
      {
        std::lock_guard<std::mutex> held(place.mutex);
        region = place.region;
      }
      const Word word = word_of(region, attack_random(kWords));
      const uint32_t what = attack_random(20);
      if (what < 8) {
        constexpr int64_t kSpans[] = {0, 1'000'000, 20'000'000};
        const auto kind = attack_random(6);
        const int64_t deadline = kind < 3 ? memmap_now() + kSpans[kind] : memmap::futex::kForever;
        const memmap::RegionUse use(*region);
        // A few have another value from the beginning, as when it has just changed.
        if (use) ids.push_back(owner->start(word, attack_random(8) == 0 ? 1 : 0, deadline));
      } else if (what < 12) {
        if (!ids.empty()) owner->cancel(ids[attack_random(static_cast<uint32_t>(ids.size()))]);
      } else if (what < 16) {
        const auto woken = memmap::futex::notify(word, 1 + static_cast<int>(attack_random(3)));
        CHECK(woken.ok() || woken.failure().reason == memmap::Reason::kClosed, "notify: %d",
              woken.failure().error);
      } else if (what == 16) {
        waiters::look_again(*region);
        waiters::pages_lost();
      } else if (what == 17) {
        let_go(std::move(owner), totals);
        owner = std::make_unique<Owner>();
        ids.clear();
      } else if (what == 18) {
        // As a shorter file does it: the words from the second on are taken away.
        waiters::leave(*region, region->base() + 64);
      } else if (attack_random(4) == 0) {
        auto fresh = shared_pages(1);
        {
          std::lock_guard<std::mutex> held(place.mutex);
          place.region.swap(fresh);
        }
        CHECK(!fresh->retire(), "retire");
        CHECK(!fresh->has_waits(), "a wait in a region that was unmapped");
        retired.fetch_add(1);
      }
    }
    let_go(std::move(owner), totals);
  });
  for (Place& place : places) {
    CHECK(!place.region->retire(), "retire");
    place.region = nullptr;
  }
  const long ends = totals.settled.load() + totals.cancelled.load() + totals.forgotten.load();
  CHECK(totals.started.load() == ends, "%ld waits, %ld ends", totals.started.load(), ends);
  until("regions that are not released", [&] { return memmap::g_stats.regions.load() == regions; });
  // Of a few there may be none that had a wait.
  CHECK(totals.closed.load() > 0 || retired.load() < 20, "no wait was ended by an unmap");
  attack_figure("owners.waits", totals.started.load());
  attack_figure("owners.settled", totals.settled.load());
  attack_figure("owners.cancelled", totals.cancelled.load());
  attack_figure("owners.forgotten", totals.forgotten.load());
  attack_figure("owners.unmapped", retired.load());
}
