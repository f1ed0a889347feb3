#include "binding/env_state.h"
#include "binding/exposure.h"
#include "binding/faults.h"
#include "binding/functions.h"
#include "binding/mapping_handle.h"

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

napi_value make_handle(napi_env env, std::shared_ptr<Mapping> mapping) {
  if (mapping->region() != nullptr) mapping->region()->set_owner(EnvState::of(env));
  return wrap(env, kMappingTag, std::move(mapping));
}

// (file: string | Buffer | fd, options, offset, length, reserve) -> handle
napi_value map_file(napi_env env, napi_callback_info info) {
  Arguments<5> arg(env, info);
  MapOptions options;
  uint64_t bits = 0;
  if (!arg.ok || !read_options(env, arg[1], &options, &bits) ||
      !to_size(env, arg[2], kMaxBytes, &options.offset) ||
      !to_size(env, arg[3], kMaxBytes, &options.length) ||
      !to_size(env, arg[4], kMaxBytes, &options.reserve)) {
    return raise_argument(env, "mapFile(file, options, offset, length, reserve)");
  }
  int fd = -1;
  std::string path;
  if (to_int(env, arg[0], &fd)) {
    auto file = File::reopen(fd, options.access == Access::kWrite);
    if (!file.ok()) return raise(env, file.failure());
    auto mapping = Mapping::map(file.value(), options);
    if (!mapping.ok()) return raise(env, mapping.failure());
    return make_handle(env, std::move(mapping.value()));
  }
  if (!to_path(env, arg[0], &path)) return raise_argument(env, "file: a path or a descriptor");
  auto mapping = Mapping::map_path(path.c_str(), (bits & kCreate) != 0, options);
  if (!mapping.ok()) return raise(env, mapping.failure(), &path);
  return make_handle(env, std::move(mapping.value()));
}

// (length, options) -> handle
napi_value map_anonymous(napi_env env, napi_callback_info info) {
  Arguments<2> arg(env, info);
  MapOptions options;
  uint64_t bits = 0;
  if (!arg.ok || !to_size(env, arg[0], kMaxBytes, &options.length) || options.length == 0 ||
      !read_options(env, arg[1], &options, &bits)) {
    return raise_argument(env, "mapAnonymous(length, options)");
  }
  auto mapping = Mapping::anonymous(options, (bits & kShared) != 0);
  if (!mapping.ok()) return raise(env, mapping.failure());
  return make_handle(env, std::move(mapping.value()));
}

// (handle, byteOffset, byteLength) -> a new ArrayBuffer
napi_value buffer_of(napi_env env, napi_callback_info info) {
  Arguments<3> arg(env, info);
  const auto mapping = arg.ok ? mapping_of(env, arg[0]) : nullptr;
  if (mapping == nullptr) return nullptr;
  uint64_t offset = 0;
  uint64_t length = 0;
  if (!to_size(env, arg[1], mapping->length(), &offset) ||
      !to_size(env, arg[2], mapping->length() - offset, &length)) {
    return raise(env, Failure::of(Reason::kOutOfRange, "outside the mapping"));
  }
  if (mapping->closed()) return raise(env, Failure::of(Reason::kClosed));
  if (length == 0) {  // no memory to point at
    napi_value empty = nullptr;
    void* ignored = nullptr;
    return napi_create_arraybuffer(env, 0, &ignored, &empty) == napi_ok ? empty : nullptr;
  }
  return expose(env, mapping->region(), mapping->data() + offset, length);
}

// (handle) -> length in bytes
napi_value length_of(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  const auto mapping = arg.ok ? mapping_of(env, arg[0]) : nullptr;
  return mapping == nullptr ? nullptr : make_number(env, static_cast<double>(mapping->length()));
}

napi_value is_closed(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  const auto mapping = arg.ok ? mapping_of(env, arg[0]) : nullptr;
  return mapping == nullptr ? nullptr : make_bool(env, mapping->closed());
}

napi_value faults_of(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  const auto mapping = arg.ok ? mapping_of(env, arg[0]) : nullptr;
  if (mapping == nullptr) return nullptr;
  const auto& region = mapping->region();
  return make_faults(env, region == nullptr ? std::vector<Fault>{} : region->faults());
}

napi_value unmap(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  const auto mapping = arg.ok ? mapping_of(env, arg[0]) : nullptr;
  if (mapping == nullptr) return nullptr;
  if (mapping->region() != nullptr) detach_all(env, *mapping->region());
  const Failure failure = mapping->close();
  return failure ? raise(env, failure) : nullptr;
}

}  // namespace memmap::binding
