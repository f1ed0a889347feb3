// A helper of the tests: what other programs in the process do with a signal's handler.
//
//   roundTrip(signal)   takes the handler away and puts it back by signal(2), which knows no flags
//   surrender(signal)   installs one that sets the default action and returns
#include <csignal>

#include <node_api.h>

namespace {

int argument(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value value = nullptr;
  int32_t signal = 0;
  if (napi_get_cb_info(env, info, &count, &value, nullptr, nullptr) != napi_ok) return 0;
  return count == 1 && napi_get_value_int32(env, value, &signal) == napi_ok ? signal : 0;
}

napi_value result(napi_env env, bool done) {
  if (!done) napi_throw_error(env, nullptr, "not the number of a signal that can be handled");
  return nullptr;
}

napi_value round_trip(napi_env env, napi_callback_info info) {
  const int number = argument(env, info);
  const auto before = signal(number, SIG_DFL);
  return result(env, before != SIG_ERR && signal(number, before) != SIG_ERR);
}

napi_value surrender(napi_env env, napi_callback_info info) {
  struct sigaction action = {};
  action.sa_sigaction = [](int number, siginfo_t*, void*) { signal(number, SIG_DFL); };
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  return result(env, sigaction(argument(env, info), &action, nullptr) == 0);
}

}  // namespace

NAPI_MODULE_INIT() {
  const napi_property_descriptor functions[] = {
      {"roundTrip", nullptr, round_trip, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"surrender", nullptr, surrender, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  if (napi_define_properties(env, exports, 2, functions) != napi_ok) return nullptr;
  return exports;
}
