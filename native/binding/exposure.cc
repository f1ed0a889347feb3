#include "binding/exposure.h"

#include <vector>

#include "binding/errors.h"

namespace memmap::binding {

// Two holds on the region: see region.h. It is deleted when both have been dropped.
struct Exposure {
  std::shared_ptr<EnvState> state;
  std::shared_ptr<Region> region;
  const void* data = nullptr;
  uint64_t maker = 0;
  Exposures::iterator in_data;
  Exposures::iterator in_region;
  napi_ref object = nullptr;  // weak
  bool object_holds = true;
  bool store_holds = true;
  bool detached = false;    // by us: the backing store went nowhere else
  bool for_others = false;  // its environment has ended, its backing store perhaps not
};

namespace {

using Index = std::unordered_map<const void*, Exposures>;

Exposures::iterator add_to(Index& index, const void* key, Exposure* exposure) {
  Exposures& list = index[key];
  return list.insert(list.end(), exposure);
}

void erase_from(Index& index, const void* key, Exposures::iterator place) {
  const auto found = index.find(key);
  found->second.erase(place);
  if (found->second.empty()) index.erase(found);
}

void drop(Exposure* exposure, bool Exposure::* hold) {
  exposure->*hold = false;
  exposure->region->drop_hold();
  if (exposure->object_holds || exposure->store_holds) return;
  erase_from(exposure->state->by_data, exposure->data, exposure->in_data);
  erase_from(exposure->state->by_region, exposure->region.get(), exposure->in_region);
  delete exposure;
}

void object_collected(napi_env env, void*, void* hint) {
  auto* exposure = static_cast<Exposure*>(hint);
  if (exposure->object != nullptr) napi_delete_reference(env, exposure->object);
  exposure->object = nullptr;
  drop(exposure, &Exposure::object_holds);
}

void backing_store_freed(napi_env, void*, void* hint) {
  auto* exposure = static_cast<Exposure*>(hint);
  if (!exposure->for_others) drop(exposure, &Exposure::store_holds);
}

enum class Whereabouts { kHere, kMoved, kUnknown };

// Of the exposure's backing store. A transfer() or a stream may have moved it to another ArrayBuffer, and
// that may have been posted to another thread.
Whereabouts whereabouts(napi_env env, const Exposure& exposure) {
  if (exposure.detached) return Whereabouts::kHere;
  napi_value buffer = nullptr;
  bool moved = true;
  if (exposure.object == nullptr ||
      napi_get_reference_value(env, exposure.object, &buffer) != napi_ok || buffer == nullptr ||
      napi_is_detached_arraybuffer(env, buffer, &moved) != napi_ok) {
    return Whereabouts::kUnknown;  // the buffer has been collected, its store perhaps not
  }
  return moved ? Whereabouts::kMoved : Whereabouts::kHere;
}

// The environment ends. What has moved may be in use in another thread from here on, and nobody will tell
// when that ends: the region is kept for it. Where it is not known, its addresses are.
void keep_moved(napi_env env, EnvState& state) {
  for (const auto& entry : state.by_region) {
    int unknown = 0;
    bool moved = false;
    for (Exposure* exposure : entry.second) {
      if (!exposure->store_holds) continue;
      const Whereabouts where = whereabouts(env, *exposure);
      exposure->for_others = where != Whereabouts::kHere;
      moved = moved || where == Whereabouts::kMoved;
      unknown += where == Whereabouts::kUnknown;
    }
    const auto& region = entry.second.front()->region;
    if (unknown != 0 && !moved) region->abandon(unknown);
  }
}

// What the runtime frees first when an environment ends: it then reports every backing store that was made
// there as freed, newest first, whether it is or not.
struct Sentinel {
  std::shared_ptr<EnvState> state;
  uint64_t number;
};

void sentinel_freed(napi_env env, void*, void* hint) {
  const std::unique_ptr<Sentinel> sentinel(static_cast<Sentinel*>(hint));
  // An older one was collected; the newest is referred to, and is freed by the end alone.
  if (sentinel->number != sentinel->state->newest_sentinel) return;
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  keep_moved(env, *sentinel->state);
  napi_close_handle_scope(env, scope);
}

// After each buffer: the sentinel is to be the newest.
void post_sentinel(napi_env env, EnvState* state) {
  static char byte;  // what it is over; nobody looks at it
  napi_value buffer = nullptr;
  napi_ref reference = nullptr;
  auto* sentinel = new Sentinel{state->shared_from_this(), state->newest_sentinel + 1};
  if (napi_create_external_arraybuffer(env, &byte, 1, sentinel_freed, sentinel, &buffer) !=
          napi_ok ||
      napi_create_reference(env, buffer, 1, &reference) != napi_ok) {
    return;  // whether it was freed is not known
  }
  if (state->sentinel != nullptr) napi_delete_reference(env, state->sentinel);
  state->sentinel = reference;
  state->newest_sentinel++;
}

}  // namespace

napi_value expose(napi_env env, const std::shared_ptr<Region>& region, uintptr_t address,
                  size_t length, uint64_t maker) {
  EnvState* state = EnvState::of(env);
  if (state == nullptr) return nullptr;
  if (length > state->max_buffer) {
    // Before the call: past its limit Node 20 runs the finalizer and fails as well.
    return raise(
        env, Failure::of(Reason::kUnavailable, "larger than this runtime's largest ArrayBuffer"));
  }
  if (address < region->base() || address + length > region->base() + region->length()) {
    return raise(env, Failure::of(Reason::kOutOfRange, "outside the mapping"));
  }
  if (!region->hold(2)) return raise(env, Failure::of(Reason::kClosed));
  auto* exposure = new Exposure;
  exposure->state = state->shared_from_this();
  exposure->region = region;
  exposure->maker = maker;
  exposure->data = reinterpret_cast<void*>(address);
  exposure->in_data = add_to(state->by_data, exposure->data, exposure);
  exposure->in_region = add_to(state->by_region, region.get(), exposure);

  napi_value buffer = nullptr;
  const napi_status made = napi_create_external_arraybuffer(
      env, reinterpret_cast<void*>(address), length, backing_store_freed, exposure, &buffer);
  if (made != napi_ok) {
    // Whether the finalizer has run, or will, depends on how far the runtime got. The hold that is
    // its to drop stays: an address that is never given back is better than one given back twice.
    drop(exposure, &Exposure::object_holds);
    if (made == napi_no_external_buffers_allowed) {
      return raise(env, Failure::of(Reason::kUnavailable,
                                    "this runtime allows no ArrayBuffer over memory of others"));
    }
    return raise(env, Failure::of(Reason::kUnavailable, "the runtime refused the ArrayBuffer"));
  }
  if (napi_add_finalizer(env, buffer, nullptr, object_collected, exposure, nullptr) != napi_ok) {
    // Nobody has seen the object yet: it goes, and its hold with it.
    napi_detach_arraybuffer(env, buffer);
    exposure->detached = true;
    drop(exposure, &Exposure::object_holds);
    return nullptr;
  }
  if (napi_create_reference(env, buffer, 0, &exposure->object) != napi_ok) {
    exposure->object = nullptr;  // it can not be detached then; its pages are retired all the same
  }
  if (state->ends_first) post_sentinel(env, state);
  return buffer;
}

void detach_all(napi_env env, const Region& region, uint64_t maker) {
  EnvState* state = EnvState::of(env);
  if (state == nullptr) return;
  // Collected first: a runtime that runs finalizers at the detach takes entries out of the map.
  std::vector<napi_ref> objects;
  const auto exposures = state->by_region.find(&region);
  if (exposures == state->by_region.end()) return;
  for (Exposure* exposure : exposures->second) {
    if (maker != 0 && exposure->maker != maker) continue;
    if (exposure->object == nullptr) continue;
    exposure->detached = whereabouts(env, *exposure) == Whereabouts::kHere;
    objects.push_back(exposure->object);
  }
  for (napi_ref object : objects) {
    napi_value buffer = nullptr;
    if (napi_get_reference_value(env, object, &buffer) != napi_ok || buffer == nullptr) continue;
    napi_detach_arraybuffer(env, buffer);
  }
}

void detach_moved(napi_env env, napi_value buffer, const std::shared_ptr<Region>& region) {
  bool detached = true;
  if (napi_is_detached_arraybuffer(env, buffer, &detached) != napi_ok || detached) return;
  // The detach frees the backing store. I/O in flight keeps the object, and the addresses are held until
  // that is collected, as for the buffers that we made.
  if (!region->hold_longer()) return;
  const auto collected = [](napi_env, void* data, void*) {
    auto* held = static_cast<std::shared_ptr<Region>*>(data);
    (*held)->drop_hold();
    delete held;
  };
  auto* held = new std::shared_ptr<Region>(region);
  if (napi_add_finalizer(env, buffer, held, collected, nullptr, nullptr) != napi_ok) {
    collected(env, held, nullptr);
    return;
  }
  napi_detach_arraybuffer(env, buffer);
}

namespace {

// Of a view the runtime tells where its bytes are, over a SharedArrayBuffer too, which Node-API does not
// take for an ArrayBuffer.
bool bytes_of(napi_env env, napi_value value, void** data, size_t* offset, size_t* length,
              bool* whole_buffer) {
  bool yes = false;
  if (napi_is_arraybuffer(env, value, &yes) == napi_ok && yes) {
    *whole_buffer = true;
    return napi_get_arraybuffer_info(env, value, data, length) == napi_ok;
  }
  if (napi_is_typedarray(env, value, &yes) == napi_ok && yes) {
    napi_typedarray_type type = napi_uint8_array;
    size_t count = 0;
    if (napi_get_typedarray_info(env, value, &type, &count, data, nullptr, offset) != napi_ok) {
      return false;
    }
    static constexpr size_t kSizes[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
    const size_t index = static_cast<size_t>(type);
    // A type that came after (Float16Array): two bytes.
    *length = count * (index < sizeof(kSizes) / sizeof(*kSizes) ? kSizes[index] : 2);
    return true;
  }
  return napi_is_dataview(env, value, &yes) == napi_ok && yes &&
         napi_get_dataview_info(env, value, length, data, nullptr, offset) == napi_ok;
}

}  // namespace

// Buffers of this environment are found at once; what other threads made, in the guard's table. Addresses of
// ours are in nobody else's buffer.
std::shared_ptr<Region> region_of(const EnvState& state, const void* begin) {
  const auto found = state.by_data.find(begin);
  return found != state.by_data.end() ? found->second.front()->region : Region::find(begin);
}

Span span_of(napi_env env, napi_value value) {
  Span span;
  void* data = nullptr;
  EnvState* state = EnvState::of(env);
  if (state == nullptr || value == nullptr) return span;
  size_t offset = 0;
  if (!bytes_of(env, value, &data, &offset, &span.length, &span.whole_buffer) || data == nullptr) {
    return span;
  }
  // Where its buffer begins: a view of no bytes may lie at the end, where the next region begins.
  data = static_cast<char*>(data) - offset;
  span.region = region_of(*state, data);
  if (span.region == nullptr) return span;
  span.offset = reinterpret_cast<uintptr_t>(data) - span.region->base() + offset;
  if (span.offset + span.length > span.region->reserved()) span.region = nullptr;
  return span;
}

}  // namespace memmap::binding
