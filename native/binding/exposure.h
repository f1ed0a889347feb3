// ArrayBuffers over our memory: made here, found again here, detached here.
#pragma once

#include <memory>

#include "binding/env_state.h"
#include "core/region.h"

namespace memmap::binding {

// A new ArrayBuffer over [address, address + length) of the region, which it keeps from being released
// while JavaScript or pending I/O can reach it. Null with an exception pending, or when the environment
// is going away.
// `maker`: who may detach it alone, if anybody.
napi_value expose(napi_env env, const std::shared_ptr<Region>& region, uintptr_t address,
                  size_t length, uint64_t maker = 0);

// Detaches every ArrayBuffer of this environment over the region, or those of one maker. One that the runtime refuses to
// detach (Bun, while I/O uses it) stays, over retired pages.
void detach_all(napi_env env, const Region& region, uint64_t maker = 0);

// Detaches an ArrayBuffer over the region that we did not make: transfer(), or a stream, has moved the
// memory of one of ours to it.
void detach_moved(napi_env env, napi_value buffer, const std::shared_ptr<Region>& region);

// Bytes of our memory that an argument names: an ArrayBuffer or SharedArrayBuffer of ours, or a view.
struct Span {
  std::shared_ptr<Region> region;  // null: not ours
  size_t offset = 0;               // from the region's base
  size_t length = 0;
  bool whole_buffer = false;  // an ArrayBuffer, not a view of one
};
Span span_of(napi_env env, napi_value value);

// The region of a buffer that begins here; null: not ours.
std::shared_ptr<Region> region_of(const EnvState& state, const void* begin);

}  // namespace memmap::binding
