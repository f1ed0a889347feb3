// SharedArrayBuffers over our memory, where the runtime can make them.
#pragma once

#include <memory>

#include "binding/napi_help.h"
#include "core/mapping.h"

namespace memmap::binding {

// Null with an exception pending: ERR_FEATURE_UNAVAILABLE where the runtime cannot.
napi_value expose_shared(napi_env env, const std::shared_ptr<Mapping>& mapping);

}  // namespace memmap::binding
