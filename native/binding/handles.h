// Native objects behind JavaScript ones, which wrap them. Any add-on can wrap any pointer, so a pointer is followed
// only if it is that of a slot which this environment has given out, as what it was given out for: that costs less than
// a type tag, a second look-up by property in each call. (An External would need no look-up. Its memory is lost in
// Node 20 when a worker ends, and Bun does not tell of it then.)
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "binding/env_state.h"

namespace memmap::binding {

// Its address is its identity.
struct HandleKind {
  const char* name;
};

inline constexpr HandleKind kMappingHandle = {"mapping"};
inline constexpr HandleKind kFlushHandle = {"flush"};
inline constexpr HandleKind kMutexHandle = {"mutex"};

// Room for what handles stand for, in chunks: a pointer is known by the chunk that it lies in, and a slot that was
// given back is the next to be taken, while it is in the processor's cache. Only used on the environment's thread.
class HandleTable {
 public:
  struct Slot {
    const HandleKind* kind = nullptr;  // null: free
    Slot* next_free = nullptr;
    alignas(std::max_align_t) unsigned char content[96];
  };

  Slot* take();
  Slot* find(const void* pointer, const HandleKind& kind);
  void give_back(Slot* slot);
  // The environment has ended; finalizers may still come. Deletes the table with the last of them.
  void leave();

 private:
  static constexpr size_t kSlots = 64;
  using Chunks = std::vector<std::unique_ptr<Slot[]>>;
  // The first chunk that lies behind a place.
  Chunks::iterator behind(const void* place);
  Chunks chunks_;  // by address
  Slot* free_ = nullptr;
  size_t taken_ = 0;
  bool left_ = false;
};

template <class T>
napi_value wrap(napi_env env, const HandleKind& kind, T native) {
  static_assert(sizeof(T) <= sizeof(HandleTable::Slot::content));
  EnvState* state = EnvState::of(env);
  if (state == nullptr) return nullptr;
  HandleTable::Slot* slot = state->handles->take();
  auto* held = new (slot->content) T(std::move(native));
  const auto finalize = [](napi_env, void* data, void* table) {
    auto* mine = static_cast<HandleTable::Slot*>(data);
    std::launder(reinterpret_cast<T*>(mine->content))->~T();
    static_cast<HandleTable*>(table)->give_back(mine);
  };
  napi_value object = nullptr;
  if (napi_create_object(env, &object) != napi_ok ||
      napi_wrap(env, object, slot, finalize, state->handles, nullptr) != napi_ok) {
    held->~T();
    state->handles->give_back(slot);
    return nullptr;
  }
  slot->kind = &kind;
  return object;
}

// Null when the value is no such handle. Lives as long as the handle, so until the call returns whose argument
// it is.
template <class T>
T* unwrap(napi_env env, const HandleKind& kind, napi_value value) {
  void* data = nullptr;
  // Of anything else than an object it is an error, without an exception.
  if (value == nullptr || napi_unwrap(env, value, &data) != napi_ok) return nullptr;
  const EnvState* state = EnvState::of(env);
  HandleTable::Slot* slot = state == nullptr ? nullptr : state->handles->find(data, kind);
  return slot == nullptr ? nullptr : std::launder(reinterpret_cast<T*>(slot->content));
}

}  // namespace memmap::binding
