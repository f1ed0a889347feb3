// A wait whose memory changes under it: the window is slid away, and it sleeps on what is there now; the file is
// cut, and it ends. Each thread has a file of its own; the waiter threads and the guard are everybody's.
#include <atomic>

#include "core/stats.h"
#include "files.h"
#include "waits.h"

namespace {

using namespace attack;

constexpr int kThreads = 4;

void slide_and_cut(int rounds, std::atomic<long>& slides, std::atomic<long>& cuts) {
  const size_t page = memmap::page_size();
  const int fd = attack_memory(2 * page);
  const auto window = map_file(fd, 0, page);
  // What another process has of it.
  auto* pages =
      static_cast<char*>(mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  CHECK(pages != MAP_FAILED, "mmap");
  Owner owner;
  for (int i = 0; i < rounds; i++) {
    auto word = window->word_at(window->offset());
    CHECK(word.ok(), "no word");
    const uint64_t id = owner.start(word.value(), 0);
    if (i % 2 == 0) {
      const size_t other = page - window->offset();
      CHECK(window->slide(other).ok(), "slide");
      uint32_t* foreign = memmap_word(pages, other);
      __atomic_store_n(foreign, 1, __ATOMIC_SEQ_CST);
      memmap_notify(foreign, 1);
      CHECK(owner.wait(id) == Outcome::kOk, "not woken after a slide");
      __atomic_store_n(foreign, 0, __ATOMIC_SEQ_CST);
      slides.fetch_add(1);
    } else {
      CHECK(ftruncate(fd, 0) == 0, "cut");
      attack_touch(word.value().pointer());  // the guard replaces the page, and tells
      // A wake of the slide before may still be passed on, to whoever waits at that address.
      Outcome outcome = owner.wait(id);
      while (outcome == Outcome::kOk)
        outcome = owner.wait(owner.start(word.value(), 0));
      CHECK(outcome == Outcome::kFault, "%d, not ended by a fault", static_cast<int>(outcome));
      CHECK(ftruncate(fd, static_cast<off_t>(2 * page)) == 0, "grow");
      CHECK(window->refresh().ok(), "refresh");
      CHECK(!window->region()->patched(), "patched after refresh()");
      cuts.fetch_add(1);
    }
  }
  // A wait that is there when the mapping is closed.
  const uint64_t last = owner.start(window->word_at(window->offset()).value(), 0);
  CHECK(!window->close(), "close");
  const Outcome outcome = owner.wait(last);
  CHECK(outcome == Outcome::kClosed || outcome == Outcome::kOk, "%d", static_cast<int>(outcome));
  CHECK(owner.settled() == owner.started(), "%ld settled", owner.settled());
  memmap::waiters::forget(&owner);
  munmap(pages, 2 * page);
  close(fd);
}

}  // namespace

extern "C" void case_windows() {
  const int rounds = attack_times(60);
  const int64_t faults = memmap::g_stats.faults.load();
  std::atomic<long> slides{0};
  std::atomic<long> cuts{0};
  in_threads(kThreads, [&](int) { slide_and_cut(rounds, slides, cuts); });
  CHECK(memmap::g_stats.faults.load() - faults == cuts.load(), "%ld faults of %ld cuts",
        static_cast<long>(memmap::g_stats.faults.load() - faults), cuts.load());
  attack_figure("windows.slides", slides.load());
  attack_figure("windows.cuts", cuts.load());
}
