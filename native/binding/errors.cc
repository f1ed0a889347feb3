#include "binding/errors.h"

#include "binding/env_state.h"

namespace memmap::binding {

napi_value make_error(napi_env env, const Failure& failure, const std::string* path) {
  EnvState* state = EnvState::of(env);
  if (state == nullptr || state->make_error == nullptr) return nullptr;
  napi_value maker = nullptr;
  napi_value undefined = nullptr;
  napi_value error = nullptr;
  if (napi_get_reference_value(env, state->make_error, &maker) != napi_ok || maker == nullptr) {
    return nullptr;
  }
  if (napi_get_undefined(env, &undefined) != napi_ok) return nullptr;
  napi_value arguments[5] = {
      make_number(env, static_cast<int>(failure.reason)),
      make_number(env, failure.error),
      make_string(env, failure.syscall),
      make_string(env, failure.detail),
      path == nullptr ? undefined : make_string(env, path->c_str()),
  };
  for (napi_value argument : arguments) {
    if (argument == nullptr) return nullptr;
  }
  if (napi_call_function(env, undefined, maker, 5, arguments, &error) != napi_ok) return nullptr;
  return error;
}

napi_value raise(napi_env env, const Failure& failure, const std::string* path) {
  bool pending = false;
  napi_value error = make_error(env, failure, path);
  if (error != nullptr) {
    napi_throw(env, error);
  } else if (napi_is_exception_pending(env, &pending) == napi_ok && !pending) {
    napi_throw_error(env, nullptr, failure.syscall);
  }
  return nullptr;
}

napi_value raise_argument(napi_env env, const char* what) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", what);
  return nullptr;
}

}  // namespace memmap::binding
