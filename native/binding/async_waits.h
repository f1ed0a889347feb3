// The waits of one environment that block nothing.
#pragma once

#include <mutex>
#include <utility>
#include <vector>

#include "binding/napi_help.h"
#include "core/waiters.h"

namespace memmap::binding {

class AsyncWaits : public waiters::Owner {
 public:
  // `callback` is called with the id of a wait and its Outcome, once for each wait.
  bool listen(napi_env env, napi_value callback);
  Result<uint64_t> start(const Word& word, uint32_t value, int64_t deadline);
  // Whether the environment's event loop goes on for them.
  void ref(napi_env env, bool on);
  void settled(uint64_t id, Outcome outcome) override;

 private:
  static void report(napi_env env, napi_value callback, void* context, void*);
  static void detach(void* data);  // the environment's cleanup hook

  napi_threadsafe_function function_ = nullptr;
  std::mutex mutex_;
  std::vector<std::pair<uint64_t, Outcome>> settled_;
};

}  // namespace memmap::binding
