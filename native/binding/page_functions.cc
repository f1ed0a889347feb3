// Calls on the pages of a range, which is a part of a mapping (handle, offset, length) or what a buffer of
// ours covers (buffer). The functions of memmap/posix and the methods of Mapping are the same calls.
#include <cstring>

#include "binding/exposure.h"
#include "binding/faults.h"
#include "binding/functions.h"
#include "binding/mapping_handle.h"
#include "binding/pool_task.h"
#include "core/posix_calls.h"
#include "core/usage.h"

namespace memmap::binding {
namespace {

MappedRange target_of(napi_env env, napi_value what, napi_value offset, napi_value length) {
  MappedRange range;
  if (unwrap<MappingHandle>(env, kMappingHandle, what) != nullptr) {
    auto* mapping = mapping_of(env, what);
    return mapping == nullptr ? range : range_of(env, *mapping, offset, length);
  }
  Span span = span_of(env, what);
  if (span.region == nullptr) {
    raise_argument(env, "region: not a mapping of this package");
  } else {
    range.region = std::move(span.region);
    range.offset = span.offset;
    range.length = span.length;
    range.ok = true;
  }
  return range;
}

// A call that takes one number beside the range, and returns nothing.
template <Failure (*call)(Region&, size_t, size_t, int)>
napi_value with_number(napi_env env, napi_callback_info info) {
  Arguments<4> arg(env, info);
  int number = 0;
  const MappedRange range = arg.ok ? target_of(env, arg[0], arg[2], arg[3]) : MappedRange{};
  if (!range.ok) return nullptr;
  if (!to_int(env, arg[1], &number)) return raise_argument(env, "expected a number");
  if (range.length == 0) return nullptr;
  const Failure failure = call(*range.region, range.offset, range.length, number);
  return failure ? raise(env, failure) : nullptr;
}

template <Failure (*call)(Region&, size_t, size_t)>
napi_value without_number(napi_env env, napi_callback_info info) {
  Arguments<3> arg(env, info);
  const MappedRange range = arg.ok ? target_of(env, arg[0], arg[1], arg[2]) : MappedRange{};
  if (!range.ok || range.length == 0) return nullptr;
  const Failure failure = call(*range.region, range.offset, range.length);
  return failure ? raise(env, failure) : nullptr;
}

}  // namespace

// (target, advice, offset?, length?)
napi_value advise(napi_env env, napi_callback_info info) {
  return with_number<posix::advise>(env, info);
}

// (target, prot, offset?, length?)
napi_value protect(napi_env env, napi_callback_info info) {
  return with_number<posix::protect>(env, info);
}

// (buffer, flags)
napi_value sync(napi_env env, napi_callback_info info) {
  Arguments<2> arg(env, info);
  int flags = 0;
  const MappedRange range = arg.ok ? target_of(env, arg[0], nullptr, nullptr) : MappedRange{};
  if (!range.ok) return nullptr;
  if (!to_int(env, arg[1], &flags)) return raise_argument(env, "expected a number");
  if (range.length == 0) return nullptr;
  const Failure failure = posix::sync(*range.region, range.offset, range.length, flags);
  return failure ? raise_of(env, failure, *range.region) : nullptr;
}

// (target, offset?, length?)
napi_value lock(napi_env env, napi_callback_info info) {
  return without_number<posix::lock>(env, info);
}

napi_value unlock(napi_env env, napi_callback_info info) {
  return without_number<posix::unlock>(env, info);
}

// (target, offset?, length?) -> Uint8Array, a byte for each page
napi_value residency(napi_env env, napi_callback_info info) {
  Arguments<3> arg(env, info);
  const MappedRange range = arg.ok ? target_of(env, arg[0], arg[1], arg[2]) : MappedRange{};
  if (!range.ok) return nullptr;
  std::vector<unsigned char> map;
  if (range.length != 0) {
    auto pages = posix::residency(*range.region, range.offset, range.length);
    if (!pages.ok()) return raise(env, pages.failure());
    map = std::move(pages.value());
  }
  void* data = nullptr;
  napi_value buffer = nullptr;
  napi_value array = nullptr;
  if (napi_create_arraybuffer(env, map.size(), &data, &buffer) != napi_ok) return nullptr;
  if (!map.empty()) std::memcpy(data, map.data(), map.size());
  if (napi_create_typedarray(env, napi_uint8_array, map.size(), buffer, 0, &array) != napi_ok) {
    return nullptr;
  }
  return array;
}

// (handle, offset, length) -> Promise
napi_value prefetch(napi_env env, napi_callback_info info) {
  Arguments<3> arg(env, info);
  const MappedRange range = arg.ok ? target_of(env, arg[0], arg[1], arg[2]) : MappedRange{};
  if (!range.ok) return nullptr;
  return run_on_pool(env, "memmap:prefetch", [range]() -> Failure {
    if (range.length == 0) return {};
    return posix::populate(*range.region, range.offset, range.length);
  });
}

// (handle) -> { size, rss, ... } in bytes
napi_value usage(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  auto* mapping = arg.ok ? mapping_of(env, arg[0]) : nullptr;
  if (mapping == nullptr) return nullptr;
  if (mapping->closed()) return raise(env, Failure::of(Reason::kClosed));
  const auto region = mapping->region();
  Result<Usage> usage = region == nullptr ? Result<Usage>(Usage{}) : usage_of(*region);
  if (!usage.ok()) return raise(env, usage.failure());
  napi_value object = nullptr;
  if (napi_create_object(env, &object) != napi_ok) return nullptr;
  const Usage& bytes = usage.value();
  set_number(env, object, "size", static_cast<double>(bytes.size));
  set_number(env, object, "rss", static_cast<double>(bytes.rss));
  set_number(env, object, "pss", static_cast<double>(bytes.pss));
  set_number(env, object, "sharedClean", static_cast<double>(bytes.shared_clean));
  set_number(env, object, "sharedDirty", static_cast<double>(bytes.shared_dirty));
  set_number(env, object, "privateClean", static_cast<double>(bytes.private_clean));
  set_number(env, object, "privateDirty", static_cast<double>(bytes.private_dirty));
  return object;
}

}  // namespace memmap::binding
