// The JavaScript handle of a Mapping, and how the functions read their arguments.
#pragma once

#include <array>
#include <memory>

#include "binding/errors.h"
#include "binding/napi_help.h"
#include "core/mapping.h"

namespace memmap::binding {

inline constexpr napi_type_tag kMappingTag = {0x6d656d6d61700001, 0x8f1d0c3e5ab94276};
inline constexpr napi_type_tag kFlushTag = {0x6d656d6d61700002, 0x1c7e9d5542f0ab38};

template <size_t N>
struct Arguments {
  std::array<napi_value, N> value{};
  bool ok = false;
  Arguments(napi_env env, napi_callback_info info) {
    size_t count = N;
    ok = napi_get_cb_info(env, info, &count, value.data(), nullptr, nullptr) == napi_ok;
  }
  napi_value operator[](size_t index) const { return value[index]; }
};

// Null with an exception pending when the argument is no handle of ours.
inline std::shared_ptr<Mapping> mapping_of(napi_env env, napi_value handle) {
  auto mapping = unwrap<Mapping>(env, kMappingTag, handle);
  if (mapping == nullptr) raise_argument(env, "not a mapping's handle");
  return mapping;
}

// A new handle for a mapping made in this environment.
napi_value make_handle(napi_env env, std::shared_ptr<Mapping> mapping);

}  // namespace memmap::binding
