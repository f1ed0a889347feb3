#include "core/guard.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>

#include "core/areas.h"
#include "core/fault_notifier.h"
#include "core/region.h"
#include "core/region_table.h"
#include "core/waiters.h"

namespace memmap::guard {
namespace {

struct Previous {
  struct sigaction
      before_us;  // at the first installation: Node's own, which serves WebAssembly traps
  struct sigaction chained;  // whom to call for what is not ours
};

// Two of each, written alternately and published by pointer: the handler reads without a lock.
std::atomic<const Previous*> g_previous[2];
std::atomic<bool> g_enabled{true};
std::atomic<bool> g_installed{false};
std::once_flag g_once;
std::mutex g_mutex;

int index_of(int signal) { return signal == SIGBUS ? 0 : 1; }

void handle(int signal, siginfo_t* info, void* context);

bool is_default(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_DFL;
}

bool is_ours(const struct sigaction& action) { return action.sa_sigaction == handle; }

void install(int signal) {
  struct sigaction action = {};
  action.sa_sigaction = handle;
  // SA_NODEFER and an empty mask: a fault while a fault is handled is passed on, not fatal.
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

// The handler of Rust's library for a stack that runs over sets the default action and returns, counting on
// the fault to come again. A signal that was sent does not: the process lives, and would have no guard. So
// what that handler wanted is called in its place from here on. No memory is allocated: this is a handler.
void keep_place(int signal) {
  static const Previous gave_up = {};  // both are the default action
  struct sigaction current = {};
  sigaction(signal, nullptr, &current);
  if (!is_default(current)) return;
  g_previous[index_of(signal)].store(&gave_up, std::memory_order_release);
  install(signal);
}

void default_action(int signal, const siginfo_t* info) {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  sigaction(signal, &action, nullptr);
  // A fault of the kernel's comes again when the instruction runs again: the process dies of the same
  // signal, at the same place, as it would have without us. One that was sent must be sent again.
  const bool repeats = info->si_code > 0 && info->si_code != BUS_MCEERR_AO;
  if (repeats || syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signal) == 0) return;
  kill(getpid(), signal);  // a filter forbids the other one
}

void chain(int signal, siginfo_t* info, void* context) {
  const Previous* previous = g_previous[index_of(signal)].load(std::memory_order_acquire);
  const struct sigaction& action = previous->chained;
  if ((action.sa_flags & SA_SIGINFO) != 0) {
    action.sa_sigaction(signal, info, context);
    keep_place(signal);
  } else if (action.sa_handler == SIG_IGN && info->si_code <= 0) {
    return;
  } else if (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN) {
    default_action(signal, info);  // the kernel does not let a fault be ignored either
  } else {
    action.sa_handler(signal);
  }
}

bool ours(int signal, const siginfo_t* info) {
  if (info->si_code <= 0) return false;  // sent by a process, not by the kernel
  // BUS_ADRALN is a misaligned access: no page would mend it, and it would come for ever.
  if (signal == SIGBUS) {
    return info->si_code == BUS_ADRERR || info->si_code == BUS_MCEERR_AR;
  }
  // SEGV_PKUERR: a page that may only be executed, which the kernel keeps from being read with a protection
  // key where the processor has them (mm/mprotect.c). A new protection takes the key off again.
  return info->si_code == SEGV_ACCERR || info->si_code == SEGV_MAPERR ||
         info->si_code == SEGV_PKUERR;
}

// Bun gives back what it found when a listener for the signal goes, by signal(2), which knows a pointer and
// no flags: this function is then called without a siginfo.
bool without_siginfo(int signal) {
  struct sigaction current = {};
  sigaction(signal, nullptr, &current);
  return is_ours(current) && (current.sa_flags & SA_SIGINFO) == 0;
}

void handle(int signal, siginfo_t* info, void* context) {
  const int saved = errno;
  if (without_siginfo(signal)) {
    install(signal);  // a fault comes again, and then with one
    errno = saved;
    return;
  }
  bool survived = false;
  if (ours(signal, info)) {
    RegionTable::Visit visit(g_regions);
    const uintptr_t address = reinterpret_cast<uintptr_t>(info->si_addr);
    Region* region = g_regions.find(address);
    survived = region != nullptr && region->survive(address, signal, info->si_code);
  }
  if (survived) notifier::signal_fault();
  errno = saved;
  if (!survived) chain(signal, info, context);
}

// Whether `current` has taken our place, rather than being put above us by somebody who calls us: then
// taking it back would have the two of us call each other for ever. libuv's handler and the default one call
// nobody (and take no siginfo); the one that we call ourselves is below us.
bool displaced(const struct sigaction& current, const Previous& old) {
  if ((current.sa_flags & SA_SIGINFO) == 0) return true;
  return (old.chained.sa_flags & SA_SIGINFO) != 0 &&
         current.sa_sigaction == old.chained.sa_sigaction;
}

void take(int signal, bool first) {
  struct sigaction current = {};
  sigaction(signal, nullptr, &current);
  if (is_ours(current)) {
    install(signal);  // its flags may be others
    return;
  }
  const Previous* old = g_previous[index_of(signal)].load();
  if (!first && !displaced(current, *old)) return;
  // Never freed: a handler on another thread may be reading the old one. Few, and small.
  Previous* next = new Previous;
  next->before_us = first || old == nullptr ? current : old->before_us;
  // libuv restores the default when the last listener goes. Node's own handler for WebAssembly traps, if
  // it was there before us, is better (it takes a siginfo; libuv's does not).
  const bool traps = (next->before_us.sa_flags & SA_SIGINFO) != 0;
  next->chained = is_default(current) && traps ? next->before_us : current;
  g_previous[index_of(signal)].store(next, std::memory_order_release);
  install(signal);
}

void take_both(bool first) {
  std::lock_guard<std::mutex> held(g_mutex);
  take(SIGBUS, first);
  take(SIGSEGV, first);
}

// After a real fork(2) the child has one thread and a copy of everything else, in whatever state the
// other threads had it. It may touch its mappings, fault, and _exit.
void after_fork_in_child() {
  g_regions.reset_after_fork();
  g_regions.each([](Region* region) { region->reset_after_fork(); });
  notifier::reset_after_fork();
  waiters::reset_after_fork();
}

}  // namespace

bool set_enabled(bool on) {
  std::lock_guard<std::mutex> held(g_mutex);
  if (g_installed.load()) return on == g_enabled.load();
  g_enabled.store(on);
  return true;
}

bool enabled() { return g_enabled.load(std::memory_order_relaxed); }

void install_once() {
  std::call_once(g_once, [] {
    {
      std::lock_guard<std::mutex> held(g_mutex);
      g_installed.store(true);
    }
    pthread_atfork(nullptr, nullptr, after_fork_in_child);
    if (!g_enabled.load()) return;
    areas::prepare_spares();
    take_both(true);
    notifier::start();
  });
}

void reinstall() {
  if (g_installed.load() && g_enabled.load()) take_both(false);
}

void add_listener(Callback callback, void* data) { notifier::add(callback, data); }
void remove_listener(void* data) { notifier::remove(data); }

}  // namespace memmap::guard
