// Facts about the machine, read once, and the few system calls that glibc does not wrap.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/result.h"

namespace memmap {

size_t page_size();  // bytes

inline uint64_t round_down(uint64_t value, uint64_t unit) { return value - value % unit; }
inline uint64_t round_up(uint64_t value, uint64_t unit) {
  return round_down(value + unit - 1, unit);
}

// The largest length or offset we let anybody ask for: the sums of two of them cannot overflow a
// 64-bit signed file offset.
constexpr uint64_t kMaxBytes = uint64_t{1} << 53;

// The process's first thread, with which it ends.
bool on_main_thread();

// Of the calling thread, as ps(1) shows it; 15 bytes at most.
void set_thread_name(const char* name);

// A detached thread of ours, with a small stack and all signals blocked but those of faults: they are for
// the program's own threads. 0, or an errno value.
int start_thread(void* (*run)(void*), void* data);

// Whether a thread of this process is asleep in a system call (proc_pid_stat(5)); true where nobody says.
bool thread_sleeps(long thread);

}  // namespace memmap
