// What a region takes in memory, as /proc/self/smaps has it.
#pragma once

#include <cstdint>

#include "core/region.h"
#include "core/result.h"

namespace memmap {

struct Usage {  // bytes
  uint64_t size = 0;
  uint64_t rss = 0;
  uint64_t pss = 0;
  uint64_t shared_clean = 0;
  uint64_t shared_dirty = 0;
  uint64_t private_clean = 0;
  uint64_t private_dirty = 0;
};

Result<Usage> usage_of(Region& region);

}  // namespace memmap
