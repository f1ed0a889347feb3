// futex_waitv(2): one thread sleeps on many words. linux/futex.h has it since Linux 5.16.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace memmap {

struct WaitV {
  uint64_t value;
  uint64_t address;
  uint32_t flags;
  uint32_t reserved;
};
constexpr long kFutexWaitV = 449;  // on all machines
constexpr uint32_t kWord32 = 2;
constexpr uint32_t kPrivate = FUTEX_PRIVATE_FLAG;

// Whether the kernel has it, and lets us call it.
inline bool has_waitv() {
  // Without words it is EINVAL where it exists.
  static const bool has =
      syscall(kFutexWaitV, nullptr, 0, 0, nullptr, 0) != 0 && errno != ENOSYS && errno != EPERM;
  return has;
}

}  // namespace memmap
