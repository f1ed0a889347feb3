// Flushes of one file from many threads: each writes a part of its own and flushes it, while the mapping is slid,
// resized and closed by others. And a sync that fails: the first failure is everybody's from then on.
#include <fcntl.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/stats.h"
#include "files.h"

namespace {

using memmap::Mapping;
using memmap::Reason;

constexpr int kThreads = 4;
constexpr size_t kPart = 3;  // pages

// On a disk: for memory there is nothing to be synced.
int disk_file(size_t size) {
  const char* folder = std::getenv("TMPDIR");
  const int fd =
      open(folder == nullptr ? "/var/tmp" : folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  CHECK(fd >= 0 && ftruncate(fd, static_cast<off_t>(size)) == 0, "no file: %s",
        std::strerror(errno));
  return fd;
}

}  // namespace

extern "C" void case_flushes() {
  const int rounds = attack_times(40);
  const size_t page = memmap::page_size();
  const size_t part = kPart * page;
  const int fd = disk_file(2 * kThreads * part);
  std::atomic<int> writing{kThreads};
  std::atomic<long> flushed{0};
  std::atomic<long> moved{0};
  // Used by several threads, as a sharedBuffer has it: slid and flushed without regard to each other.
  const auto shared = attack::map_file(fd, kThreads * part, kThreads * part / 2);
  shared->add_sharer();
  const auto write = [&](int index) {
    auto mapping = attack::map_file(fd, static_cast<uint64_t>(index) * part, part);
    std::vector<memmap::FlushJob> jobs;
    for (int i = 0; i < rounds; i++) {
      const size_t at = attack_random(kPart) * page;
      attack::words_of(*mapping)[at / 4] = static_cast<uint32_t>(i + 1);
      if (attack_random(2) == 0) {
        CHECK(!mapping->flush_now({at, 4}, false), "flush_now");
      } else {
        auto job = mapping->flush({{at, 4}, {0, part}}, false);
        CHECK(job.ok(), "flush");
        CHECK(!job.value().run(), "flush");
      }
      flushed.fetch_add(1);
      uint32_t in_file = 0;
      const auto offset = static_cast<off_t>(static_cast<size_t>(index) * part + at);
      CHECK(pread(fd, &in_file, 4, offset) == 4 && in_file == static_cast<uint32_t>(i + 1),
            "%u in the file after round %d", in_file, i);
      if (attack_random(8) != 0) continue;
      // A flush that was asked for before the mapping was closed is done after it.
      auto job = mapping->flush({}, true);
      CHECK(job.ok() && !mapping->close(), "close");
      CHECK(!job.value().run(), "a flush after the end");
      mapping = attack::map_file(fd, static_cast<uint64_t>(index) * part, part);
    }
    CHECK(!mapping->close(), "close");
    writing.fetch_sub(1);
  };
  const auto move = [&] {
    while (writing.load() > 0) {
      const size_t offset = (kThreads * kPart + attack_random(kThreads * kPart / 2)) * page;
      CHECK(shared->slide(offset).ok(), "slide");
      attack_write(attack::words_of(*shared), 5);
      CHECK(!shared->flush_now({0, page}, attack_random(2) == 0), "flush_now of a shared mapping");
      moved.fetch_add(1);
    }
  };
  in_threads(kThreads + 2, [&](int index) {
    if (index < kThreads) {
      write(index);
    } else {
      move();
    }
  });
  CHECK(!shared->file()->poisoned(), "poisoned: %d", shared->file()->poisoned().error);
  shared->remove_sharer();
  CHECK(!shared->close(), "close");
  close(fd);
  attack_figure("flushes.flushed", flushed.load());
  attack_figure("flushes.moved", moved.load());
}

// For a world in which msync(2) fails with EIO: without_syscall makes it.
extern "C" void case_poison() {
  const size_t page = memmap::page_size();
  const int rounds = attack_times(50);
  std::atomic<long> failed{0};
  std::atomic<long> refused{0};
  for (int round = 0; round < rounds; round++) {
    const int fd = disk_file(page);
    const auto mapping = attack::map_file(fd, 0, page);
    std::atomic<long> first{0};
    in_threads(kThreads, [&](int) {
      for (int i = 0; i < 4; i++) {
        auto job = mapping->flush({}, true);
        const memmap::Failure failure = job.ok() ? job.value().run() : job.failure();
        CHECK(static_cast<bool>(failure), "a flush after one that failed");
        CHECK(failure.error == EIO, "%d", failure.error);
        if (failure.reason == Reason::kSystemCall) {
          CHECK(std::strcmp(failure.syscall, "msync") == 0, "%s", failure.syscall);
          first.fetch_add(1);
        } else {
          CHECK(failure.reason == Reason::kPoisoned, "%d", static_cast<int>(failure.reason));
          refused.fetch_add(1);
        }
      }
    });
    // One met it itself: what failed is known before the next one begins.
    CHECK(first.load() == 1, "%ld failed themselves", first.load());
    CHECK(mapping->file()->poisoned().error == EIO, "not poisoned");
    failed.fetch_add(first.load());
    CHECK(!mapping->close(), "close");
    close(fd);
  }
  attack_figure("poison.failed", failed.load());
  attack_figure("poison.refused", refused.load());
}
