#include "binding/functions.h"
#include "binding/mapping_handle.h"
#include "core/shared_object.h"

namespace memmap::binding {

// (name, length) -> handle of a mapping of new, sealed memory
napi_value create_memory(napi_env env, napi_callback_info info) {
  Arguments<2> arg(env, info);
  std::string name;
  uint64_t length = 0;
  if (!arg.ok || !to_path(env, arg[0], &name) || !to_size(env, arg[1], kMaxBytes, &length) ||
      length == 0) {
    return raise_argument(env, "createMemory(name, length)");
  }
  auto file = make_sealed_memory(name.c_str(), length);
  if (!file.ok()) return raise(env, file.failure());
  MapOptions options;
  options.access = Access::kWrite;
  auto mapping = Mapping::map(file.value(), options);
  if (!mapping.ok()) return raise(env, mapping.failure());
  return make_handle(env, std::move(mapping.value()));
}

// (handle) -> the descriptor that the mapping keeps
napi_value descriptor_of(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  const auto mapping = arg.ok ? mapping_of(env, arg[0]) : nullptr;
  if (mapping == nullptr) return nullptr;
  const auto file = mapping->file();
  if (file == nullptr) return raise(env, Failure::of(Reason::kClosed));
  return make_number(env, file->fd());
}

// (fd) -> { device, inode, size }. Device and inode as strings: they are 64-bit numbers.
napi_value identify_descriptor(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  int fd = -1;
  napi_value object = nullptr;
  if (!arg.ok || !to_int(env, arg[0], &fd)) return raise_argument(env, "identify(fd)");
  auto identity = identify(fd);
  if (!identity.ok()) return raise(env, identity.failure());
  if (napi_create_object(env, &object) != napi_ok) return nullptr;
  napi_value device = make_string(env, std::to_string(identity.value().device).c_str());
  napi_value inode = make_string(env, std::to_string(identity.value().inode).c_str());
  if (device == nullptr || inode == nullptr) return nullptr;
  napi_set_named_property(env, object, "device", device);
  napi_set_named_property(env, object, "inode", inode);
  set_number(env, object, "size", static_cast<double>(identity.value().size));
  return object;
}

// (fd)
napi_value set_close_on_exec(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  int fd = -1;
  if (!arg.ok || !to_int(env, arg[0], &fd)) return raise_argument(env, "setCloseOnExec(fd)");
  const Failure failure = set_cloexec(fd);
  return failure ? raise(env, failure) : nullptr;
}

}  // namespace memmap::binding
