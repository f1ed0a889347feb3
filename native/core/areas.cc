#include "core/areas.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "core/platform.h"

namespace memmap::areas {
namespace {

// Left to V8, the C library and other add-ons on top of what they have at the time of counting.
constexpr int64_t kHeadroom = 8192;
// Others' areas are counted anew each time ours have grown by this many. Reading 60,000 lines of
// /proc/self/maps takes tens of milliseconds; eight times on the way to the limit is bearable.
constexpr int64_t kRecount = 8192;
constexpr int kSpares = 16;

std::atomic<int64_t> g_taken{0};
std::atomic<int64_t> g_limit{0};       // how many we may have; 0: not counted yet
std::atomic<int64_t> g_recount_at{0};  // count others' again when ours reach this
std::atomic<uintptr_t> g_spares{0};
std::atomic<int> g_spares_left{0};

int64_t read_max_map_count() {
  char text[32] = {};
  const int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 65530;  // DEFAULT_MAX_MAP_COUNT, include/linux/mm.h
  const ssize_t got = read(fd, text, sizeof(text) - 1);
  close(fd);
  const int64_t value = got > 0 ? std::strtoll(text, nullptr, 10) : 0;
  return value > 0 ? value : 65530;
}

int64_t count_all() {
  const int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 1024;
  char buffer[16384];
  int64_t lines = 0;
  for (;;) {
    const ssize_t got = read(fd, buffer, sizeof(buffer));
    if (got <= 0) break;
    lines += std::count(buffer, buffer + got, '\n');
  }
  close(fd);
  return lines;
}

void recount() {
  const int64_t ours = g_taken.load();
  const int64_t others = std::max<int64_t>(count_all() - ours, 0);
  const int64_t max = read_max_map_count();
  // A small limit (a container may have one) must leave room for some mappings all the same.
  const int64_t headroom = std::min(kHeadroom, max / 4);
  g_limit.store(std::max<int64_t>(max - others - headroom, 1));
  g_recount_at.store(ours + kRecount);
}

}  // namespace

bool take(int64_t count) {
  if (g_taken.load() + count > g_recount_at.load()) recount();
  if (g_taken.fetch_add(count) + count <= g_limit.load()) return true;
  // The limit may have been raised, or others may have given areas back, since the last count.
  g_taken.fetch_sub(count);
  recount();
  if (g_taken.fetch_add(count) + count <= g_limit.load()) return true;
  g_taken.fetch_sub(count);
  return false;
}

void give_back(int64_t count) { g_taken.fetch_sub(count); }
void take_unchecked(int64_t count) { g_taken.fetch_add(count); }
int64_t taken() { return g_taken.load(); }

int64_t count_within(uintptr_t begin, uintptr_t end) {
  FILE* file = std::fopen("/proc/self/maps", "re");
  if (file == nullptr) return 0;
  char line[512];
  int64_t count = 0;
  while (std::fgets(line, sizeof(line), file) != nullptr) {
    unsigned long from = 0;
    unsigned long to = 0;
    // The rest of a line that is longer than the buffer begins with no such pair.
    if (std::sscanf(line, "%lx-%lx ", &from, &to) != 2) continue;
    if (from < end && to > begin) count++;
  }
  std::fclose(file);
  return count;
}

void prepare_spares() {
  const size_t page = page_size();
  void* base = mmap(nullptr, 2 * kSpares * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) return;
  // Every other page gets another protection, so that the kernel keeps each as an area of its own.
  for (int i = 0; i < kSpares; i++) {
    mprotect(static_cast<char*>(base) + (2 * i + 1) * page, page, PROT_READ);
  }
  g_spares.store(reinterpret_cast<uintptr_t>(base));
  g_spares_left.store(kSpares);
}

bool give_up_spare() {
  const int index = g_spares_left.fetch_sub(1) - 1;
  if (index < 0) {
    g_spares_left.fetch_add(1);
    return false;
  }
  // The two last pages at once: unmapping one in the middle would split nothing, but give up less.
  const uintptr_t spare = g_spares.load() + 2 * static_cast<uintptr_t>(index) * page_size();
  return munmap(reinterpret_cast<void*>(spare), 2 * page_size()) == 0;
}

}  // namespace memmap::areas
