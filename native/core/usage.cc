#include "core/usage.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace memmap {

Result<Usage> usage_of(Region& region) {
  const RegionUse use(region);
  if (!use) return Failure::of(Reason::kClosed);
  FILE* file = std::fopen("/proc/self/smaps", "re");
  if (file == nullptr) return Failure::system(errno, "open");
  const uintptr_t begin = region.base();
  const uintptr_t end = begin + region.length();
  Usage usage;
  const struct {
    const char* name;
    uint64_t* bytes;
  } fields[] = {
      {"Size:", &usage.size},
      {"Rss:", &usage.rss},
      {"Pss:", &usage.pss},
      {"Shared_Clean:", &usage.shared_clean},
      {"Shared_Dirty:", &usage.shared_dirty},
      {"Private_Clean:", &usage.private_clean},
      {"Private_Dirty:", &usage.private_dirty},
  };
  char line[4608];  // a path and what stands before it
  bool inside = false;
  while (std::fgets(line, sizeof(line), file) != nullptr) {
    unsigned long from = 0;
    unsigned long to = 0;
    if (std::sscanf(line, "%lx-%lx ", &from, &to) == 2) {
      inside = from < end && to > begin;
      continue;
    }
    if (!inside) continue;
    for (const auto& field : fields) {
      unsigned long kilobytes = 0;
      const size_t length = std::strlen(field.name);
      if (std::strncmp(line, field.name, length) == 0 &&
          std::sscanf(line + length, "%lu kB", &kilobytes) == 1) {
        *field.bytes += kilobytes * 1024;
      }
    }
  }
  std::fclose(file);
  return usage;
}

}  // namespace memmap
