#include "attack.h"

#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#define CASES(X) \
  X(table)       \
  X(counters)    \
  X(regions)     \
  X(guard)       \
  X(permits)     \
  X(tickets)     \
  X(owners)      \
  X(crowd)       \
  X(windows)     \
  X(mutexes)     \
  X(lock)        \
  X(channel)     \
  X(lanes)       \
  X(flushes)     \
  X(poison)

extern "C" {
#define DECLARE(name) void case_##name(void);
CASES(DECLARE)
#undef DECLARE
}

namespace {

long g_scale = 100;
uint64_t g_seed = 1;
std::atomic<uint64_t> g_stream{0};
thread_local uint64_t t_state = 0;

const struct {
  const char* name;
  void (*run)();
} kCases[] = {
#define LIST(name) {#name, case_##name},
    CASES(LIST)
#undef LIST
};

int usage() {
  std::fprintf(stderr, "usage: threads [--seed=N] [--scale=PERCENT] CASE ...\ncases:");
  for (const auto& one : kCases)
    std::fprintf(stderr, " %s", one.name);
  std::fprintf(stderr, "\n");
  return 2;
}

bool run_case(const char* name) {
  for (const auto& one : kCases) {
    if (std::strcmp(one.name, name) != 0) continue;
    one.run();
    return true;
  }
  return false;
}

}  // namespace

int attack_times(int times) {
  const long scaled = times * g_scale / 100;
  return scaled < 1 ? 1 : static_cast<int>(scaled);
}

// splitmix64
uint32_t attack_random(uint32_t limit) {
  if (t_state == 0) t_state = (g_seed + 1) * 0x9e3779b97f4a7c15u + g_stream.fetch_add(1) * 2 + 1;
  uint64_t z = (t_state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return static_cast<uint32_t>((z ^ (z >> 31)) >> 32) % limit;
}

void attack_figure(const char* name, long value) { std::printf("%s %ld\n", name, value); }

void attack_threads(int count, void (*run)(int index, void* data), void* data) {
  std::atomic<int> ready{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < count; i++) {
    threads.emplace_back([&, i] {
      ready.fetch_add(1);
      while (ready.load() < count)
        std::this_thread::yield();
      run(i, data);
    });
  }
  for (std::thread& thread : threads)
    thread.join();
}

int attack_memory(size_t size) {
  const int fd = memfd_create("memmap-attack", MFD_CLOEXEC);
  CHECK(fd >= 0 && ftruncate(fd, static_cast<off_t>(size)) == 0, "no memory");
  return fd;
}

__attribute__((noinline, no_sanitize("thread"))) uint32_t attack_touch(const uint32_t* word) {
  return *const_cast<const volatile uint32_t*>(word);
}

__attribute__((noinline, no_sanitize("thread"))) void attack_write(uint32_t* word, uint32_t value) {
  *const_cast<volatile uint32_t*>(word) = value;
}

int main(int argc, char** argv) {
  int at = 1;
  for (; at < argc && std::strncmp(argv[at], "--", 2) == 0; at++) {
    const std::string argument = argv[at];
    if (argument.rfind("--seed=", 0) == 0) {
      g_seed = std::strtoull(argument.c_str() + 7, nullptr, 10);
    } else if (argument.rfind("--scale=", 0) == 0) {
      g_scale = std::strtol(argument.c_str() + 8, nullptr, 10);
    } else {
      return usage();
    }
  }
  if (at == argc) return usage();
  for (; at < argc; at++) {
    if (!run_case(argv[at])) return usage();
  }
  return 0;
}
