// The Mutex of core/mutex.h: threads as environments, each with its own participants, over mappings of one file.
// Some end while they hold the lock, some unmap under their own lock; the next owner is told.
#include <atomic>

#include "core/mutex.h"
#include "core/stats.h"
#include "files.h"

namespace {

using memmap::Locked;
using memmap::Mapping;
using memmap::Participants;

constexpr int kThreads = 5;

struct Environment {
  std::shared_ptr<Mapping> mapping;
  Participants participants;
  std::shared_ptr<memmap::Mutex> mutex;

  explicit Environment(int fd) : mapping(attack::map_file(fd, 0, memmap::page_size())) {
    auto opened = participants.open(mapping, 0, 0);
    CHECK(opened.ok(), "open: %d", opened.failure().error);
    mutex = opened.value();
  }
};

}  // namespace

extern "C" void case_mutexes() {
  const int rounds = attack_times(300);
  const int64_t descriptors = memmap::g_stats.descriptors.load();
  const int fd = attack_memory(memmap::page_size());
  std::atomic<long> locked{0};
  std::atomic<long> left{0};
  std::atomic<long> inherited{0};
  std::atomic<int> inside{0};
  in_threads(kThreads, [&](int) {
    auto environment = std::make_unique<Environment>(fd);
    for (int i = 0; i < rounds; i++) {
      const bool patient = attack_random(4) != 0;
      const int64_t deadline = patient ? memmap::futex::kForever : memmap::futex::deadline_after(1);
      auto got = environment->mutex->lock(deadline);
      CHECK(got.ok(), "lock: %d", static_cast<int>(got.failure().reason));
      if (got.value() == Locked::kTimedOut && !patient) continue;
      const bool died = got.value() == Locked::kOwnerDied;
      CHECK(died || got.value() == Locked::kYes, "%d", static_cast<int>(got.value()));
      CHECK(inside.fetch_add(1) == 0, "two hold the lock");
      // Not atomic: the lock is what keeps it right, and what makes it seen.
      attack::words_of(*environment->mapping)[16]++;
      locked.fetch_add(1);
      if (died) inherited.fetch_add(1);
      CHECK(environment->mutex->try_lock(false).value() == Locked::kMine, "not this thread's");
      inside.fetch_sub(1);
      const uint32_t end = attack_random(16);
      if (end > 1) {
        CHECK(!environment->mutex->unlock(), "unlock");
        continue;
      }
      left.fetch_add(1);
      if (end == 0) {
        environment->participants.end();
      } else {
        CHECK(!environment->mapping->close(), "close");
      }
      CHECK(static_cast<bool>(environment->mutex->unlock()), "unlocked after its end");
      environment = std::make_unique<Environment>(fd);
    }
  });
  Environment last(fd);
  auto got = last.mutex->lock(memmap::futex::kForever);
  CHECK(got.ok(), "lock");
  if (got.value() == Locked::kOwnerDied) inherited.fetch_add(1);
  const long sum = attack::words_of(*last.mapping)[16];
  CHECK(sum == locked.load(), "%ld under the lock, of %ld", sum, locked.load());
  CHECK(inherited.load() == left.load(), "%ld were told of %ld ends", inherited.load(),
        left.load());
  CHECK(!last.mutex->unlock(), "unlock");
  last.participants.end();
  CHECK(!last.mapping->close(), "close");
  last.mutex = nullptr;
  close(fd);
  CHECK(memmap::g_stats.descriptors.load() == descriptors, "%ld descriptors left",
        static_cast<long>(memmap::g_stats.descriptors.load() - descriptors));
  attack_figure("mutexes.locked", locked.load());
  attack_figure("mutexes.left", left.load());
}
