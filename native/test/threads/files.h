// A mapping of a file that the attack has a descriptor of as well.
#pragma once

#include <memory>

#include "attack.h"
#include "core/mapping.h"

namespace attack {

inline std::shared_ptr<memmap::Mapping> map_file(int fd, uint64_t offset, uint64_t length) {
  auto file = memmap::File::reopen(fd, true);
  CHECK(file.ok(), "open: %d", file.failure().error);
  memmap::MapOptions options;
  options.access = memmap::Access::kWrite;
  options.offset = offset;
  options.length = length;
  auto mapping = memmap::Mapping::map(file.value(), options);
  CHECK(mapping.ok(), "mmap: %d", mapping.failure().error);
  return mapping.value();
}

inline uint32_t* words_of(const memmap::Mapping& mapping) {
  return reinterpret_cast<uint32_t*>(mapping.region()->base());
}

}  // namespace attack
