// What core/ returns: a value, or the reason there is none. Turning that into a JavaScript error is
// the work of one file in binding/; core/ knows neither JavaScript nor Node.
#pragma once

#include <utility>

namespace memmap {

enum class Reason : int {
  kNone,
  kSystemCall,   // `error` and `syscall` say which
  kClosed,       // the mapping was unmapped
  kAccess,       // the mapping's access does not allow it
  kFault,        // pages were lost to a fault; they are not the file's until refreshed
  kPoisoned,     // a sync failed before; `error` is that failure
  kOutOfRange,   // an offset or length outside the file or the mapping
  kUnavailable,  // this machine or runtime cannot
};

struct Failure {
  Reason reason = Reason::kNone;
  int error = 0;             // errno, positive
  const char* syscall = "";  // a string literal
  const char* detail = "";   // a string literal, for the reasons that are not system calls

  explicit operator bool() const { return reason != Reason::kNone; }

  static Failure system(int error, const char* syscall) {
    return {Reason::kSystemCall, error, syscall, ""};
  }
  static Failure of(Reason reason, const char* detail = "") { return {reason, 0, "", detail}; }
};

template <class T>
class Result {
 public:
  Result(T value) : value_(std::move(value)) {}   // NOLINT(google-explicit-constructor)
  Result(Failure failure) : failure_(failure) {}  // NOLINT(google-explicit-constructor)
  bool ok() const { return !failure_; }
  const Failure& failure() const { return failure_; }
  T& value() { return value_; }

 private:
  T value_{};
  Failure failure_;
};

}  // namespace memmap
