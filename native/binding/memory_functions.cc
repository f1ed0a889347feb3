#include "binding/functions.h"
#include "binding/mapping_handle.h"
#include "core/shared_object.h"

namespace memmap::binding {

namespace {

napi_value make_mapping(napi_env env, napi_value owner, Result<std::shared_ptr<File>> file,
                        const MapOptions& options, const std::string* path) {
  if (!file.ok()) return raise(env, file.failure(), path);
  auto mapping = Mapping::map(file.value(), options);
  if (!mapping.ok()) return raise(env, mapping.failure(), path);
  return make_handle(env, owner, std::move(mapping.value()));
}

napi_value make_descriptor(napi_env env, Result<int> fd) {
  return fd.ok() ? make_number(env, fd.value()) : raise(env, fd.failure());
}

}  // namespace

// (owner, name, length) -> handle of a mapping of new, sealed memory
napi_value create_memory(napi_env env, napi_callback_info info) {
  Arguments<3> arg(env, info);
  std::string name;
  uint64_t length = 0;
  if (!arg.ok || !to_path(env, arg[1], &name) || !to_size(env, arg[2], kMaxBytes, &length) ||
      length == 0) {
    return raise_argument(env, "createMemory(owner, name, length)");
  }
  MapOptions options;
  options.access = Access::kWrite;
  return make_mapping(env, arg[0], make_sealed_memory(name.c_str(), length), options, nullptr);
}

// (owner, name, length, mode, exclusive) -> handle of a mapping of named memory
napi_value create_named(napi_env env, napi_callback_info info) {
  Arguments<5> arg(env, info);
  NamedRequest request;
  uint64_t mode = 0;
  if (!arg.ok || !to_path(env, arg[1], &request.name) ||
      !to_size(env, arg[2], kMaxBytes, &request.length) || request.length == 0 ||
      !to_size(env, arg[3], 07777, &mode) || arg[4] == nullptr ||
      napi_get_value_bool(env, arg[4], &request.exclusive) != napi_ok) {
    return raise_argument(env, "createNamed(owner, name, length, mode, exclusive)");
  }
  request.mode = static_cast<unsigned>(mode);
  const std::string path = path_of(request.name);
  MapOptions options;
  options.access = Access::kWrite;
  options.length = request.length;
  return make_mapping(env, arg[0], make_named(request), options, &path);
}

// (owner, name, writable) -> handle of a mapping of all of it
napi_value open_named_memory(napi_env env, napi_callback_info info) {
  Arguments<3> arg(env, info);
  std::string name;
  bool writable = false;
  if (!arg.ok || !to_path(env, arg[1], &name) || arg[2] == nullptr ||
      napi_get_value_bool(env, arg[2], &writable) != napi_ok) {
    return raise_argument(env, "openNamed(owner, name, writable)");
  }
  const std::string path = path_of(name);
  MapOptions options;
  options.access = writable ? Access::kWrite : Access::kRead;
  return make_mapping(env, arg[0], open_named(name, writable), options, &path);
}

// (name, flags) -> fd
napi_value create_memfd(napi_env env, napi_callback_info info) {
  Arguments<2> arg(env, info);
  std::string name;
  uint64_t flags = 0;
  if (!arg.ok || !to_path(env, arg[0], &name) || !to_size(env, arg[1], UINT32_MAX, &flags)) {
    return raise_argument(env, "memfdCreate(name, flags)");
  }
  return make_descriptor(env, memfd(name.c_str(), static_cast<unsigned>(flags)));
}

// (name, oflag, mode) -> fd
napi_value open_shm(napi_env env, napi_callback_info info) {
  Arguments<3> arg(env, info);
  std::string name;
  int oflag = 0;
  uint64_t mode = 0;
  if (!arg.ok || !to_path(env, arg[0], &name) || !to_int(env, arg[1], &oflag) ||
      !to_size(env, arg[2], 07777, &mode)) {
    return raise_argument(env, "shmOpen(name, oflag, mode)");
  }
  return make_descriptor(env,
                         shm_open_descriptor(name.c_str(), oflag, static_cast<unsigned>(mode)));
}

// (name)
napi_value unlink_shm(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  std::string name;
  if (!arg.ok || !to_path(env, arg[0], &name)) return raise_argument(env, "shmUnlink(name)");
  const Failure failure = shm_unlink_name(name.c_str());
  return failure ? raise(env, failure) : nullptr;
}

// (fd, seals)
napi_value add_seals_to(napi_env env, napi_callback_info info) {
  Arguments<2> arg(env, info);
  int fd = -1;
  int seals = 0;
  if (!arg.ok || !to_int(env, arg[0], &fd) || !to_int(env, arg[1], &seals)) {
    return raise_argument(env, "addSeals(fd, seals)");
  }
  const Failure failure = add_seals(fd, seals);
  return failure ? raise(env, failure) : nullptr;
}

// (fd) -> seals
napi_value get_seals_of(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  int fd = -1;
  if (!arg.ok || !to_int(env, arg[0], &fd)) return raise_argument(env, "getSeals(fd)");
  return make_descriptor(env, seals_of(fd));
}

// (handle) -> the descriptor that the mapping keeps
napi_value descriptor_of(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  auto* mapping = arg.ok ? mapping_of(env, arg[0]) : nullptr;
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
