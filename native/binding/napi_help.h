// The thin layer over Node-API that the binding is written in.
//
// Calls of Node-API fail while a worker terminates, so every status is looked at; what cannot be done
// then is left undone, and the caller's empty value tells it. node-addon-api's own wrappers are used for
// the module and its functions only: on an unexpected status some of them end the process.
#pragma once

#include <napi.h>

#include <cmath>
#include <cstdint>
#include <string>

namespace memmap::binding {

// Numbers from JavaScript are checked in TypeScript with friendly messages, and here for safety.
inline bool to_double(napi_env env, napi_value value, double* out) {
  return value != nullptr && napi_get_value_double(env, value, out) == napi_ok;
}

// A whole number from 0 to `max`.
inline bool to_size(napi_env env, napi_value value, uint64_t max, uint64_t* out) {
  double number = 0;
  if (!to_double(env, value, &number)) return false;
  if (!(number >= 0) || number > static_cast<double>(max)) return false;
  const uint64_t whole = static_cast<uint64_t>(number);
  if (static_cast<double>(whole) != number) return false;
  *out = whole;
  return true;
}

inline bool to_int(napi_env env, napi_value value, int* out) {
  double number = 0;
  if (!to_double(env, value, &number)) return false;
  if (!(number >= INT32_MIN && number <= INT32_MAX) || number != std::floor(number)) return false;
  *out = static_cast<int>(number);
  return true;
}

inline napi_valuetype type_of(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  if (value == nullptr || napi_typeof(env, value, &type) != napi_ok) return napi_undefined;
  return type;
}

// A string, or the bytes of a Buffer; without NUL bytes, which would cut a path short in silence.
inline bool to_path(napi_env env, napi_value value, std::string* out) {
  bool is_buffer = false;
  if (type_of(env, value) == napi_string) {
    // Most fit here; one that fills it may have been cut.
    char text[512];
    size_t length = 0;
    if (napi_get_value_string_utf8(env, value, text, sizeof(text), &length) != napi_ok)
      return false;
    if (length < sizeof(text) - 4) {
      out->assign(text, length);
    } else {
      if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) return false;
      out->resize(length);
      if (napi_get_value_string_utf8(env, value, out->data(), length + 1, &length) != napi_ok) {
        return false;
      }
    }
  } else if (napi_is_buffer(env, value, &is_buffer) == napi_ok && is_buffer) {
    void* data = nullptr;
    size_t length = 0;
    if (napi_get_buffer_info(env, value, &data, &length) != napi_ok) return false;
    out->assign(static_cast<char*>(data), length);
  } else {
    return false;
  }
  return out->find('\0') == std::string::npos;
}

inline napi_value make_number(napi_env env, double number) {
  napi_value value = nullptr;
  return napi_create_double(env, number, &value) == napi_ok ? value : nullptr;
}

inline napi_value make_bool(napi_env env, bool truth) {
  napi_value value = nullptr;
  return napi_get_boolean(env, truth, &value) == napi_ok ? value : nullptr;
}

inline napi_value make_string(napi_env env, const char* text) {
  napi_value value = nullptr;
  return napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value) == napi_ok ? value : nullptr;
}

inline void set_number(napi_env env, napi_value object, const char* name, double number) {
  napi_value value = make_number(env, number);
  if (value != nullptr) napi_set_named_property(env, object, name, value);
}

// Calls from the event loop, not from JavaScript: what the function throws is an uncaught exception.
inline void call_back(napi_env env, napi_value function, size_t count,
                      const napi_value* arguments) {
  napi_value undefined = nullptr;
  if (napi_get_undefined(env, &undefined) != napi_ok) return;
  if (napi_call_function(env, undefined, function, count, arguments, nullptr) !=
      napi_pending_exception) {
    return;
  }
  napi_value error = nullptr;
  if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
}

}  // namespace memmap::binding
