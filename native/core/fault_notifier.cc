#include "core/fault_notifier.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

#include "core/platform.h"
#include "core/waiters.h"

namespace memmap::notifier {
namespace {

struct Listener {
  void (*callback)(void*);
  void* data;
};

std::atomic<uint32_t> g_faults{0};
std::mutex g_mutex;
std::vector<Listener>& listeners() {
  // Never destroyed: the thread may still run while the process's destructors do.
  static auto* list = new std::vector<Listener>;
  return *list;
}

long futex(int operation, uint32_t value) {
  return syscall(SYS_futex, reinterpret_cast<uint32_t*>(&g_faults), operation, value, nullptr,
                 nullptr, 0);
}

void* run(void*) {
  set_thread_name("memmap-faults");
  uint32_t seen = 0;
  for (;;) {
    const uint32_t now = g_faults.load();
    if (now == seen) {
      futex(FUTEX_WAIT_PRIVATE, seen);
      continue;
    }
    seen = now;
    waiters::pages_lost();
    std::lock_guard<std::mutex> held(g_mutex);
    for (const Listener& listener : listeners())
      listener.callback(listener.data);
  }
  return nullptr;
}

}  // namespace

void start() {
  // Without the thread faults are still survived and recorded; only the warning is missing.
  start_thread(run, nullptr);
}

void signal_fault() {
  g_faults.fetch_add(1);
  futex(FUTEX_WAKE_PRIVATE, 1);
}

void add(void (*callback)(void*), void* data) {
  std::lock_guard<std::mutex> held(g_mutex);
  listeners().push_back({callback, data});
}

void remove(void* data) {
  std::lock_guard<std::mutex> held(g_mutex);
  auto& list = listeners();
  list.erase(std::remove_if(list.begin(), list.end(),
                            [data](const Listener& l) { return l.data == data; }),
             list.end());
}

void reset_after_fork() { g_faults.store(0); }

}  // namespace memmap::notifier
