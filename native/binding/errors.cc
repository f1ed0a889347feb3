#include "binding/errors.h"

#include "binding/env_state.h"

namespace memmap::binding {

namespace {

// By errors.ts. Null with an exception pending, or when the environment is going away.
napi_value ask_maker(napi_env env, const Failure& failure, const std::string* path) {
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

}  // namespace

napi_value make_error(napi_env env, const Failure& failure, const std::string* path) {
  napi_value error = ask_maker(env, failure, path);
  if (error != nullptr) return error;
  // A promise must settle, and an exception in the completion of work on the pool would end the process:
  // what the maker has thrown is the error then.
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) != napi_ok) return nullptr;
  if (pending) {
    return napi_get_and_clear_last_exception(env, &error) == napi_ok ? error : nullptr;
  }
  napi_value text = make_string(env, *failure.syscall != '\0' ? failure.syscall : failure.detail);
  if (text == nullptr || napi_create_error(env, nullptr, text, &error) != napi_ok) return nullptr;
  return error;
}

napi_value raise(napi_env env, const Failure& failure, const std::string* path) {
  napi_value error = make_error(env, failure, path);
  if (error != nullptr) napi_throw(env, error);
  return nullptr;
}

napi_value raise_argument(napi_env env, const char* what) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", what);
  return nullptr;
}

}  // namespace memmap::binding
