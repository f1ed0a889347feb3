// The one place where a Failure of core/ becomes a JavaScript error. The error itself is made in
// errors.ts, where its message and code stand beside all the others.
#pragma once

#include <string>

#include "binding/napi_help.h"
#include "core/result.h"

namespace memmap::binding {

// Null when the environment is going away. `path` may be empty.
napi_value make_error(napi_env env, const Failure& failure, const std::string& path = {});
// Throws it; returns null, so that a function can end with it.
napi_value raise(napi_env env, const Failure& failure, const std::string& path = {});
// A wrong argument that TypeScript did not catch: somebody called the add-on directly.
napi_value raise_argument(napi_env env, const char* what);

}  // namespace memmap::binding
