#include "core/huge_pages.h"

#include <cstdio>

namespace memmap {

size_t huge_page_size() {
  static const size_t size = [] {
    size_t kilobytes = 0;
    FILE* file = std::fopen("/proc/meminfo", "re");
    if (file == nullptr) return size_t{0};
    char line[128];
    while (std::fgets(line, sizeof(line), file) != nullptr) {
      if (std::sscanf(line, "Hugepagesize: %zu kB", &kilobytes) == 1) break;
    }
    std::fclose(file);
    return kilobytes * 1024;
  }();
  return size;
}

}  // namespace memmap
