// Faults on their way to JavaScript.
#pragma once

#include <vector>

#include "binding/napi_help.h"
#include "core/incident.h"
#include "core/region.h"

namespace memmap::binding {

// [{ offset, length, kind }, ...]; null when the environment is going away.
napi_value make_faults(napi_env env, const std::vector<Fault>& faults);

// Raises the failure of a call on a region that is no Mapping's, which nobody could ask: one of kFault
// carries the region's faults.
napi_value raise_of(napi_env env, const Failure& failure, const Region& region);

// The thread-safe function's callback: tells JavaScript of each region that has faulted for the first
// time since it was last told.
void report_faults(napi_env env, napi_value callback, void* context, void* data);

}  // namespace memmap::binding
