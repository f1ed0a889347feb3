// wait, waitAsync and notify: a cell of an Int32Array or Uint32Array over shared memory of ours.
#include "binding/env_state.h"
#include "binding/errors.h"
#include "binding/exposure.h"
#include "binding/functions.h"
#include "binding/mapping_handle.h"
#include "core/futex.h"

namespace memmap::binding {
namespace {

// No region with an exception pending.
Word cell_of(napi_env env, napi_value array, napi_value index) {
  bool yes = false;
  napi_typedarray_type type = napi_int8_array;
  size_t count = 0;
  size_t offset = 0;
  void* data = nullptr;
  EnvState* state = EnvState::of(env);
  if (state == nullptr) return {};
  if (array == nullptr || napi_is_typedarray(env, array, &yes) != napi_ok || !yes ||
      napi_get_typedarray_info(env, array, &type, &count, &data, nullptr, &offset) != napi_ok ||
      (type != napi_int32_array && type != napi_uint32_array)) {
    raise_argument(env, "The \"cell\" argument must be an Int32Array or a Uint32Array");
    return {};
  }
  const uintptr_t begin = reinterpret_cast<uintptr_t>(data) - offset;
  Word word;
  if (data != nullptr) word.region = region_of(*state, reinterpret_cast<void*>(begin));
  uint64_t at = 0;
  if (word.region == nullptr) {
    raise_argument(env, "The \"cell\" argument must be over a mapping of this package");
  } else if (!word.region->shared()) {
    raise_argument(
        env,
        "The \"cell\" argument must be over shared memory: private memory nobody else can change");
  } else if (count == 0 || !to_size(env, index, count - 1, &at)) {
    raise(env, Failure::of(Reason::kOutOfRange, "index lies outside the cell's array"));
  } else {
    word.address = reinterpret_cast<uintptr_t>(data) + at * sizeof(uint32_t);
    const uintptr_t end = word.region->base() + word.region->reserved();
    if (word.address % sizeof(uint32_t) == 0 && word.address + sizeof(uint32_t) <= end) return word;
    raise(env, Failure::of(Reason::kOutOfRange, "a cell must lie at a multiple of 4 bytes"));
  }
  return {};
}

// As a whole number of 32 bits, whichever sign it is read with.
bool to_word(napi_env env, napi_value value, uint32_t* out) {
  double number = 0;
  if (!to_double(env, value, &number)) return false;
  if (!(number >= INT32_MIN && number <= UINT32_MAX) || number != std::floor(number)) return false;
  *out = static_cast<uint32_t>(static_cast<int64_t>(number));
  return true;
}

struct WaitArguments {
  Word word;
  uint32_t value = 0;
  int64_t deadline = 0;
  bool ok = false;  // otherwise an exception is pending
};

// (cell, index, value, milliseconds); negative milliseconds are for ever.
WaitArguments wait_arguments(napi_env env, napi_callback_info info) {
  WaitArguments to_wait;
  Arguments<4> arg(env, info);
  double milliseconds = 0;
  if (!arg.ok) return to_wait;
  to_wait.word = cell_of(env, arg[0], arg[1]);
  if (to_wait.word.region == nullptr) return to_wait;
  to_wait.ok = to_word(env, arg[2], &to_wait.value) && to_double(env, arg[3], &milliseconds) &&
               !std::isnan(milliseconds);
  if (!to_wait.ok) raise_argument(env, "expected numbers");
  to_wait.deadline = futex::deadline_after(milliseconds);
  return to_wait;
}

}  // namespace

// Returns the Outcome.
napi_value wait_on(napi_env env, napi_callback_info info) {
  const WaitArguments to_wait = wait_arguments(env, info);
  if (!to_wait.ok) return nullptr;
  auto outcome = futex::wait(to_wait.word, to_wait.value, to_wait.deadline);
  if (!outcome.ok()) return raise(env, outcome.failure());
  return make_number(env, static_cast<int>(outcome.value()));
}

// (cell, index, count)
napi_value notify_on(napi_env env, napi_callback_info info) {
  Arguments<3> arg(env, info);
  int count = 0;
  const Word word = arg.ok ? cell_of(env, arg[0], arg[1]) : Word{};
  if (word.region == nullptr) return nullptr;
  if (!to_int(env, arg[2], &count)) return raise_argument(env, "expected a number");
  auto woken = futex::notify(word, count);
  return woken.ok() ? make_number(env, woken.value()) : raise(env, woken.failure());
}

// (callback): called with the id of a wait and its Outcome.
napi_value listen_for_waits(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  EnvState* state = EnvState::of(env);
  if (!arg.ok || state == nullptr) return nullptr;
  if (type_of(env, arg[0]) != napi_function) return raise_argument(env, "expected a function");
  state->waits.listen(env, arg[0]);
  return nullptr;
}

// Returns an id greater than 0, or 0: the cell has another value.
napi_value start_wait(napi_env env, napi_callback_info info) {
  const WaitArguments to_wait = wait_arguments(env, info);
  EnvState* state = EnvState::of(env);
  if (!to_wait.ok || state == nullptr) return nullptr;
  RegionUse use(*to_wait.word.region);
  const Failure failure = use ? futex::check(to_wait.word) : Failure::of(Reason::kClosed);
  if (failure) return raise(env, failure);
  if (__atomic_load_n(to_wait.word.pointer(), __ATOMIC_SEQ_CST) != to_wait.value) {
    return make_number(env, 0);
  }
  auto id = state->waits.start(to_wait.word, to_wait.value, to_wait.deadline);
  return id.ok() ? make_number(env, static_cast<double>(id.value())) : raise(env, id.failure());
}

// (id). True: its callback will not be called.
napi_value cancel_wait(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  EnvState* state = EnvState::of(env);
  uint64_t id = 0;
  if (!arg.ok || state == nullptr) return nullptr;
  if (!to_size(env, arg[0], kMaxBytes, &id)) return raise_argument(env, "expected a number");
  return make_bool(env, waiters::cancel(&state->waits, id));
}

// (on). Whether the event loop goes on for the waits that are pending.
napi_value ref_waits(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  EnvState* state = EnvState::of(env);
  bool on = false;
  if (!arg.ok || state == nullptr) return nullptr;
  if (napi_get_value_bool(env, arg[0], &on) != napi_ok) {
    return raise_argument(env, "expected a boolean");
  }
  state->waits.ref(env, on);
  return nullptr;
}

napi_value has_waitv(napi_env env, napi_callback_info) {
  return make_bool(env, waiters::has_waitv());
}

}  // namespace memmap::binding
