// Memory that has a descriptor but no disk: memfd_create(2), and what is asked of such a descriptor.
#pragma once

#include <cstdint>
#include <memory>

#include "core/file.h"
#include "core/result.h"

namespace memmap {

// A new memfd of `length` bytes whose size is sealed: nobody can cut it under a mapping.
Result<std::shared_ptr<File>> make_sealed_memory(const char* name, uint64_t length);

struct Identity {
  uint64_t device;
  uint64_t inode;
  uint64_t size;
};
Result<Identity> identify(int fd);
// So that programs started later do not inherit it.
Failure set_cloexec(int fd);

}  // namespace memmap
