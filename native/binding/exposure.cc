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
  napi_ref object = nullptr;  // weak
  int holds = 2;
};

namespace {

template <class Map, class Key>
void erase_from(Map& map, Key key, const Exposure* exposure) {
  auto range = map.equal_range(key);
  for (auto it = range.first; it != range.second; ++it) {
    if (it->second == exposure) {
      map.erase(it);
      return;
    }
  }
}

void drop(Exposure* exposure) {
  exposure->region->drop_hold();
  if (--exposure->holds != 0) return;
  erase_from(exposure->state->by_data, exposure->data, exposure);
  erase_from(exposure->state->by_region, exposure->region.get(), exposure);
  delete exposure;
}

void object_collected(napi_env env, void*, void* hint) {
  auto* exposure = static_cast<Exposure*>(hint);
  if (exposure->object != nullptr) napi_delete_reference(env, exposure->object);
  exposure->object = nullptr;
  drop(exposure);
}

void backing_store_freed(napi_env, void*, void* hint) { drop(static_cast<Exposure*>(hint)); }

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
  state->by_data.emplace(exposure->data, exposure);
  state->by_region.emplace(region.get(), exposure);

  napi_value buffer = nullptr;
  const napi_status made = napi_create_external_arraybuffer(
      env, reinterpret_cast<void*>(address), length, backing_store_freed, exposure, &buffer);
  if (made != napi_ok) {
    // Whether the finalizer has run, or will, depends on how far the runtime got. The hold that is
    // its to drop stays: an address that is never given back is better than one given back twice.
    drop(exposure);
    if (made == napi_no_external_buffers_allowed) {
      return raise(env, Failure::of(Reason::kUnavailable,
                                    "this runtime allows no ArrayBuffer over memory of others"));
    }
    return raise(env, Failure::of(Reason::kUnavailable, "the runtime refused the ArrayBuffer"));
  }
  if (napi_add_finalizer(env, buffer, nullptr, object_collected, exposure, nullptr) != napi_ok) {
    // Nobody has seen the object yet: it goes, and its hold with it.
    napi_detach_arraybuffer(env, buffer);
    drop(exposure);
    return nullptr;
  }
  if (napi_create_reference(env, buffer, 0, &exposure->object) != napi_ok) {
    exposure->object = nullptr;  // it can not be detached then; its pages are retired all the same
  }
  return buffer;
}

void detach_all(napi_env env, const Region& region, uint64_t maker) {
  EnvState* state = EnvState::of(env);
  if (state == nullptr) return;
  // Collected first: a runtime that runs finalizers at the detach takes entries out of the map.
  std::vector<napi_ref> objects;
  auto range = state->by_region.equal_range(&region);
  for (auto it = range.first; it != range.second; ++it) {
    const Exposure& exposure = *it->second;
    if (maker != 0 && exposure.maker != maker) continue;
    if (exposure.object != nullptr) objects.push_back(exposure.object);
  }
  for (napi_ref object : objects) {
    napi_value buffer = nullptr;
    if (napi_get_reference_value(env, object, &buffer) != napi_ok || buffer == nullptr) continue;
    napi_detach_arraybuffer(env, buffer);
  }
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
  // Buffers of this environment are found at once; what other threads made, in the guard's table. Addresses of ours are in nobody else's buffer.
  const auto found = state->by_data.find(data);
  span.region = found != state->by_data.end() ? found->second->region : Region::find(data);
  if (span.region == nullptr) return span;
  span.offset = reinterpret_cast<uintptr_t>(data) - span.region->base() + offset;
  if (span.offset + span.length > span.region->reserved()) span.region = nullptr;
  return span;
}

}  // namespace memmap::binding
