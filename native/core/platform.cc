#include "core/platform.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace memmap {

size_t page_size() {
  static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

bool on_main_thread() { return syscall(SYS_gettid) == getpid(); }

void set_thread_name(const char* name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

}  // namespace memmap
