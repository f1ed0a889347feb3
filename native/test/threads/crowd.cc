// More waits than there are threads for one each: the rest share threads, and are known by the value that has
// changed. All are woken, whether they wait on one word or on many, and whoever notifies.
#include <atomic>

#include "waits.h"

namespace {

using namespace attack;
namespace waiters = memmap::waiters;

constexpr int kThreads = 4;
constexpr int kEach = 60;

}  // namespace

extern "C" void case_crowd() {
  const int rounds = attack_times(8);
  const auto region = shared_pages(4);
  std::atomic<long> woken{0};
  for (int round = 0; round < rounds; round++) {
    Owner owners[kThreads];
    const bool same = round % 2 == 0;
    const auto place = [&](int thread, int i) {
      return word_of(region, same ? 0 : static_cast<size_t>(thread * kEach + i));
    };
    in_threads(kThreads, [&](int index) {
      for (int i = 0; i < kEach; i++)
        owners[index].start(place(index, i), 0);
    });
    in_threads(kThreads, [&](int index) {
      for (int i = 0; i < kEach; i++) {
        const Word word = place(index, i);
        store(word, 1);
        if (attack_random(2) == 0) {
          waiters::notify(word, INT32_MAX);
        } else {
          memmap_notify(word.pointer(), INT32_MAX);
        }
      }
      until("a wait on a word that has changed", [&] { return owners[index].settled() == kEach; });
      woken.fetch_add(owners[index].settled_as(Outcome::kOk));
    });
    for (Owner& owner : owners)
      waiters::forget(&owner);
    for (int i = 0; i < kThreads * kEach; i++)
      store(word_of(region, static_cast<size_t>(i)), 0);
  }
  CHECK(!region->retire(), "retire");
  CHECK(woken.load() == long{rounds} * kThreads * kEach, "%ld were woken", woken.load());
  attack_figure("crowd.woken", woken.load());
}
