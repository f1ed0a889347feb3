#include "core/warnings.h"

#include <unistd.h>

#include <cstdio>
#include <memory>

#include "core/region.h"
#include "core/region_table.h"

namespace memmap {

std::vector<WarnedRegion> regions_to_warn_of(const void* owner) {
  // Outlives the visit: the last reference to a region must not be dropped inside one.
  std::vector<std::shared_ptr<Region>> regions;
  {
    RegionTable::Visit visit(g_regions);
    g_regions.each([&](Region* region) {
      if (!region->take_warning(owner)) return;
      auto held = region->weak_from_this().lock();
      if (held != nullptr) regions.push_back(std::move(held));
    });
  }
  std::vector<WarnedRegion> warned;
  for (const auto& region : regions) {
    std::string path;
    const auto file = region->file();
    if (file != nullptr) {
      char link[40];
      char target[4096];
      std::snprintf(link, sizeof(link), "/proc/self/fd/%d", file->fd());
      const ssize_t length = readlink(link, target, sizeof(target));
      if (length > 0) path.assign(target, static_cast<size_t>(length));
    }
    warned.push_back({std::move(path), region->faults()});
  }
  return warned;
}

void disown_regions(const void* owner) {
  RegionTable::Visit visit(g_regions);
  g_regions.each([&](Region* region) { region->disown(owner); });
}

}  // namespace memmap
