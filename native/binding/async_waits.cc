#include "binding/async_waits.h"

#include <algorithm>

namespace memmap::binding {

bool AsyncWaits::listen(napi_env env, napi_value callback) {
  if (function_ != nullptr) return true;
  napi_value name = make_string(env, "memmap:waits");
  if (name == nullptr ||
      napi_create_threadsafe_function(env, callback, nullptr, name, 0, 1, nullptr, nullptr, this,
                                      report, &function_) != napi_ok) {
    function_ = nullptr;
    return false;
  }
  napi_unref_threadsafe_function(env, function_);
  // Added after the thread-safe function was made, so it runs before that one's own cleanup does.
  napi_add_env_cleanup_hook(env, detach, this);
  return true;
}

Result<uint64_t> AsyncWaits::start(const Word& word, uint32_t value, int64_t deadline) {
  if (function_ == nullptr) return Failure::of(Reason::kClosed);
  return waiters::start(this, word, value, deadline);
}

void AsyncWaits::ref(napi_env env, bool on) {
  if (function_ == nullptr) return;
  if (on) {
    napi_ref_threadsafe_function(env, function_);
  } else {
    napi_unref_threadsafe_function(env, function_);
  }
}

void AsyncWaits::settled(uint64_t id, Outcome outcome) {
  std::lock_guard<std::mutex> held(mutex_);
  settled_.emplace_back(id, outcome);
  // One call reports all that there are by then.
  if (settled_.size() == 1) {
    napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
  }
}

void AsyncWaits::report(napi_env env, napi_value callback, void* context, void*) {
  if (env == nullptr || callback == nullptr) return;  // the environment is going away
  auto* waits = static_cast<AsyncWaits*>(context);
  std::vector<std::pair<uint64_t, Outcome>> settled;
  {
    std::lock_guard<std::mutex> held(waits->mutex_);
    settled.swap(waits->settled_);
  }
  // Who was woken together is told in the order in which they came.
  std::sort(settled.begin(), settled.end());
  for (const auto& [id, outcome] : settled) {
    const napi_value arguments[2] = {make_number(env, static_cast<double>(id)),
                                     make_number(env, static_cast<int>(outcome))};
    if (arguments[0] == nullptr || arguments[1] == nullptr) return;
    call_back(env, callback, 2, arguments);
  }
}

void AsyncWaits::detach(void* data) {
  auto* waits = static_cast<AsyncWaits*>(data);
  waiters::forget(waits);
  napi_release_threadsafe_function(waits->function_, napi_tsfn_abort);
  waits->function_ = nullptr;
}

}  // namespace memmap::binding
