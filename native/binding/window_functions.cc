#include "binding/exposure.h"
#include "binding/functions.h"
#include "binding/mapping_handle.h"

namespace memmap::binding {

// (handle, length)
napi_value resize(napi_env env, napi_callback_info info) {
  Arguments<2> arg(env, info);
  auto* mapping = arg.ok ? mapping_of(env, arg[0]) : nullptr;
  uint64_t length = 0;
  if (mapping == nullptr) return nullptr;
  if (!to_size(env, arg[1], kMaxBytes, &length)) return raise_argument(env, "length");
  const bool shrinks = length < mapping->length();
  auto replaced = mapping->resize(length);
  if (!replaced.ok()) return raise(env, replaced.failure());
  const auto region = mapping->region();
  if (shrinks && region != nullptr) detach_all(env, *region);
  if (replaced.value() == nullptr) {
    return nullptr;
  }
  detach_all(env, *replaced.value());
  const Failure failure = replaced.value()->retire();
  return failure ? raise(env, failure) : nullptr;
}

// (handle, offset) -> bytes before the end of the file
napi_value slide(napi_env env, napi_callback_info info) {
  Arguments<2> arg(env, info);
  auto* mapping = arg.ok ? mapping_of(env, arg[0]) : nullptr;
  uint64_t offset = 0;
  if (mapping == nullptr) return nullptr;
  if (!to_size(env, arg[1], kMaxBytes, &offset)) return raise_argument(env, "offset");
  auto bytes = mapping->slide(offset);
  if (!bytes.ok()) return raise(env, bytes.failure());
  return make_number(env, static_cast<double>(bytes.value()));
}

// (handle) -> bytes before the end of the file
napi_value refresh(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  auto* mapping = arg.ok ? mapping_of(env, arg[0]) : nullptr;
  if (mapping == nullptr) return nullptr;
  auto bytes = mapping->refresh();
  if (!bytes.ok()) return raise(env, bytes.failure());
  return make_number(env, static_cast<double>(bytes.value()));
}

}  // namespace memmap::binding
