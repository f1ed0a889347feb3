// A semaphore: each permit is one increment and one notify of one waiter. Who takes permits sleeps in a thread of
// waiters.h, or in the kernel itself as another process would; others begin waits and abort them, and so stand in
// the way of wakes. A wake that is lost leaves a permit that nobody takes.
#include <atomic>

#include "waits.h"

namespace {

using namespace attack;
namespace waiters = memmap::waiters;

constexpr int kTakers = 2;
constexpr int kForeign = 1;
constexpr int kAborters = 3;
constexpr int kGivers = 2;

bool take(const Word& word) {
  uint32_t seen = value_of(word);
  while (seen != 0) {
    if (memmap_swap(cell(word), &seen, seen - 1)) return true;
  }
  return false;
}

void notify_one(const Word& word) {
  // One in four as another process does it, which knows nothing of our threads.
  if (attack_random(4) == 0) {
    memmap_notify(word.pointer(), 1);
  } else {
    waiters::notify(word, 1);
  }
}

}  // namespace

extern "C" void case_permits() {
  const int bursts = attack_times(400);
  const auto region = shared_pages(1);
  const Word word = word_of(region, 0);
  std::atomic<long> given{0};
  std::atomic<long> taken{0};
  std::atomic<long> aborted{0};
  std::atomic<long> passed_on{0};
  std::atomic<int> giving{kGivers};
  std::atomic<bool> done{false};
  const auto take_in_thread = [&] {
    Owner owner;
    while (!done.load()) {
      if (take(word)) {
        taken.fetch_add(1);
        continue;
      }
      const Outcome outcome = owner.wait(owner.start(word, 0));
      CHECK(outcome == Outcome::kOk, "%d", static_cast<int>(outcome));
    }
    waiters::forget(&owner);
  };
  const auto take_in_kernel = [&] {
    while (!done.load()) {
      if (take(word)) {
        taken.fetch_add(1);
      } else {
        memmap_wait(word.pointer(), 0, nullptr);
      }
    }
  };
  const auto abort = [&] {
    Owner owner;
    while (!done.load()) {
      const uint64_t id = owner.start(word, 0);
      // It stands before those that take, and goes just when it is to be woken.
      const long before = given.load();
      for (int i = 0; i < 100 && given.load() == before; i++)
        std::this_thread::yield();
      if (owner.cancel(id)) {
        aborted.fetch_add(1);
      } else {
        // It was woken, and wants no permit: the wake is the next one's.
        owner.wait(id);
        notify_one(word);
        passed_on.fetch_add(1);
      }
    }
    waiters::forget(&owner);
  };
  const auto give = [&] {
    for (int i = 0; i < bursts; i++) {
      const auto count = 1 + attack_random(kTakers + kForeign);
      for (uint32_t n = 0; n < count; n++) {
        given.fetch_add(1);
        __atomic_fetch_add(cell(word), 1, __ATOMIC_SEQ_CST);
        notify_one(word);
      }
      until("a permit that nobody takes", [&] { return value_of(word) == 0; });
    }
    if (giving.fetch_sub(1) != 1) return;
    until("permits that nobody has taken", [&] { return taken.load() == given.load(); });
    done.store(true);
    // Nobody is to sleep on; a value that stays changed sends all of them away.
    store(word, 1u << 30);
    waiters::notify(word, INT32_MAX);
    memmap_notify(word.pointer(), INT32_MAX);
  };
  in_threads(kTakers + kForeign + kAborters + kGivers, [&](int index) {
    if (index < kTakers) {
      take_in_thread();
    } else if (index < kTakers + kForeign) {
      take_in_kernel();
    } else if (index < kTakers + kForeign + kAborters) {
      abort();
    } else {
      give();
    }
  });
  CHECK(!region->retire(), "retire");
  CHECK(!region->hold_longer(), "holds are left");
  attack_figure("permits.taken", given.load());
  attack_figure("permits.aborted", aborted.load());
  attack_figure("permits.passed on", passed_on.load());
}
