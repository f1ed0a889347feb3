// Process-wide counts behind stats(): what is alive now, not what has been.
#pragma once

#include <atomic>
#include <cstdint>

namespace memmap {

struct Stats {
  std::atomic<int64_t> regions{0};        // live or retired, not yet released
  std::atomic<int64_t> mapped_bytes{0};   // address space of live regions
  std::atomic<int64_t> retired_bytes{0};  // address space of retired regions
  std::atomic<int64_t> descriptors{0};    // file descriptors that we hold open
  std::atomic<int64_t> faults{0};         // faults that the guard survived, since the start
};

inline Stats g_stats;

}  // namespace memmap
