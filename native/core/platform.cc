#include "core/platform.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>

namespace memmap {

size_t page_size() {
  static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

bool on_main_thread() { return syscall(SYS_gettid) == getpid(); }

void set_thread_name(const char* name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

int start_thread(void* (*run)(void*), void* data) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  // A fault of the thread's own ends the process where its signal is blocked: these are the guard's.
  sigdelset(&all, SIGBUS);
  sigdelset(&all, SIGSEGV);
  // The new thread has the mask of its maker from its first instruction on.
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, 256 * 1024);
  pthread_t thread;
  const int error = pthread_create(&thread, &attributes, run, data);
  pthread_attr_destroy(&attributes);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return error;
}

bool thread_sleeps(long thread) {
  char path[48];
  char line[96];  // the state is the third field, after a name of at most 15 bytes in parentheses
  snprintf(path, sizeof path, "/proc/self/task/%ld/stat", thread);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return true;
  const ssize_t got = read(file, line, sizeof line);
  close(file);
  const auto* name_end =
      got <= 0 ? nullptr : static_cast<const char*>(memrchr(line, ')', static_cast<size_t>(got)));
  return name_end == nullptr || name_end + 2 >= line + got || name_end[2] == 'S';
}

}  // namespace memmap
