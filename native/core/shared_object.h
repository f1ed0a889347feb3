// Memory that has a descriptor but no disk: memfd_create(2), and what is asked of such a descriptor.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/file.h"
#include "core/result.h"

namespace memmap {

// A new memfd of `length` bytes whose size is sealed: nobody can cut it under a mapping.
Result<std::shared_ptr<File>> make_sealed_memory(const char* name, uint64_t length);

// Memory with a name, a file of /dev/shm (shm_overview(7)). It is made without a name, sized, allocated, and
// then linked to its name: nobody opens it before it has its size. Not `exclusive`: one that is there
// already is opened instead, if it is long enough (kOutOfRange otherwise).
struct NamedRequest {
  std::string name;
  uint64_t length = 0;
  unsigned mode = 0600;
  bool exclusive = false;
};
Result<std::shared_ptr<File>> make_named(const NamedRequest& request);
// With a size of 0 it is kOutOfRange: somebody else makes segments in another way, and is not done.
Result<std::shared_ptr<File>> open_named(const std::string& name, bool writable);
std::string path_of(const std::string& name);

// Descriptors for the caller, closed by nobody else. All are closed on exec.
Result<int> memfd(const char* name, unsigned flags);
Result<int> shm_open_descriptor(const char* name, int oflag, unsigned mode);
Failure shm_unlink_name(const char* name);
Failure add_seals(int fd, int seals);
Result<int> seals_of(int fd);

struct Identity {
  uint64_t device;
  uint64_t inode;
  uint64_t size;
};
Result<Identity> identify(int fd);
// So that programs started later do not inherit it.
Failure set_cloexec(int fd);

}  // namespace memmap
