#include "core/warnings.h"

#include <unistd.h>

#include <cstdio>
#include <memory>
#include <mutex>
#include <utility>

#include "core/region.h"
#include "core/region_table.h"

namespace memmap {
namespace {

struct Gone {
  const void* owner;
  WarnedRegion region;
};

// Global, and with a lock, since a region may go on any thread; the handler has no part in it.
std::mutex g_mutex;
std::vector<Gone>& gone() {
  static auto* list = new std::vector<Gone>;  // never destroyed: regions may outlive main()
  return *list;
}

std::string path_of(const File* file) {
  std::string path;
  if (file == nullptr) return path;
  char link[40];
  char target[4096];
  std::snprintf(link, sizeof(link), "/proc/self/fd/%d", file->fd());
  const ssize_t length = readlink(link, target, sizeof(target));
  if (length > 0) path.assign(target, static_cast<size_t>(length));
  return path;
}

}  // namespace

void keep_warning(const void* owner, const File* file, std::vector<Fault> faults) {
  Gone one = {owner, {path_of(file), std::move(faults)}};
  std::lock_guard<std::mutex> held(g_mutex);
  gone().push_back(std::move(one));
}

std::vector<WarnedRegion> regions_to_warn_of(const void* owner) {
  // Outlives the visit: the last reference to a region must not be dropped inside one.
  std::vector<std::shared_ptr<Region>> regions;
  {
    RegionTable::Visit visit(g_regions);
    g_regions.each([&](Region* region) {
      if (!region->may_warn(owner)) return;
      // Null: it is on its way out, and leaves its warning behind.
      auto held = region->weak_from_this().lock();
      if (held != nullptr) regions.push_back(std::move(held));
    });
  }
  std::vector<WarnedRegion> warned;
  for (const auto& region : regions) {
    if (!region->take_warning(owner)) continue;
    warned.push_back({path_of(region->file().get()), region->faults()});
  }
  std::lock_guard<std::mutex> held(g_mutex);
  std::vector<Gone> others;
  for (Gone& one : gone()) {
    if (one.owner == nullptr || one.owner == owner) {
      warned.push_back(std::move(one.region));
    } else {
      others.push_back(std::move(one));
    }
  }
  gone().swap(others);
  return warned;
}

void disown_regions(const void* owner) {
  {
    RegionTable::Visit visit(g_regions);
    g_regions.each([&](Region* region) { region->disown(owner); });
  }
  std::lock_guard<std::mutex> held(g_mutex);
  for (Gone& one : gone()) {
    if (one.owner == owner) one.owner = nullptr;
  }
}

}  // namespace memmap
