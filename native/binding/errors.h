// The one place where a Failure of core/ becomes a JavaScript error. The error itself is made in
// errors.ts, where its message and code stand beside all the others.
#pragma once

#include <string>

#include "binding/napi_help.h"
#include "core/result.h"

namespace memmap::binding {

// Null when the environment is going away. `path`: of the file that the call was given, if it was one;
// an empty path is a path too.
napi_value make_error(napi_env env, const Failure& failure, const std::string* path = nullptr);
// Throws it; returns null, so that a function can end with it.
napi_value raise(napi_env env, const Failure& failure, const std::string* path = nullptr);
// A wrong argument that TypeScript did not catch: somebody called the add-on directly.
napi_value raise_argument(napi_env env, const char* what);

}  // namespace memmap::binding
