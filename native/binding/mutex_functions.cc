// The steps of a Mutex, which sync.ts puts together.
#include "binding/env_state.h"
#include "binding/errors.h"
#include "binding/functions.h"
#include "binding/mapping_handle.h"
#include "core/mutex.h"

namespace memmap::binding {
namespace {

std::shared_ptr<Mutex> mutex_of(napi_env env, napi_value value) {
  const auto* mutex = unwrap<std::shared_ptr<Mutex>>(env, kMutexHandle, value);
  if (mutex == nullptr) raise_argument(env, "not a Mutex");
  return mutex == nullptr ? nullptr : *mutex;
}

napi_value give(napi_env env, Result<Locked> locked) {
  if (!locked.ok()) return raise(env, locked.failure());
  return make_number(env, static_cast<int>(locked.value()));
}

// Milliseconds from now; negative is for ever.
bool to_deadline(napi_env env, napi_value value, int64_t* deadline) {
  double milliseconds = 0;
  if (!to_double(env, value, &milliseconds) || std::isnan(milliseconds)) return false;
  *deadline = futex::deadline_after(milliseconds);
  return true;
}

}  // namespace

// (owner, handle, byteOffset) -> mutex
napi_value open_mutex(napi_env env, napi_callback_info info) {
  Arguments<3> arg(env, info);
  EnvState* state = EnvState::of(env);
  auto* mapping = arg.ok && state != nullptr ? mapping_of(env, arg[1]) : nullptr;
  if (mapping == nullptr) return nullptr;
  if (mapping->closed()) return raise(env, Failure::of(Reason::kClosed));
  if (mapping->access() == Access::kCopy)
    return raise_argument(env, "The \"memory\" argument must be shared memory");
  if (mapping->access() != Access::kWrite) {
    return raise(env, Failure::of(Reason::kAccess, "a lock is written to"));
  }
  uint64_t offset = 0;
  const uint64_t length = mapping->length();
  if (length < MEMMAP_MUTEX_BYTES || !to_size(env, arg[2], length - MEMMAP_MUTEX_BYTES, &offset) ||
      (mapping->offset() + offset) % sizeof(uint32_t) != 0) {
    return raise(env, Failure::of(Reason::kOutOfRange,
                                  "a Mutex lies within the mapping, at a multiple of 4 bytes"));
  }
  auto mutex = state->participants.open(mapping->shared_from_this(), offset,
                                        handle_of(env, arg[1])->borrower);
  if (!mutex.ok()) return raise(env, mutex.failure());
  return wrap(env, arg[0], kMutexHandle, mutex.value());
}

napi_value mutex_key(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  const auto mutex = arg.ok ? mutex_of(env, arg[0]) : nullptr;
  return mutex == nullptr ? nullptr : make_string(env, mutex->key().c_str());
}

// (mutex, slept)
napi_value mutex_try(napi_env env, napi_callback_info info) {
  Arguments<2> arg(env, info);
  const auto mutex = arg.ok ? mutex_of(env, arg[0]) : nullptr;
  if (mutex == nullptr) return nullptr;
  bool slept = false;
  if (napi_get_value_bool(env, arg[1], &slept) != napi_ok) {
    return raise_argument(env, "expected a boolean");
  }
  return give(env, mutex->try_lock(slept));
}

// (mutex, milliseconds)
napi_value mutex_lock(napi_env env, napi_callback_info info) {
  Arguments<2> arg(env, info);
  const auto mutex = arg.ok ? mutex_of(env, arg[0]) : nullptr;
  int64_t deadline = 0;
  if (mutex == nullptr) return nullptr;
  if (!to_deadline(env, arg[1], &deadline)) return raise_argument(env, "expected a number");
  return give(env, mutex->lock(deadline));
}

// (mutex, milliseconds). The id of a wait, as of startWait; 0: it is free by now.
napi_value mutex_start_wait(napi_env env, napi_callback_info info) {
  Arguments<2> arg(env, info);
  EnvState* state = EnvState::of(env);
  const auto mutex = arg.ok && state != nullptr ? mutex_of(env, arg[0]) : nullptr;
  int64_t deadline = 0;
  if (mutex == nullptr) return nullptr;
  if (!to_deadline(env, arg[1], &deadline)) return raise_argument(env, "expected a number");
  auto to_wait = mutex->announce();
  if (!to_wait.ok()) return raise(env, to_wait.failure());
  const auto& [word, value] = to_wait.value();
  if (value == 0) return make_number(env, 0);
  auto id = state->waits.start(word, value, deadline);
  return id.ok() ? make_number(env, static_cast<double>(id.value())) : raise(env, id.failure());
}

// Returns an Owner.
napi_value mutex_owner(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  const auto mutex = arg.ok ? mutex_of(env, arg[0]) : nullptr;
  if (mutex == nullptr) return nullptr;
  auto owner = mutex->owner();
  if (!owner.ok()) return raise(env, owner.failure());
  return make_number(env, static_cast<int>(owner.value()));
}

napi_value mutex_pass_on(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  const auto mutex = arg.ok ? mutex_of(env, arg[0]) : nullptr;
  if (mutex != nullptr) mutex->pass_on();
  return nullptr;
}

napi_value mutex_unlock(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  const auto mutex = arg.ok ? mutex_of(env, arg[0]) : nullptr;
  if (mutex == nullptr) return nullptr;
  const Failure failure = mutex->unlock();
  return failure ? raise(env, failure) : nullptr;
}

}  // namespace memmap::binding
