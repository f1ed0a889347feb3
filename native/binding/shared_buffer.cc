// Node-API has a function for it in Node 22.23, 24.21, 26.10 and Bun 1.4. It is looked up at run time, so
// that the binary loads elsewhere. Node 20 lacks it, but exports V8's own functions, which are called by
// their mangled names: the ABI of Node 20, at its end of life, does not change any more.
#include "binding/shared_buffer.h"

#include <dlfcn.h>

#include <new>

#include "binding/env_state.h"
#include "binding/errors.h"

namespace memmap::binding {
namespace {

// One hold on the region, until the backing store is freed; that may be on any thread.
struct SharedExposure {
  std::shared_ptr<Mapping> mapping;
  std::shared_ptr<Region> region;
};

void release(SharedExposure* exposure) {
  exposure->mapping->remove_sharer();
  exposure->region->drop_hold();
  delete exposure;
}

using CreateShared = napi_status (*)(napi_env, void* data, size_t length,
                                     void (*finalize)(void* data, void* hint), void* hint,
                                     napi_value* result);

CreateShared create_shared() {
  static const auto function = reinterpret_cast<CreateShared>(
      dlsym(RTLD_DEFAULT, "node_api_create_external_sharedarraybuffer"));
  return function;
}

// Of V8, as Node 20 has them: opaque here.
struct Isolate;
struct BackingStore;
using Deleter = void (*)(void* data, size_t length, void* deleter_data);

// Passed and returned as V8's std::unique_ptr<BackingStore> is: a class of one pointer with a destructor.
struct KeepIt {
  void operator()(BackingStore*) const {}
};
using Made = std::unique_ptr<BackingStore, KeepIt>;

struct NodeTwenty {
  Isolate* (*current)() = nullptr;
  Made (*new_backing_store)(void* data, size_t length, Deleter deleter, void* hint) = nullptr;
  void* (*new_buffer)(Isolate* isolate, std::shared_ptr<BackingStore> store) = nullptr;  // a Local
  void (*destroy)(BackingStore* store) = nullptr;
  bool ok = false;

  NodeTwenty() {
    const auto find = [](const char* name) { return dlsym(RTLD_DEFAULT, name); };
    current = reinterpret_cast<decltype(current)>(find("_ZN2v87Isolate10GetCurrentEv"));
    new_backing_store = reinterpret_cast<decltype(new_backing_store)>(
        find("_ZN2v817SharedArrayBuffer15NewBackingStoreEPvmPFvS1_mS1_ES1_"));
    new_buffer = reinterpret_cast<decltype(new_buffer)>(
        find("_ZN2v817SharedArrayBuffer3NewEPNS_7IsolateESt10shared_ptrINS_12BackingStoreEE"));
    destroy = reinterpret_cast<decltype(destroy)>(find("_ZN2v812BackingStoreD1Ev"));
    ok = current != nullptr && new_backing_store != nullptr && new_buffer != nullptr &&
         destroy != nullptr;
  }
};

const NodeTwenty* node_twenty(napi_env env) {
  const napi_node_version* version = nullptr;
  if (napi_get_node_version(env, &version) != napi_ok || version->major != 20) return nullptr;
  static const NodeTwenty functions;
  return functions.ok ? &functions : nullptr;
}

napi_value make_by_v8(const NodeTwenty& v8, void* data, size_t length, SharedExposure* exposure) {
  Made made = v8.new_backing_store(
      data, length, [](void*, size_t, void* hint) { release(static_cast<SharedExposure*>(hint)); },
      exposure);
  const auto destroy = v8.destroy;
  std::shared_ptr<BackingStore> store(made.release(), [destroy](BackingStore* old) {
    destroy(old);
    ::operator delete(static_cast<void*>(old));
  });
  return static_cast<napi_value>(v8.new_buffer(v8.current(), std::move(store)));
}

}  // namespace

napi_value expose_shared(napi_env env, const std::shared_ptr<Mapping>& mapping) {
  EnvState* state = EnvState::of(env);
  if (state == nullptr) return nullptr;
  const NodeTwenty* v8 = create_shared() == nullptr ? node_twenty(env) : nullptr;
  if (create_shared() == nullptr && v8 == nullptr) {
    return raise(env, Failure::of(Reason::kUnavailable,
                                  "this runtime makes no SharedArrayBuffer over memory of others"));
  }
  const auto region = mapping->region();
  const uint64_t length = mapping->length();
  if (length == 0 || region == nullptr) {
    return raise(env, Failure::of(Reason::kOutOfRange, "the mapping has no bytes to share"));
  }
  if (length > state->max_buffer) {
    return raise(env, Failure::of(Reason::kUnavailable,
                                  "larger than this runtime's largest SharedArrayBuffer"));
  }
  if (!region->hold(1)) return raise(env, Failure::of(Reason::kClosed));
  mapping->add_sharer();
  auto* exposure = new SharedExposure{mapping, region};
  void* data = reinterpret_cast<void*>(region->base() + mapping->delta());
  if (v8 != nullptr) return make_by_v8(*v8, data, length, exposure);

  napi_value buffer = nullptr;
  const napi_status made = create_shared()(
      env, data, length, [](void*, void* hint) { release(static_cast<SharedExposure*>(hint)); },
      exposure, &buffer);
  if (made == napi_ok) return buffer;
  // Whether the finalizer has run is not known: what it would release stays.
  return raise(env, Failure::of(Reason::kUnavailable, "the runtime refused the SharedArrayBuffer"));
}

}  // namespace memmap::binding
