// futex_waitv(2): one thread sleeps on many words. linux/futex.h has it since Linux 5.16.
#pragma once

#include <linux/futex.h>

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

}  // namespace memmap
