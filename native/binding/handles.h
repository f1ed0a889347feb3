// Native objects behind JavaScript ones. A handle is an External: its pointer is read without a look-up by
// property, which a wrapped and tagged object costs twice for each call (a third of a slide()). Any add-on can
// make an External with any pointer, so a pointer is followed only if it is among those that this environment
// has given out, with the kind it was given out as.
#pragma once

#include <memory>
#include <unordered_map>
#include <utility>

#include "binding/env_state.h"

namespace memmap::binding {

// Its address is its identity.
struct HandleKind {
  const char* name;
};

inline constexpr HandleKind kMappingHandle = {"mapping"};
inline constexpr HandleKind kFlushHandle = {"flush"};
inline constexpr HandleKind kMutexHandle = {"mutex"};

template <class T>
struct HeldByHandle {
  T native;
  std::shared_ptr<GivenHandles> given;  // a finalizer may run when the environment's state is gone
};

template <class T>
napi_value wrap(napi_env env, const HandleKind& kind, T native) {
  EnvState* state = EnvState::of(env);
  if (state == nullptr) return nullptr;
  auto* held = new HeldByHandle<T>{std::move(native), state->given};
  const auto finalize = [](napi_env, void* data, void*) {
    auto* mine = static_cast<HeldByHandle<T>*>(data);
    mine->given->erase(data);
    delete mine;
  };
  napi_value object = nullptr;
  if (napi_create_external(env, held, finalize, nullptr, &object) != napi_ok) {
    delete held;
    return nullptr;
  }
  state->given->emplace(held, &kind);
  return object;
}

// Null when the value is no such handle. Lives as long as the handle, so until the call returns whose argument
// it is.
template <class T>
T* unwrap(napi_env env, const HandleKind& kind, napi_value value) {
  void* data = nullptr;
  // Of anything else than an External it is an error.
  if (value == nullptr || napi_get_value_external(env, value, &data) != napi_ok) return nullptr;
  const EnvState* state = EnvState::of(env);
  if (state == nullptr) return nullptr;
  const auto known = state->given->find(data);
  if (known == state->given->end() || known->second != &kind) return nullptr;
  return &static_cast<HeldByHandle<T>*>(data)->native;
}

}  // namespace memmap::binding
