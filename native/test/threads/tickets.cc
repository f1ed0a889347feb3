// Waits on a word that keeps its value: nothing but the wake itself tells. One after the other is woken while
// others begin and abort waits on the same word; each notify ends a wait. In every other round they have slept for
// so long that the kernel is left to choose; those that abort then are in its way.
#include <atomic>
#include <vector>

#include "waits.h"

namespace {

using namespace attack;
namespace waiters = memmap::waiters;

constexpr int kStarters = 4;
constexpr int kEach = 5;
constexpr int kAborters = 4;
constexpr int64_t kLong = 60'000'000;  // waiters.cc picks among those of the last 50 ms

}  // namespace

extern "C" void case_tickets() {
  const int rounds = attack_times(20);
  const auto region = shared_pages(1);
  const Word word = word_of(region, 0);
  std::atomic<long> notified{0};
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
    const bool old = round % 2 == 1;
    std::atomic<int> aborting{kAborters};
    // A wait that is aborted at some ticket, or was woken by then: the wake is the next one's.
    const auto wait_and_abort = [&](Owner& mine, long until_ticket) {
      const uint64_t id = mine.start(word, 0);
      if (old) aborting.fetch_sub(1);
      const long before = mine.settled();
      while (!done.load() && notified.load() < until_ticket && mine.settled() == before)
        std::this_thread::yield();
      if (mine.cancel(id)) {
        aborted.fetch_add(1);
      } else {
        mine.wait(id);
        waiters::notify(word, 1);
      }
    };
    const auto abort = [&] {
      Owner mine;
      const long first = notified.load();
      if (old) wait_and_abort(mine, first + 1 + attack_random(kStarters * kEach));
      if (!old) aborting.fetch_sub(1);
      while (!old && !done.load())
        wait_and_abort(mine, notified.load() + 1);
      waiters::forget(&mine);
    };
    const auto notify_all = [&] {
      const int64_t since = memmap_now();
      until("the others", [&] { return aborting.load() == 0; });
      if (old) until("old age", [&] { return memmap_now() - since > kLong; });
      while (settled() < kStarters * kEach) {
        const long before = settled();
        notified.fetch_add(1);
        const int woken = waiters::notify(word, 1);
        CHECK(woken >= 1, "nobody was woken, of %ld", kStarters * kEach - before);
        until("a wait that was notified", [&] { return settled() > before; });
      }
      done.store(true);
    };
    in_threads(kStarters + kAborters, [&](int index) {
      if (index >= kStarters) {
        abort();
        return;
      }
      for (int i = 0; i < kEach; i++)
        owners[index].start(word, 0);
      if (starting.fetch_sub(1) == 1) notify_all();
    });
    for (Owner& owner : owners) {
      ended += owner.settled_as(Outcome::kOk);
      CHECK(owner.settled() == kEach, "%ld settled", owner.settled());
      waiters::forget(&owner);
    }
  }
  CHECK(!region->retire(), "retire");
  CHECK(ended == long{rounds} * kStarters * kEach, "%ld were woken", ended);
  attack_figure("tickets.notified", notified.load());
  attack_figure("tickets.ended", ended);
  attack_figure("tickets.aborted", aborted.load());
}
