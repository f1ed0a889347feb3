// The waits of one environment that block nothing. While there are any they keep the environment's event
// loop alive, as timers do.
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
  Result<uint64_t> start(napi_env env, const Word& word, uint32_t value, int64_t deadline);
  // True: the callback will not be called.
  bool cancel(napi_env env, uint64_t id);
  void settled(uint64_t id, Outcome outcome) override;

 private:
  static void report(napi_env env, napi_value callback, void* context, void*);
  static void detach(void* data);  // the environment's cleanup hook
  void ended(napi_env env);

  napi_threadsafe_function function_ = nullptr;
  int pending_ = 0;  // on the environment's own thread only
  std::mutex mutex_;
  std::vector<std::pair<uint64_t, Outcome>> settled_;
};

}  // namespace memmap::binding
