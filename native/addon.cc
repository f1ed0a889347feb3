// The exports of the add-on. Loaded once for each environment: the main thread, and every worker.
#include <napi.h>

#include "binding/env_state.h"
#include "binding/functions.h"

namespace {

using namespace memmap::binding;

// node-addon-api's property descriptors, over plain callbacks: see binding/napi_help.h for why the
// functions themselves use Node-API directly.
napi_property_descriptor method(const char* name, napi_callback callback) {
  return {name, nullptr, callback, nullptr, nullptr, nullptr, napi_enumerable, nullptr};
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  EnvState::attach(env);
  const napi_property_descriptor properties[] = {
      method("mapFile", map_file),
      method("mapAnonymous", map_anonymous),
      method("bufferOf", buffer_of),
      method("sharedBufferOf", shared_buffer_of),
      method("mappingBehind", mapping_behind),
      method("accessOf", access_of),
      method("offsetOf", offset_of),
      method("lengthOf", length_of),
      method("isClosed", is_closed),
      method("faultsOf", faults_of),
      method("unmap", unmap),
      method("prepareFlush", prepare_flush),
      method("runFlush", run_flush),
      method("flushSync", flush_sync),
      method("resize", resize),
      method("slide", slide),
      method("refresh", refresh),
      method("advise", advise),
      method("protect", protect),
      method("sync", sync),
      method("lock", lock),
      method("unlock", unlock),
      method("residency", residency),
      method("prefetch", prefetch),
      method("usage", usage),
      method("createMemory", create_memory),
      method("createNamed", create_named),
      method("openNamed", open_named_memory),
      method("memfdCreate", create_memfd),
      method("shmOpen", open_shm),
      method("shmUnlink", unlink_shm),
      method("addSeals", add_seals_to),
      method("getSeals", get_seals_of),
      method("descriptorOf", descriptor_of),
      method("identify", identify_descriptor),
      method("setCloseOnExec", set_close_on_exec),
      method("wait", wait_on),
      method("notify", notify_on),
      method("listenForWaits", listen_for_waits),
      method("startWait", start_wait),
      method("cancelWait", cancel_wait),
      method("refWaits", ref_waits),
      method("hasWaitv", has_waitv),
      method("openMutex", open_mutex),
      method("mutexOwner", mutex_owner),
      method("mutexKey", mutex_key),
      method("mutexTry", mutex_try),
      method("mutexLock", mutex_lock),
      method("mutexStartWait", mutex_start_wait),
      method("mutexPassOn", mutex_pass_on),
      method("mutexUnlock", mutex_unlock),
      method("mmap", posix_mmap),
      method("munmap", posix_munmap),
      method("mremap", posix_mremap),
      method("ftruncate", posix_ftruncate),
      method("configure", configure),
      method("stats", process_stats),
      method("enableGuard", enable_guard),
      method("reinstallGuard", reinstall_guard),
  };
  napi_define_properties(env, exports, std::size(properties), properties);
  napi_value constants = make_constants(env);
  if (constants != nullptr) napi_set_named_property(env, exports, "constants", constants);
  return exports;
}

}  // namespace

NODE_API_MODULE(memmap, init)
