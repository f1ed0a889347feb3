// Native objects behind JavaScript ones, their owners: they live until the owner is collected. In calls the number of
// the slot stands for it, since to look up what an object wraps is a third of a small call; the owner itself does as
// well, where it is to be seen that it lives. What it wraps is the number too: that of another add-on's object is a
// pointer, which must not be followed. Only a slot that this environment has given out is used, as what it was given
// out for. (An External is as fast. Its memory is lost in Node 20 when a worker ends, and Bun does not tell of it then.)
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "binding/env_state.h"
#include "binding/errors.h"
#include "binding/napi_help.h"

namespace memmap::binding {

// Its address is its identity.
struct HandleKind {
  const char* name;
};

inline constexpr HandleKind kMappingHandle = {"mapping"};
inline constexpr HandleKind kFlushHandle = {"flush"};
inline constexpr HandleKind kMutexHandle = {"mutex"};

// Room for what handles stand for, in chunks that stay where they are. A slot that was given back is the next to be
// taken, while it is in the processor's cache. Only used on the environment's thread.
class HandleTable {
 public:
  struct Slot {
    const HandleKind* kind = nullptr;  // null: free
    Slot* next_free = nullptr;
    size_t number = 0;
    alignas(std::max_align_t) unsigned char content[96];
  };

  Slot* take();
  Slot& at(size_t number) const { return chunks_[number / kSlots][number % kSlots]; }
  // Null when there is none of that number, or it is none of that kind.
  Slot* find(double number, const HandleKind& kind) const;
  void give_back(Slot& slot);
  // The number as what an object wraps, which must not be null.
  static void* pointer_of(size_t number) { return reinterpret_cast<void*>(number + 1); }
  static size_t number_of(void* pointer) { return reinterpret_cast<uintptr_t>(pointer) - 1; }
  // The environment has ended; finalizers may still come. Deletes the table with the last of them.
  void leave();

 private:
  static constexpr size_t kSlots = 64;
  std::vector<std::unique_ptr<Slot[]>> chunks_;
  Slot* free_ = nullptr;
  size_t taken_ = 0;
  bool left_ = false;
};

// The number of a new handle. Null, perhaps with an exception pending, when it cannot be made.
template <class T>
napi_value wrap(napi_env env, napi_value owner, const HandleKind& kind, T native) {
  static_assert(sizeof(T) <= sizeof(HandleTable::Slot::content));
  EnvState* state = EnvState::of(env);
  if (state == nullptr) return nullptr;
  HandleTable::Slot* slot = state->handles->take();
  auto* held = new (slot->content) T(std::move(native));
  const auto finalize = [](napi_env, void* data, void* hint) {
    auto* table = static_cast<HandleTable*>(hint);
    HandleTable::Slot& mine = table->at(HandleTable::number_of(data));
    std::launder(reinterpret_cast<T*>(mine.content))->~T();
    table->give_back(mine);
  };
  const napi_status status = owner == nullptr
                                 ? napi_object_expected
                                 : napi_wrap(env, owner, HandleTable::pointer_of(slot->number),
                                             finalize, state->handles, nullptr);
  if (status != napi_ok) {
    held->~T();
    state->handles->give_back(*slot);
    // No object, or one that owns something already.
    const bool wrong = status == napi_object_expected || status == napi_invalid_arg;
    return wrong ? raise_argument(env, "owner: an object that owns nothing") : nullptr;
  }
  slot->kind = &kind;
  return make_number(env, static_cast<double>(slot->number));
}

// Null when the value is neither a handle's number nor its owner. Lives as long as the owner; after what may collect
// (whatever makes a JavaScript value) it is not to be used in a call that was given the number.
template <class T>
T* unwrap(napi_env env, const HandleKind& kind, napi_value value) {
  const EnvState* state = EnvState::of(env);
  if (state == nullptr || value == nullptr) return nullptr;
  double number = 0;
  if (!to_double(env, value, &number)) {
    void* data = nullptr;
    // Of anything else than an object it is an error, without an exception.
    if (napi_unwrap(env, value, &data) != napi_ok) return nullptr;
    number = static_cast<double>(HandleTable::number_of(data));
  }
  HandleTable::Slot* slot = state->handles->find(number, kind);
  return slot == nullptr ? nullptr : std::launder(reinterpret_cast<T*>(slot->content));
}

}  // namespace memmap::binding
