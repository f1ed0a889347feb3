// The spin lock, the count of areas, and the spares that the guard gives up.
#include <atomic>

#include "attack.h"
#include "core/areas.h"
#include "core/spin_lock.h"

extern "C" void case_counters() {
  constexpr int kThreads = 8;
  const int rounds = attack_times(4000);
  memmap::SpinLock lock;
  long sum = 0;  // not atomic: the lock is what keeps it right
  const int64_t before = memmap::areas::taken();
  std::atomic<int> spares{0};
  std::atomic<long> refused{0};
  memmap::areas::prepare_spares();
  in_threads(kThreads, [&](int index) {
    for (int i = 0; i < rounds; i++) {
      lock.lock();
      sum += index + 1;
      lock.unlock();
      // As much as all that the kernel gives at the highest: some must be refused.
      const int64_t count = i % 500 == 0 ? 60'000 : 1 + attack_random(3);
      if (memmap::areas::take(count)) {
        memmap::areas::give_back(count);
      } else {
        refused.fetch_add(1);
      }
      memmap::areas::take_unchecked(1);
      memmap::areas::give_back(1);
      if (i < 8 && memmap::areas::give_up_spare()) spares.fetch_add(1);
    }
  });
  CHECK(sum == long{rounds} * kThreads * (kThreads + 1) / 2, "%ld under the spin lock", sum);
  CHECK(memmap::areas::taken() == before, "%ld areas too many",
        static_cast<long>(memmap::areas::taken() - before));
  // 64 attempts: each spare is given up once, and no more than there are.
  CHECK(spares.load() == 16, "%d spares", spares.load());
  CHECK(!memmap::areas::give_up_spare(), "a spare too many");
  attack_figure("counters.locked", long{rounds} * kThreads);
  attack_figure("counters.refused", refused.load());
}
