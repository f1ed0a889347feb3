// The JavaScript handle of a Mapping, and how the functions read their arguments.
#pragma once

#include <array>
#include <memory>

#include "binding/errors.h"
#include "binding/handles.h"
#include "binding/napi_help.h"
#include "core/mapping.h"

namespace memmap::binding {

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

// What a JavaScript Mapping holds. One that came out of a SharedArrayBuffer is borrowed: its unmap() ends
// it and detaches its own buffers, and the mapping goes on for the others.
struct MappingHandle {
  std::shared_ptr<Mapping> mapping;  // null once it is unmapped and has nothing more to tell
  uint64_t borrower = 0;             // not 0: borrowed, under this number
  bool ended = false;
  Access access = Access::kRead;
  Mapping::Last last;  // of one without a mapping

  bool closed() const { return ended || mapping->closed(); }
  uint64_t offset() const { return mapping == nullptr ? last.offset : mapping->offset(); }
  uint64_t length() const { return mapping == nullptr ? last.length : mapping->length(); }
  std::vector<Fault> faults() const {
    return mapping == nullptr ? std::vector<Fault>{} : mapping->faults();
  }
  // The handle lives until it is collected; what is behind it need not.
  Failure close() {
    const Failure failure = mapping->close(&last);
    if (last.nothing_else) mapping.reset();
    return failure;
  }
};

// Null with an exception pending when the argument is no handle of ours.
inline MappingHandle* handle_of(napi_env env, napi_value value) {
  auto* handle = unwrap<MappingHandle>(env, kMappingHandle, value);
  if (handle == nullptr) raise_argument(env, "not a mapping's handle");
  return handle;
}

// The mapping of a handle that has not ended; null with an exception pending otherwise.
inline Mapping* mapping_of(napi_env env, napi_value value) {
  const MappingHandle* handle = handle_of(env, value);
  if (handle == nullptr) return nullptr;
  if (!handle->ended) return handle->mapping.get();
  raise(env, Failure::of(Reason::kClosed));
  return nullptr;
}

// Part of a mapping, as bytes of its region. Not ok with an exception pending.
struct MappedRange {
  std::shared_ptr<Region> region;  // null: the mapping has no bytes
  size_t offset = 0;               // from the region's base
  size_t length = 0;
  bool ok = false;
};

inline MappedRange range_of(napi_env env, const Mapping& mapping, napi_value offset,
                            napi_value length) {
  MappedRange range;
  uint64_t from = 0;
  uint64_t bytes = 0;
  const uint64_t total = mapping.length();
  if (mapping.closed()) {
    raise(env, Failure::of(Reason::kClosed));
  } else if (!to_size(env, offset, total, &from) || !to_size(env, length, total - from, &bytes)) {
    raise(env, Failure::of(Reason::kOutOfRange, "outside the mapping"));
  } else {
    range.region = mapping.region();
    range.offset = mapping.delta() + from;
    range.length = range.region == nullptr ? 0 : bytes;
    range.ok = true;
  }
  return range;
}

// The number of a new handle; of a mapping made in this environment unless it is borrowed.
napi_value make_handle(napi_env env, napi_value owner, std::shared_ptr<Mapping> mapping,
                       bool borrowed = false);

}  // namespace memmap::binding
