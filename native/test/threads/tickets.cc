// Waits on a word that keeps its value: nothing but the wake itself tells. One after the other is woken while
// others begin and abort waits on the same word; each notify ends a wait.
#include <atomic>
#include <vector>

#include "waits.h"

namespace {

using namespace attack;
namespace waiters = memmap::waiters;

constexpr int kStarters = 4;
constexpr int kEach = 5;
constexpr int kAborters = 2;

}  // namespace

extern "C" void case_tickets() {
  const int rounds = attack_times(40);
  const auto region = shared_pages(1);
  const Word word = word_of(region, 0);
  long tickets = 0;
  long ended = 0;
  std::atomic<long> aborted{0};
  for (int round = 0; round < rounds; round++) {
    Owner owners[kStarters];
    std::atomic<int> starting{kStarters};
    std::atomic<bool> done{false};
    const auto settled = [&] {
      long sum = 0;
      for (Owner& owner : owners)
        sum += owner.settled();
      return sum;
    };
    in_threads(kStarters + kAborters, [&](int index) {
      if (index < kStarters) {
        for (int i = 0; i < kEach; i++)
          owners[index].start(word, 0);
        if (starting.fetch_sub(1) != 1) return;
        while (settled() < kStarters * kEach) {
          const long before = settled();
          const int woken = waiters::notify(word, 1);
          CHECK(woken >= 1, "nobody was woken, of %ld", kStarters * kEach - before);
          tickets++;
          until("a wait that was notified", [&] { return settled() > before; });
        }
        done.store(true);
        return;
      }
      Owner mine;
      while (!done.load()) {
        const uint64_t id = mine.start(word, 0);
        std::this_thread::yield();
        if (mine.cancel(id)) {
          aborted.fetch_add(1);
        } else {
          mine.wait(id);
          waiters::notify(word, 1);
        }
      }
      waiters::forget(&mine);
    });
    for (Owner& owner : owners) {
      ended += owner.settled_as(Outcome::kOk);
      CHECK(owner.settled() == kEach, "%ld settled", owner.settled());
      waiters::forget(&owner);
    }
  }
  CHECK(!region->retire(), "retire");
  CHECK(ended == long{rounds} * kStarters * kEach, "%ld were woken", ended);
  attack_figure("tickets.notified", tickets);
  attack_figure("tickets.ended", ended);
  attack_figure("tickets.aborted", aborted.load());
}
