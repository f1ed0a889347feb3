// The count of memory areas (lines of /proc/self/maps) that this package has made.
//
// The kernel gives a process vm.max_map_count of them (65530 by default). At the limit V8 itself
// aborts the process, so we refuse with ENOMEM well below it. The count is an upper bound: the kernel
// merges neighbours that look alike, we do not know when.
#pragma once

#include <cstddef>
#include <cstdint>

namespace memmap::areas {

// Takes `count` areas, or takes none and returns false.
bool take(int64_t count);
void give_back(int64_t count);
// From the signal handler: never refuses, since the alternative is death.
void take_unchecked(int64_t count);
int64_t taken();
// How many areas lie in the range of addresses: a look at /proc/self/maps, not for a hot path.
int64_t count_within(uintptr_t begin, uintptr_t end);

// Single-page areas kept aside for the guard: at the limit it gives one up to be able to split another.
void prepare_spares();
bool give_up_spare();  // async-signal-safe; false when none is left

}  // namespace memmap::areas
