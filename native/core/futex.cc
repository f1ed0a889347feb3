#include "core/futex.h"

#include <algorithm>
#include <cerrno>

#include "core/waiters.h"
#include "memmap_sync.h"

namespace memmap::futex {
namespace {

// Another thread may unmap the region under a sleeper, of which the kernel tells nobody. So it looks up
// from time to time; a timer costs some 4 % of a round trip.
constexpr int64_t kLookUp = 100'000'000;

uint32_t load(const Word& word) { return __atomic_load_n(word.pointer(), __ATOMIC_SEQ_CST); }

}  // namespace

int64_t deadline_after(double milliseconds) {
  if (milliseconds < 0) return kForever;
  const double nanoseconds = milliseconds * 1e6;
  const int64_t now = memmap_now();
  return nanoseconds < static_cast<double>(kForever - now) ? now + static_cast<int64_t>(nanoseconds)
                                                           : kForever;
}

Failure check(const Word& word) {
  if (!word.region->live()) return Failure::of(Reason::kClosed);
  load(word);
  const size_t offset = word.address - word.region->base();
  const bool lost = word.region->patched(offset, sizeof(uint32_t));
  // Another thread may have unmapped it before the load, which then was the fault.
  if (!word.region->live()) return Failure::of(Reason::kClosed);
  return lost ? Failure::of(Reason::kFault) : Failure{};
}

Result<Outcome> wait(const Word& word, uint32_t value, int64_t deadline) {
  RegionUse use(*word.region);
  if (!use) return Failure::of(Reason::kClosed);
  for (bool slept = false;; slept = true) {
    const Failure failure = check(word);
    if (failure) return failure;
    // Once asleep, a changed value means a wake that came while we looked up.
    if (load(word) != value) return slept ? Outcome::kOk : Outcome::kNotEqual;
    const int64_t now = memmap_now();
    if (now >= deadline) return Outcome::kTimedOut;
    const timespec until = memmap_timespec(std::min(deadline, now + kLookUp));
    const int error = memmap_wait(word.pointer(), value, &until);
    if (error == 0) return Outcome::kOk;
    if (error != EAGAIN && error != ETIMEDOUT && error != EINTR && error != EFAULT) {
      return Failure::system(error, "futex");
    }
  }
}

Result<int> notify(const Word& word, int count) {
  RegionUse use(*word.region);
  if (!use) return Failure::of(Reason::kClosed);
  const Failure failure = check(word);
  if (failure) return failure;
  const int woken = waiters::notify(word, count);
  if (woken >= 0) return woken;
  const int error = errno;
  // Another thread may have unmapped it since the check: the kernel then calls it EFAULT.
  return word.region->live() ? Failure::system(error, "futex") : Failure::of(Reason::kClosed);
}

}  // namespace memmap::futex
