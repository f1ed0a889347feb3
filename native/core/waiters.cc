#include "core/waiters.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "core/futex_waitv.h"
#include "core/platform.h"
#include "memmap_sync.h"

namespace memmap::waiters {
namespace {

constexpr size_t kExact = 64;    // threads with one wait each; each costs 24 KiB or so
constexpr size_t kShared = 127;  // the kernel takes 128 words, and one is the thread's own
constexpr int64_t kSlice = 100'000'000;
// How long a wait's thread is on its way into the kernel: surely so long, and surely not longer, on all but
// the busiest machines. In between the thread itself is looked at, which takes some 10 us.
constexpr int64_t kOnItsWay = 50'000'000;
constexpr int64_t kArrived = 5'000'000'000;
constexpr int64_t kIdle = 10'000'000'000;  // after which a thread without work ends

// Of a wait whose thread was on its way into the kernel, and perhaps not there yet.
enum class Notified : uint8_t { kNo, kPerhapsWoken, kNotWoken };

struct Slot {
  uint64_t id;  // 0: stale
  Word word;
  uint32_t value;
  int64_t deadline;
  Owner* owner;
  int64_t since;  // when it began
  Notified notified;
};

struct Waiter {
  explicit Waiter(size_t most) : capacity(most) {}
  const size_t capacity;
  uint32_t control = 0;     // changes when the slots have
  bool asleep = false;      // or about to be
  bool arrived = false;     // seen asleep
  long thread = 0;          // its id, once it runs
  std::vector<Slot> slots;  // taken out by the thread itself, and by nobody else
};

struct State {
  std::mutex mutex;  // guards all that follows
  std::condition_variable dropped;
  std::vector<Waiter*> waiters;
  uint64_t last_id = 0;
  std::atomic<int> pending{0};
};

// Never destroyed: the threads may still run while the process's destructors do.
State* g_state = new State;

void kick(Waiter& waiter) {
  __atomic_fetch_add(&waiter.control, 1, __ATOMIC_SEQ_CST);
  syscall(SYS_futex, &waiter.control, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

void settle(Slot& slot, Outcome outcome) {
  slot.owner->settled(slot.id, outcome);
  slot.id = 0;
  g_state->pending.fetch_sub(1);
}

bool is_lost(const Slot& slot) {
  const Region& region = *slot.word.region;
  return region.patched(slot.word.address - region.base(), sizeof(uint32_t));
}

// What a look at the word itself says of a wait.
bool settle_by_value(Slot& slot) {
  const Failure failure = futex::check(slot.word);
  if (failure) {
    settle(slot, failure.reason == Reason::kClosed ? Outcome::kClosed : Outcome::kFault);
  } else if (__atomic_load_n(slot.word.pointer(), __ATOMIC_SEQ_CST) != slot.value) {
    settle(slot, Outcome::kOk);
  }
  return slot.id == 0;
}

template <class F>
void each_slot(F visit) {
  for (Waiter* waiter : g_state->waiters)
    std::for_each(waiter->slots.begin(), waiter->slots.end(), [&](Slot& s) { visit(*waiter, s); });
}

bool on_its_way(const Slot& slot, Waiter& waiter) {
  const int64_t age = memmap_now() - slot.since;
  if (age < kOnItsWay) return true;
  if (age > kArrived || waiter.arrived) return false;
  waiter.arrived = waiter.asleep && thread_sleeps(waiter.thread);
  return !waiter.arrived;
}

// The kernel wakes those that sleep, whosever they are, in their order. A wait of ours counts from the call
// that began it, though, and its thread may still be on its way there. So, of waits that began just now,
// some but not all of which are wanted: the oldest are picked here, and the kernel is not asked.
int notify_held(const Word& word, int count) {
  std::vector<std::pair<Slot*, Waiter*>> ours;
  each_slot([&](Waiter& waiter, Slot& slot) {
    if (slot.id == 0 || slot.notified != Notified::kNo) return;
    if (slot.word.address != word.address) return;
    ours.emplace_back(&slot, &waiter);
  });
  const bool some = ours.size() > static_cast<size_t>(count);
  const bool pick = some && std::any_of(ours.begin(), ours.end(), [](const auto& one) {
                      return on_its_way(*one.first, *one.second);
                    });
  const int woken = pick ? 0 : memmap_notify(word.pointer(), count);
  if (woken < 0 || woken >= count) return woken;
  std::sort(ours.begin(), ours.end(),
            [](const auto& a, const auto& b) { return a.first->id < b.first->id; });
  if (ours.size() > static_cast<size_t>(count)) ours.resize(static_cast<size_t>(count));
  int asleep = 0;  // woken just now, or not there yet: their threads find out
  int others = 0;
  for (const auto& [slot, waiter] : ours) {
    if (waiter->asleep && !pick) {
      slot->notified = woken > 0 ? Notified::kPerhapsWoken : Notified::kNotWoken;
      asleep++;
    } else {
      settle(*slot, Outcome::kOk);
      others++;
    }
    kick(*waiter);
  }
  return std::max(woken, asleep) + others;
}

// --- the threads ----------------------------------------------------------------------------------

// Drops what is stale, what has run out of time, and what lies on a page that is nobody's but ours.
void sweep(Waiter& waiter) {
  const int64_t now = memmap_now();
  for (Slot& slot : waiter.slots) {
    if (slot.id != 0 && slot.deadline <= now) settle(slot, Outcome::kTimedOut);
    if (slot.id != 0 && is_lost(slot)) settle(slot, Outcome::kFault);
  }
  const auto stale = [](Slot& slot) {
    if (slot.id != 0) return false;
    slot.word.region->end_wait();
    return true;
  };
  const auto end = std::remove_if(waiter.slots.begin(), waiter.slots.end(), stale);
  if (end == waiter.slots.end()) return;
  waiter.slots.erase(end, waiter.slots.end());
  g_state->dropped.notify_all();
}

// `woken`: the index of the last word that was woken, of `asleep` ones.
void settle_woken(Waiter& waiter, size_t asleep, size_t woken) {
  for (size_t i = 0; i < asleep && i <= woken; i++) {
    Slot& slot = waiter.slots[i];
    if (slot.id == 0 || (i == woken && slot.notified == Notified::kNotWoken)) {
      // The wake was meant for another one, who may be on the way into the kernel as well.
      notify_held(slot.word, 1);
    } else if (i == woken) {
      settle(slot, Outcome::kOk);
    } else {
      settle_by_value(slot);
    }
  }
}

struct Sleep {
  WaitV words[kShared + 1];
  size_t count = 0;  // of slots
  int64_t until = futex::kForever;
  uint32_t control = 0;
};

void prepare(const Waiter& waiter, Sleep* sleep) {
  sleep->count = waiter.slots.size();
  sleep->control = __atomic_load_n(&waiter.control, __ATOMIC_SEQ_CST);
  sleep->until = futex::kForever;
  sleep->words[0] = {sleep->control, reinterpret_cast<uintptr_t>(&waiter.control),
                     kWord32 | kPrivate, 0};
  for (size_t i = 0; i < sleep->count; i++) {
    const Slot& slot = waiter.slots[i];
    sleep->words[i + 1] = {slot.value, slot.word.address, kWord32, 0};
    sleep->until = std::min(sleep->until, slot.deadline);
  }
}

// The index of the slot that was woken; -1: none, and `*error` says why.
int sleep_on_all(const Sleep& sleep, int* error) {
  const timespec until = memmap_timespec(sleep.until);
  const bool forever = sleep.until == futex::kForever;
  const long woken = syscall(kFutexWaitV, sleep.words, sleep.count + 1, 0,
                             forever ? nullptr : &until, CLOCK_MONOTONIC);
  *error = woken < 0 ? errno : 0;
  return woken < 0 ? -1 : static_cast<int>(woken) - 1;
}

int sleep_on_one(const Sleep& sleep, int* error) {
  const timespec until = memmap_timespec(std::min(sleep.until, memmap_now() + kSlice));
  const auto* word = reinterpret_cast<const uint32_t*>(sleep.words[1].address);
  *error = memmap_wait(word, static_cast<uint32_t>(sleep.words[1].value), &until);
  return *error == 0 ? 0 : -1;
}

// False: nothing to do for long, the thread may end.
bool idle(Waiter& waiter, std::unique_lock<std::mutex>& held) {
  const uint32_t control = __atomic_load_n(&waiter.control, __ATOMIC_SEQ_CST);
  const timespec span = memmap_timespec(kIdle);
  held.unlock();
  const long done =
      syscall(SYS_futex, &waiter.control, FUTEX_WAIT_PRIVATE, control, &span, nullptr, 0);
  const bool late = done != 0 && errno == ETIMEDOUT;
  held.lock();
  return !late || !waiter.slots.empty();
}

void* run(void* data) {
  set_thread_name("memmap-wait");
  auto* waiter = static_cast<Waiter*>(data);
  auto sleep = std::make_unique<Sleep>();
  std::unique_lock<std::mutex> held(g_state->mutex);
  waiter->thread = syscall(SYS_gettid);
  for (;;) {
    sweep(*waiter);
    if (waiter->slots.empty()) {
      if (idle(*waiter, held)) continue;
      auto& all = g_state->waiters;
      all.erase(std::find(all.begin(), all.end(), waiter));
      delete waiter;
      return nullptr;
    }
    prepare(*waiter, sleep.get());
    waiter->asleep = true;
    waiter->arrived = false;
    held.unlock();
    int error = 0;
    const int woken = has_waitv() ? sleep_on_all(*sleep, &error) : sleep_on_one(*sleep, &error);
    held.lock();
    waiter->asleep = false;
    if (woken >= 0) {
      settle_woken(*waiter, sleep->count, static_cast<size_t>(woken));
    } else if (error != 0 && error != EINTR && error != ETIMEDOUT) {
      // A word has changed, or its memory is gone.
      bool any = false;
      for (size_t i = 0; i < sleep->count; i++) {
        Slot& slot = waiter->slots[i];
        if (slot.id == 0 || settle_by_value(slot)) any = true;
      }
      // What the kernel does not like, and nobody can see: better an error than a thread that spins.
      if (!any && error != EAGAIN) settle(waiter->slots[0], Outcome::kFault);
    }
    for (Slot& slot : waiter->slots) {
      if (slot.id != 0 && slot.notified != Notified::kNo) settle(slot, Outcome::kOk);
    }
  }
}

// --- their work -----------------------------------------------------------------------------------

bool has_room(const Waiter& waiter) {
  return waiter.capacity == 1 ? waiter.slots.empty() : waiter.slots.size() < waiter.capacity;
}

// An idle thread of its own, else a new one while there are few, else a place beside others.
Result<Waiter*> find_place() {
  size_t exact = 0;
  Waiter* beside = nullptr;
  for (Waiter* waiter : g_state->waiters) {
    exact += waiter->capacity == 1;
    if (!has_room(*waiter)) continue;
    if (waiter->capacity == 1) return waiter;
    beside = waiter;
  }
  const bool alone = exact < kExact || !has_waitv();
  if (!alone && beside != nullptr) return beside;
  auto* waiter = new Waiter(alone ? 1 : kShared);
  const int error = start_thread(run, waiter);
  if (error != 0) {
    delete waiter;
    if (beside != nullptr) return beside;
    return Failure::system(error, "pthread_create");
  }
  g_state->waiters.push_back(waiter);
  return waiter;
}

// Visits the slots that still wait; whose thread is to look again, if the visit made one stale.
template <class F>
void each_pending(F visit) {
  each_slot([&](Waiter& waiter, Slot& slot) {
    if (slot.id == 0) return;
    visit(slot);
    if (slot.id == 0) kick(waiter);
  });
}

}  // namespace

bool has_waitv() {
  // Without words it is EINVAL where it exists.
  static const bool has =
      syscall(kFutexWaitV, nullptr, 0, 0, nullptr, 0) != 0 && errno != ENOSYS && errno != EPERM;
  return has;
}

Result<uint64_t> start(Owner* owner, const Word& word, uint32_t value, int64_t deadline) {
  std::lock_guard<std::mutex> held(g_state->mutex);
  if (!word.region->begin_wait()) return Failure::of(Reason::kClosed);
  auto place = find_place();
  if (!place.ok()) {
    word.region->end_wait();
    return place.failure();
  }
  const uint64_t id = ++g_state->last_id;
  place.value()->slots.push_back({id, word, value, deadline, owner, memmap_now(), Notified::kNo});
  g_state->pending.fetch_add(1);
  kick(*place.value());
  return id;
}

bool cancel(const Owner* owner, uint64_t id) {
  std::lock_guard<std::mutex> held(g_state->mutex);
  bool found = false;
  each_pending([&](Slot& slot) {
    // One that was notified counts as woken, though its thread has not said so yet.
    if (slot.id != id || slot.owner != owner || slot.notified != Notified::kNo) return;
    found = true;
    slot.id = 0;
    g_state->pending.fetch_sub(1);
  });
  return found;
}

int notify(const Word& word, int count) {
  if (g_state->pending.load() == 0) return memmap_notify(word.pointer(), count);
  std::lock_guard<std::mutex> held(g_state->mutex);
  return notify_held(word, count);
}

void leave(const Region& region, uintptr_t from) {
  std::unique_lock<std::mutex> held(g_state->mutex);
  const auto leaves = [&](const Slot& slot) {
    return slot.word.region.get() == &region && slot.word.address >= from;
  };
  each_pending([&](Slot& slot) {
    // One that was notified was woken before, though its thread has not said so yet.
    const auto outcome = slot.notified == Notified::kNo ? Outcome::kClosed : Outcome::kOk;
    if (leaves(slot)) settle(slot, outcome);
  });
  const auto there = [&] {
    bool any = false;
    each_slot([&](Waiter&, Slot& slot) { any = any || leaves(slot); });
    return any;
  };
  // Its own wait() is a new symbol in GCC 12, which the libstdc++ of GCC 11 (RHEL 9) does not have.
  while (there()) {
    pthread_cond_wait(g_state->dropped.native_handle(), held.mutex()->native_handle());
  }
}

void look_again(const Region& region) {
  if (!region.has_waits()) return;
  std::lock_guard<std::mutex> held(g_state->mutex);
  each_slot([&](Waiter& waiter, Slot& slot) {
    if (slot.word.region.get() == &region) kick(waiter);
  });
}

void pages_lost() {
  if (g_state->pending.load() == 0) return;
  std::lock_guard<std::mutex> held(g_state->mutex);
  each_pending([&](Slot& slot) {
    if (is_lost(slot)) settle(slot, Outcome::kFault);
  });
}

void forget(Owner* owner) {
  std::vector<Word> unused;
  std::lock_guard<std::mutex> held(g_state->mutex);
  each_pending([&](Slot& slot) {
    if (slot.owner != owner) return;
    slot.id = 0;
    g_state->pending.fetch_sub(1);
    if (slot.notified == Notified::kNotWoken) unused.push_back(slot.word);
  });
  // Wakes that nobody will hear of. Those of the kernel their threads pass on.
  for (const Word& word : unused)
    notify_held(word, 1);
}

// The threads do not exist in the child, nor who waited.
void reset_after_fork() { g_state = new State; }

}  // namespace memmap::waiters
