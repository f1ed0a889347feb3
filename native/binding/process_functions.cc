#include "binding/env_state.h"
#include "binding/functions.h"
#include "binding/mapping_handle.h"
#include "core/constants.h"
#include "core/guard.h"
#include "core/platform.h"
#include "core/stats.h"

namespace memmap::binding {

// (makeError, onFaults, maxBuffer): once for each environment, before anything else.
napi_value configure(napi_env env, napi_callback_info info) {
  Arguments<3> arg(env, info);
  EnvState* state = EnvState::of(env);
  if (state == nullptr) return nullptr;
  uint64_t max_buffer = 0;
  if (!arg.ok || type_of(env, arg[0]) != napi_function || type_of(env, arg[1]) != napi_function ||
      !to_size(env, arg[2], kMaxBytes, &max_buffer)) {
    return raise_argument(env, "configure(makeError, onFaults, maxBuffer)");
  }
  if (state->make_error != nullptr) return raise_argument(env, "configured already");
  if (napi_create_reference(env, arg[0], 1, &state->make_error) != napi_ok) return nullptr;
  state->max_buffer = max_buffer;
  state->listen(arg[1]);
  return nullptr;
}

// () -> { regions, mappedBytes, retiredBytes, descriptors, faults }
napi_value process_stats(napi_env env, napi_callback_info) {
  napi_value object = nullptr;
  if (napi_create_object(env, &object) != napi_ok) return nullptr;
  set_number(env, object, "regions", static_cast<double>(g_stats.regions.load()));
  set_number(env, object, "mappedBytes", static_cast<double>(g_stats.mapped_bytes.load()));
  set_number(env, object, "retiredBytes", static_cast<double>(g_stats.retired_bytes.load()));
  set_number(env, object, "descriptors", static_cast<double>(g_stats.descriptors.load()));
  set_number(env, object, "faults", static_cast<double>(g_stats.faults.load()));
  return object;
}

// (on) -> false when it is too late
napi_value enable_guard(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  bool on = false;
  if (!arg.ok || arg[0] == nullptr || napi_get_value_bool(env, arg[0], &on) != napi_ok) {
    return raise_argument(env, "enableGuard(on)");
  }
  return make_bool(env, guard::set_enabled(on));
}

napi_value reinstall_guard(napi_env, napi_callback_info) {
  guard::reinstall();
  return nullptr;
}

napi_value make_constants(napi_env env) {
  napi_value object = nullptr;
  if (napi_create_object(env, &object) != napi_ok) return nullptr;
  for (const Constant* c = constants(); c->name != nullptr; c++) {
    set_number(env, object, c->name, c->value);
  }
  set_number(env, object, "PAGE_SIZE", static_cast<double>(page_size()));
  return object;
}

}  // namespace memmap::binding
