// A lock that a signal handler may take. A mutex of the C library may not be used there
// (signal-safety(7)); an atomic flag and sched_yield(2) may.
//
// It cannot deadlock with the guard: whoever holds it never touches the memory of a region, so the
// thread that holds it never enters the handler for a fault of ours.
#pragma once

#include <sched.h>

#include <atomic>

namespace memmap {

class SpinLock {
 public:
  void lock() {
    while (held_.exchange(true, std::memory_order_acquire)) {
      sched_yield();
    }
  }
  void unlock() { held_.store(false, std::memory_order_release); }
  // In the child of a fork: the thread that held it does not exist there.
  void reset_after_fork() { held_.store(false, std::memory_order_relaxed); }

 private:
  std::atomic<bool> held_{false};
};

}  // namespace memmap
