// What the add-on keeps for one JavaScript environment (the main thread, or one worker): never shared
// between environments, only used on their own thread.
#pragma once

#include <list>
#include <memory>
#include <unordered_map>

#include "binding/async_waits.h"
#include "binding/napi_help.h"
#include "core/mutex.h"
#include "core/region.h"

namespace memmap::binding {

struct Exposure;
// Lists, since a mapping may have a hundred thousand views, each to be taken out again.
using Exposures = std::list<Exposure*>;

class HandleTable;

class EnvState : public std::enable_shared_from_this<EnvState> {
 public:
  EnvState();
  ~EnvState();
  static void attach(napi_env env);
  static EnvState* of(napi_env env);

  napi_env env = nullptr;
  napi_ref make_error = nullptr;  // errors.ts: the one place where errors are made
  uint64_t max_buffer = 0;        // bytes of the runtime's largest ArrayBuffer

  uint64_t next_borrower = 1;
  HandleTable* const handles;  // ends itself

  bool ends_first = false;      // a worker: before the process does
  napi_ref sentinel = nullptr;  // exposure.cc
  uint64_t newest_sentinel = 0;

  // ArrayBuffers of this environment over our memory, by the address of their first byte (several may
  // have the same) and by region.
  std::unordered_map<const void*, Exposures> by_data;
  std::unordered_map<const void*, Exposures> by_region;

  AsyncWaits waits;
  Participants participants;

  // Listens for faults; the user's process warning is sent from here.
  bool listen(napi_value callback);

 private:
  static void detach(void* data);  // the environment's cleanup hook
  napi_threadsafe_function notifier_ = nullptr;
};

}  // namespace memmap::binding
