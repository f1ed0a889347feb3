// The calls of the man pages, on regions instead of bare addresses.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/region.h"
#include "core/result.h"

namespace memmap::posix {

// The kernel judges all arguments but one: MAP_FIXED and its relatives are kOutOfRange.
Result<std::shared_ptr<Region>> map(uint64_t length, int prot, int flags, int fd, uint64_t offset);
// `offset` and `length` are relative to the region; the pages that they touch.
Failure sync(Region& region, size_t offset, size_t length, int flags);
Failure advise(Region& region, size_t offset, size_t length, int advice);
Failure protect(Region& region, size_t offset, size_t length, int prot);
Failure lock(Region& region, size_t offset, size_t length);
Failure unlock(Region& region, size_t offset, size_t length);
// One byte for each page; the lowest bit: resident (mincore(2)).
Result<std::vector<unsigned char>> residency(Region& region, size_t offset, size_t length);
// Brings the pages in. May take long: for a pool thread.
Failure populate(Region& region, size_t offset, size_t length);
// A region of the same pages with another length; the old one is for the caller to retire. The old
// addresses are not given up, as mremap(2) would: I/O may still be using them.
Result<std::shared_ptr<Region>> remap(Region& region, uint64_t length);

Failure truncate(int fd, uint64_t length);

}  // namespace memmap::posix
