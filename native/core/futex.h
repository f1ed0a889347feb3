// Waiting and waking on a word of a shared region: futex(2), without FUTEX_PRIVATE, so that the kernel
// finds the word by its file and offset and sleepers of all processes meet.
//
// The words of these functions lie in a region that is MAP_SHARED: on a private page nobody would ever
// wake anybody, and the callers refuse it first. The same goes for a page that the guard has replaced:
// kFault, instead of a wait for ever.
#pragma once

#include <cstdint>
#include <memory>

#include "core/region.h"
#include "core/result.h"

namespace memmap {

struct Word {
  std::shared_ptr<Region> region;
  uintptr_t address = 0;
  const uint32_t* pointer() const { return reinterpret_cast<const uint32_t*>(address); }
};

// As the binding hands them on, so the order is known to sync.ts.
enum class Outcome : int { kOk, kNotEqual, kTimedOut, kClosed, kFault };

namespace futex {

constexpr int64_t kForever = INT64_MAX;

// Now and `milliseconds` later on CLOCK_MONOTONIC, in nanoseconds; negative is for ever.
int64_t deadline_after(double milliseconds);

// Whether the word can be waited on. Reads it, so that a page that is gone is found now.
Failure check(const Word& word);

// Sleeps while the word has the value. A failure: kClosed or kFault, also when that happens meanwhile.
Result<Outcome> wait(const Word& word, uint32_t value, int64_t deadline);

// Wakes at most `count`; how many.
Result<int> notify(const Word& word, int count);

}  // namespace futex
}  // namespace memmap
