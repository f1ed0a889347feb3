// The calls of the man pages, on regions instead of bare addresses.
#pragma once

#include <cstdint>
#include <memory>

#include "core/region.h"
#include "core/result.h"

namespace memmap::posix {

// The kernel judges all arguments but one: MAP_FIXED and its relatives are kOutOfRange.
Result<std::shared_ptr<Region>> map(uint64_t length, int prot, int flags, int fd, uint64_t offset);
// `offset` and `length` are relative to the region; the pages that they touch.
Failure sync(Region& region, size_t offset, size_t length, int flags);
Failure truncate(int fd, uint64_t length);

}  // namespace memmap::posix
