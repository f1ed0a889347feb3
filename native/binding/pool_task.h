// Work that takes long, on a thread of the runtime's pool, as a promise.
#pragma once

#include <functional>

#include "binding/napi_help.h"
#include "core/result.h"

namespace memmap::binding {

// The promise resolves when `work` returns no failure. `work` owns what it uses. Null when the environment
// is going away.
napi_value run_on_pool(napi_env env, const char* name, std::function<Failure()> work);

}  // namespace memmap::binding
