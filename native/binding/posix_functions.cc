#include "core/posix_calls.h"

#include "binding/env_state.h"
#include "binding/exposure.h"
#include "binding/faults.h"
#include "binding/functions.h"
#include "binding/mapping_handle.h"

namespace memmap::binding {

// (length, prot, flags, fd, offset) -> ArrayBuffer
napi_value posix_mmap(napi_env env, napi_callback_info info) {
  Arguments<5> arg(env, info);
  uint64_t length = 0;
  uint64_t offset = 0;
  int prot = 0;
  int flags = 0;
  int fd = -1;
  if (!arg.ok || !to_size(env, arg[0], kMaxBytes, &length) || !to_int(env, arg[1], &prot) ||
      !to_int(env, arg[2], &flags) || !to_int(env, arg[3], &fd) ||
      !to_size(env, arg[4], kMaxBytes, &offset)) {
    return raise_argument(env, "mmap(length, prot, flags, fd, offset)");
  }
  EnvState* state = EnvState::of(env);
  if (state == nullptr) return nullptr;
  if (length > state->max_buffer) {
    return raise(env, Failure::of(Reason::kUnavailable,
                                  "length is more than this runtime's largest ArrayBuffer"));
  }
  auto region = posix::map(length, prot, flags, fd, offset);
  if (!region.ok()) return raise(env, region.failure());
  region.value()->set_owner(state);
  return expose(env, region.value(), region.value()->base(), length);
}

// (buffer)
napi_value posix_munmap(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  const Span span = arg.ok ? span_of(env, arg[0]) : Span{};
  if (span.region == nullptr || !span.whole_buffer) {
    return raise_argument(env, "buffer: not a mapping of this package");
  }
  detach_all(env, *span.region);
  detach_moved(env, arg[0], span.region);
  // The buffer of a Mapping: its descriptor goes too.
  const auto mapping = span.region->mapping.lock();
  const Failure failure = mapping != nullptr ? mapping->close() : span.region->retire();
  return failure ? raise(env, failure) : nullptr;
}

// (buffer, newLength) -> a new ArrayBuffer
napi_value posix_mremap(napi_env env, napi_callback_info info) {
  Arguments<2> arg(env, info);
  const Span span = arg.ok ? span_of(env, arg[0]) : Span{};
  uint64_t length = 0;
  EnvState* state = EnvState::of(env);
  // A Mapping's region is not to be taken away under it: resize() is its mremap.
  if (span.region == nullptr || !span.whole_buffer || !span.region->mapping.expired()) {
    return raise_argument(env, "buffer: not what mmap() returned");
  }
  if (!to_size(env, arg[1], kMaxBytes, &length)) return raise_argument(env, "newLength");
  if (state == nullptr) return nullptr;
  if (length > state->max_buffer) {
    return raise(env, Failure::of(Reason::kUnavailable,
                                  "newLength is more than this runtime's largest ArrayBuffer"));
  }
  auto region = posix::remap(*span.region, length);
  if (!region.ok()) return raise_of(env, region.failure(), *span.region);
  region.value()->set_owner(state);
  detach_all(env, *span.region);
  detach_moved(env, arg[0], span.region);
  const Failure failure = span.region->retire();
  if (failure) return raise(env, failure);
  return expose(env, region.value(), region.value()->base(), length);
}

// (fd, length)
napi_value posix_ftruncate(napi_env env, napi_callback_info info) {
  Arguments<2> arg(env, info);
  int fd = -1;
  uint64_t length = 0;
  if (!arg.ok || !to_int(env, arg[0], &fd) || !to_size(env, arg[1], kMaxBytes, &length)) {
    return raise_argument(env, "ftruncate(fd, length)");
  }
  const Failure failure = posix::truncate(fd, length);
  return failure ? raise(env, failure) : nullptr;
}

}  // namespace memmap::binding
