// A file that is cut and grown again under threads that read and write it: the guard's handler runs on all of
// them at once, others heal, slide and flush, and the listener is told.
#include <atomic>

#include "attack.h"
#include "core/areas.h"
#include "core/guard.h"
#include "core/stats.h"
#include "files.h"
#include "waits.h"

namespace {

constexpr size_t kPages = 32;
constexpr int kReaders = 4;

struct Listener {
  std::atomic<long> told{0};
  std::atomic<bool> gone{false};
  static void tell(void* data) {
    auto* listener = static_cast<Listener*>(data);
    CHECK(!listener->gone.load(), "told after it was removed");
    listener->told.fetch_add(1);
  }
};

}  // namespace

extern "C" void case_guard() {
  const size_t page = memmap::page_size();
  const int rounds = attack_times(150);
  const int64_t areas = memmap::areas::taken();
  const int64_t faults = memmap::g_stats.faults.load();
  const int fd = attack_memory(2 * kPages * page);
  long looks = 0;
  Listener listener;
  {
    const auto mapping = attack::map_file(fd, 0, kPages * page);
    const uintptr_t base = mapping->region()->base();
    memmap::guard::add_listener(Listener::tell, &listener);
    std::atomic<bool> done{false};
    std::atomic<long> read{0};
    in_threads(kReaders + 2, [&](int index) {
      if (index < kReaders) {
        long mine = 0;
        while (!done.load()) {
          auto* word = reinterpret_cast<uint32_t*>(base + attack_random(kPages) * page);
          if (attack_random(8) == 0) attack_write(word, 1);
          const uint32_t seen = attack_touch(word);
          CHECK(seen <= 1, "%u, which nobody has written", seen);
          mine++;
        }
        read.fetch_add(mine);
      } else if (index == kReaders) {
        for (int i = 0; i < rounds; i++) {
          // The first one takes every page away, wherever the window is: one fault there is for certain.
          const size_t left = i == 0 ? 0 : attack_random(2 * kPages) * page;
          CHECK(ftruncate(fd, static_cast<off_t>(left)) == 0, "cut");
          // At least one reader meets the cut: it is the handler that is to be attacked.
          attack_touch(reinterpret_cast<uint32_t*>(base + (kPages - 1) * page));
          CHECK(ftruncate(fd, static_cast<off_t>(2 * kPages * page)) == 0, "grow");
          CHECK(mapping->refresh().ok(), "refresh");
        }
        done.store(true);
      } else {
        while (!done.load()) {
          const uint32_t what = attack_random(4);
          if (what == 0) mapping->slide(attack_random(kPages) * page);
          if (what == 1) mapping->refresh();
          if (what == 2) mapping->flush_now({0, page}, attack_random(2) == 0);
          if (what == 3) mapping->faults();
        }
      }
    });
    looks = read.load();
    attack::until("a listener that is not told", [&] { return listener.told.load() > 0; });
    memmap::guard::remove_listener(&listener);
    listener.gone.store(true);
    // All is well again once the file is whole and its pages are asked for.
    CHECK(mapping->slide(0).ok() && mapping->refresh().ok(), "refresh");
    CHECK(!mapping->region()->patched(), "patched after refresh()");
    attack_write(reinterpret_cast<uint32_t*>(base), 42);
    uint32_t in_file = 0;
    CHECK(pread(fd, &in_file, sizeof in_file, 0) == sizeof in_file && in_file == 42,
          "the page is not the file's: %u", in_file);
    CHECK(!mapping->close(), "close");
  }
  close(fd);
  const long survived = static_cast<long>(memmap::g_stats.faults.load() - faults);
  CHECK(survived > 0, "no fault was survived");
  CHECK(memmap::areas::taken() == areas, "%ld areas are counted too many",
        static_cast<long>(memmap::areas::taken() - areas));
  attack_figure("guard.cuts", rounds);
  attack_figure("guard.reads", looks);
  attack_figure("guard.faults", survived);
}
