#include "binding/env_state.h"
#include "binding/exposure.h"
#include "binding/faults.h"
#include "binding/functions.h"
#include "binding/mapping_handle.h"
#include "binding/shared_buffer.h"

namespace memmap::binding {
namespace {

// The options of a mapping in one number, since each argument of a native call costs time. src/native.ts
// packs them.
constexpr uint64_t kAccessMask = 3;
constexpr uint64_t kCreate = 1 << 2;
constexpr uint64_t kSparse = 1 << 3;
constexpr uint64_t kPopulate = 1 << 4;
constexpr uint64_t kLock = 1 << 5;
constexpr uint64_t kHugePages = 1 << 6;
constexpr uint64_t kShared = 1 << 7;
constexpr int kAdviceShift = 8;

bool read_options(napi_env env, napi_value packed, MapOptions* options, uint64_t* bits) {
  if (!to_size(env, packed, 0xffffff, bits) || (*bits & kAccessMask) > 2) return false;
  options->access = static_cast<Access>(*bits & kAccessMask);
  options->sparse = (*bits & kSparse) != 0;
  options->populate = (*bits & kPopulate) != 0;
  options->lock = (*bits & kLock) != 0;
  options->huge_pages = (*bits & kHugePages) != 0;
  options->advice = static_cast<int>(*bits >> kAdviceShift);
  // NORMAL, RANDOM, SEQUENTIAL (madvise(2)): the others do something rather than advise.
  return options->advice <= 2;
}

}  // namespace

napi_value make_handle(napi_env env, napi_value owner, std::shared_ptr<Mapping> mapping,
                       bool borrowed) {
  const auto region = mapping->region();
  if (region != nullptr && !borrowed) region->set_owner(EnvState::of(env));
  MappingHandle handle;
  handle.access = mapping->access();
  handle.mapping = std::move(mapping);
  if (borrowed) handle.borrower = EnvState::of(env)->next_borrower++;
  return wrap(env, owner, kMappingHandle, std::move(handle));
}

// (owner, file: string | Buffer | fd, options, offset, length, reserve) -> handle
napi_value map_file(napi_env env, napi_callback_info info) {
  Arguments<6> arg(env, info);
  MapOptions options;
  uint64_t bits = 0;
  if (!arg.ok || !read_options(env, arg[2], &options, &bits) ||
      !to_size(env, arg[3], kMaxBytes, &options.offset) ||
      !to_size(env, arg[4], kMaxBytes, &options.length) ||
      !to_size(env, arg[5], kMaxBytes, &options.reserve)) {
    return raise_argument(env, "mapFile(owner, file, options, offset, length, reserve)");
  }
  int fd = -1;
  std::string path;
  if (to_int(env, arg[1], &fd)) {
    auto file = File::reopen(fd, options.access == Access::kWrite);
    if (!file.ok()) return raise(env, file.failure());
    auto mapping = Mapping::map(file.value(), options);
    if (!mapping.ok()) return raise(env, mapping.failure());
    return make_handle(env, arg[0], std::move(mapping.value()));
  }
  if (!to_path(env, arg[1], &path)) return raise_argument(env, "file: a path or a descriptor");
  auto mapping = Mapping::map_path(path.c_str(), (bits & kCreate) != 0, options);
  if (!mapping.ok()) return raise(env, mapping.failure(), &path);
  return make_handle(env, arg[0], std::move(mapping.value()));
}

// (owner, length, options) -> handle
napi_value map_anonymous(napi_env env, napi_callback_info info) {
  Arguments<3> arg(env, info);
  MapOptions options;
  uint64_t bits = 0;
  if (!arg.ok || !to_size(env, arg[1], kMaxBytes, &options.length) || options.length == 0 ||
      !read_options(env, arg[2], &options, &bits)) {
    return raise_argument(env, "mapAnonymous(owner, length, options)");
  }
  auto mapping = Mapping::anonymous(options, (bits & kShared) != 0);
  if (!mapping.ok()) return raise(env, mapping.failure());
  return make_handle(env, arg[0], std::move(mapping.value()));
}

// (handle, byteOffset, byteLength) -> a new ArrayBuffer
napi_value buffer_of(napi_env env, napi_callback_info info) {
  Arguments<3> arg(env, info);
  auto* handle = arg.ok ? handle_of(env, arg[0]) : nullptr;
  auto* mapping = handle == nullptr ? nullptr : mapping_of(env, arg[0]);
  if (mapping == nullptr) return nullptr;
  const MappedRange range = range_of(env, *mapping, arg[1], arg[2]);
  if (!range.ok) return nullptr;
  if (range.length == 0) {  // no memory to point at
    napi_value empty = nullptr;
    void* ignored = nullptr;
    return napi_create_arraybuffer(env, 0, &ignored, &empty) == napi_ok ? empty : nullptr;
  }
  return expose(env, range.region, range.region->base() + range.offset, range.length,
                handle->borrower);
}

// (handle) -> a SharedArrayBuffer over the whole mapping
napi_value shared_buffer_of(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  auto* mapping = arg.ok ? mapping_of(env, arg[0]) : nullptr;
  return mapping == nullptr ? nullptr : expose_shared(env, mapping->shared_from_this());
}

// (owner, a view of a SharedArrayBuffer) -> a handle of the mapping behind it
napi_value mapping_behind(napi_env env, napi_callback_info info) {
  Arguments<2> arg(env, info);
  const Span span = arg.ok ? span_of(env, arg[1]) : Span{};
  auto mapping = span.region == nullptr ? nullptr : span.region->mapping.lock();
  if (mapping == nullptr) return raise_argument(env, "shared: not the sharedBuffer of a mapping");
  if (mapping->closed()) return raise(env, Failure::of(Reason::kClosed));
  return make_handle(env, arg[0], std::move(mapping), true);
}

// (handle) -> offset in bytes
napi_value offset_of(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  auto* handle = arg.ok ? handle_of(env, arg[0]) : nullptr;
  return handle == nullptr ? nullptr : make_number(env, static_cast<double>(handle->offset()));
}

// (handle) -> 0 read, 1 write, 2 copy
napi_value access_of(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  auto* handle = arg.ok ? handle_of(env, arg[0]) : nullptr;
  return handle == nullptr ? nullptr : make_number(env, static_cast<int>(handle->access));
}

// (handle) -> length in bytes
napi_value length_of(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  auto* handle = arg.ok ? handle_of(env, arg[0]) : nullptr;
  return handle == nullptr ? nullptr : make_number(env, static_cast<double>(handle->length()));
}

napi_value is_closed(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  auto* handle = arg.ok ? handle_of(env, arg[0]) : nullptr;
  return handle == nullptr ? nullptr : make_bool(env, handle->closed());
}

// (handle, or a view)
napi_value faults_of(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  const Span span = arg.ok ? span_of(env, arg[0]) : Span{};
  if (span.region != nullptr) {
    const auto mapping = span.region->mapping.lock();
    return make_faults(env, mapping != nullptr ? mapping->faults() : span.region->faults());
  }
  bool view = false;
  if (arg.ok && napi_is_typedarray(env, arg[0], &view) == napi_ok && view) {
    return make_faults(env, {});  // unmapped by now
  }
  auto* handle = arg.ok ? handle_of(env, arg[0]) : nullptr;
  if (handle == nullptr) return nullptr;
  return make_faults(env, handle->faults());
}

napi_value unmap(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  auto* handle = arg.ok ? handle_of(env, arg[0]) : nullptr;
  if (handle == nullptr) return nullptr;
  handle->ended = true;
  if (handle->mapping == nullptr) return nullptr;
  EnvState* state = EnvState::of(env);
  const auto region = handle->mapping->region();
  if (region != nullptr) detach_all(env, *region, handle->borrower);
  if (handle->borrower != 0) {
    if (state != nullptr) state->participants.end_borrowed(handle->borrower);
    return nullptr;
  }
  const Failure failure = handle->close();
  return failure ? raise(env, failure) : nullptr;
}

}  // namespace memmap::binding
