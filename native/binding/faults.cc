#include "binding/faults.h"

#include "binding/errors.h"
#include "core/warnings.h"

namespace memmap::binding {
namespace {

const char* name_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::kTruncated:
      return "truncated";
    case FaultKind::kNoSpace:
      return "no-space";
    case FaultKind::kIo:
      return "io";
    case FaultKind::kReadOnly:
      return "read-only";
    case FaultKind::kUnmapped:
      return "unmapped";
  }
  return "io";
}

}  // namespace

napi_value make_faults(napi_env env, const std::vector<Fault>& faults) {
  napi_value array = nullptr;
  if (napi_create_array(env, &array) != napi_ok) return nullptr;
  for (size_t i = 0; i < faults.size(); i++) {
    napi_value object = nullptr;
    if (napi_create_object(env, &object) != napi_ok) return nullptr;
    set_number(env, object, "offset", static_cast<double>(faults[i].offset));
    set_number(env, object, "length", static_cast<double>(faults[i].length));
    napi_value kind = make_string(env, name_of(faults[i].kind));
    if (kind == nullptr || napi_set_named_property(env, object, "kind", kind) != napi_ok ||
        napi_set_element(env, array, static_cast<uint32_t>(i), object) != napi_ok) {
      return nullptr;
    }
  }
  return array;
}

napi_value raise_of(napi_env env, const Failure& failure, const Region& region) {
  if (failure.reason != Reason::kFault) return raise(env, failure);
  napi_value error = make_error(env, failure);
  napi_value faults = make_faults(env, region.faults());
  if (error == nullptr || faults == nullptr) return nullptr;
  napi_set_named_property(env, error, "faults", faults);
  napi_throw(env, error);
  return nullptr;
}

void report_faults(napi_env env, napi_value callback, void* context, void*) {
  if (env == nullptr || callback == nullptr) return;  // the environment is going away
  for (const WarnedRegion& warned : regions_to_warn_of(context)) {
    napi_value arguments[2] = {make_string(env, warned.path.c_str()),
                               make_faults(env, warned.faults)};
    if (arguments[0] == nullptr || arguments[1] == nullptr) return;
    call_back(env, callback, 2, arguments);
  }
}

}  // namespace memmap::binding
