#include "binding/env_state.h"

#include "binding/faults.h"
#include "binding/handles.h"
#include "core/guard.h"
#include "core/platform.h"
#include "core/warnings.h"

namespace memmap::binding {

EnvState::EnvState() : handles(new HandleTable) {}

EnvState::~EnvState() { handles->leave(); }

void EnvState::attach(napi_env env) {
  auto* held = new std::shared_ptr<EnvState>(std::make_shared<EnvState>());
  (*held)->env = env;
  (*held)->ends_first = !on_main_thread();
  const auto finalize = [](napi_env own, void* data, void*) {
    auto* state = static_cast<std::shared_ptr<EnvState>*>(data);
    // What a reference keeps goes with the environment, the reference itself does not.
    for (napi_ref* reference : {&(*state)->make_error, &(*state)->sentinel}) {
      if (*reference != nullptr) napi_delete_reference(own, *reference);
      *reference = nullptr;
    }
    delete state;
  };
  if (napi_set_instance_data(env, held, finalize, nullptr) != napi_ok) {
    delete held;
    return;
  }
  const auto end = [](void* data) { static_cast<EnvState*>(data)->participants.end(); };
  napi_add_env_cleanup_hook(env, end, held->get());
}

EnvState* EnvState::of(napi_env env) {
  void* data = nullptr;
  if (napi_get_instance_data(env, &data) != napi_ok || data == nullptr) return nullptr;
  return static_cast<std::shared_ptr<EnvState>*>(data)->get();
}

bool EnvState::listen(napi_value callback) {
  if (notifier_ != nullptr) return true;
  napi_value name = make_string(env, "memmap:faults");
  if (name == nullptr) return false;
  if (napi_create_threadsafe_function(env, callback, nullptr, name, 0, 1, nullptr, nullptr, this,
                                      report_faults, &notifier_) != napi_ok) {
    notifier_ = nullptr;
    return false;
  }
  napi_unref_threadsafe_function(env, notifier_);
  // Added after the thread-safe function was made, so it runs before that one's own cleanup does.
  napi_add_env_cleanup_hook(env, detach, this);
  guard::add_listener(
      [](void* data) {
        napi_call_threadsafe_function(static_cast<EnvState*>(data)->notifier_, nullptr,
                                      napi_tsfn_nonblocking);
      },
      this);
  return true;
}

void EnvState::detach(void* data) {
  auto* state = static_cast<EnvState*>(data);
  guard::remove_listener(state);
  disown_regions(state);
  napi_release_threadsafe_function(state->notifier_, napi_tsfn_abort);
  state->notifier_ = nullptr;
}

}  // namespace memmap::binding
