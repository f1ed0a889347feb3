// What the attacks on waiters.h have in common: a region with words in it, and an owner that counts.
#pragma once

#include <sys/mman.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "attack.h"
#include "core/waiters.h"
#include "memmap_sync.h"

namespace attack {

using memmap::Outcome;
using memmap::Region;
using memmap::Word;

inline std::shared_ptr<Region> shared_pages(size_t pages) {
  memmap::RegionRequest request;
  request.length = pages * memmap::page_size();
  request.page = memmap::page_size();
  request.prot = PROT_READ | PROT_WRITE;
  request.flags = MAP_SHARED | MAP_ANONYMOUS;
  auto region = Region::map(request);
  CHECK(region.ok(), "mmap: %d", region.failure().error);
  return region.value();
}

// Each in a cache line of its own.
inline Word word_of(const std::shared_ptr<Region>& region, size_t index) {
  return {region, region->base() + 64 * index};
}
inline uint32_t* cell(const Word& word) { return reinterpret_cast<uint32_t*>(word.address); }
inline uint32_t value_of(const Word& word) { return __atomic_load_n(cell(word), __ATOMIC_SEQ_CST); }
inline void store(const Word& word, uint32_t value) {
  __atomic_store_n(cell(word), value, __ATOMIC_SEQ_CST);
}

// What must come, comes: only a wake that was lost takes as long as this.
inline void until(const char* what, const std::function<bool()>& come) {
  const int64_t end = memmap_now() + INT64_C(60'000'000'000);
  while (!come()) {
    CHECK(memmap_now() < end, "for ever: %s", what);
    std::this_thread::yield();
  }
}

// One environment's waits: each settles once, and none that was cancelled.
class Owner : public memmap::waiters::Owner {
 public:
  uint64_t start(const Word& word, uint32_t value, int64_t deadline = memmap::futex::kForever) {
    auto id = memmap::waiters::start(this, word, value, deadline);
    if (!id.ok()) {
      CHECK(id.failure().reason == memmap::Reason::kClosed, "start: %d", id.failure().error);
      return 0;
    }
    started_++;
    return id.value();
  }

  bool cancel(uint64_t id) {
    if (!memmap::waiters::cancel(this, id)) return false;
    std::lock_guard<std::mutex> held(mutex_);
    CHECK(outcomes_.count(id) == 0, "a wait that was cancelled had been settled");
    cancelled_.insert(id);
    return true;
  }

  Outcome wait(uint64_t id) {
    std::unique_lock<std::mutex> held(mutex_);
    const bool came =
        changed_.wait_for(held, std::chrono::seconds(60), [&] { return outcomes_.count(id) != 0; });
    CHECK(came, "for ever: a wait");
    return outcomes_[id];
  }

  long started() const { return started_; }
  long cancelled() {
    std::lock_guard<std::mutex> held(mutex_);
    return static_cast<long>(cancelled_.size());
  }
  long settled() {
    std::lock_guard<std::mutex> held(mutex_);
    return static_cast<long>(outcomes_.size());
  }
  long settled_as(Outcome outcome) {
    std::lock_guard<std::mutex> held(mutex_);
    long count = 0;
    for (const auto& [id, one] : outcomes_)
      count += one == outcome;
    return count;
  }

 private:
  void settled(uint64_t id, Outcome outcome) override {
    std::lock_guard<std::mutex> held(mutex_);
    CHECK(outcomes_.emplace(id, outcome).second, "a wait was settled twice");
    CHECK(cancelled_.count(id) == 0, "a wait was settled after it was cancelled");
    changed_.notify_all();
  }

  long started_ = 0;  // of the thread that has it
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::map<uint64_t, Outcome> outcomes_;
  std::set<uint64_t> cancelled_;
};

}  // namespace attack
