// The native functions, by the file that holds them; addon.cc puts them into the exports.
#pragma once

#include <napi.h>

namespace memmap::binding {

// mapping_functions.cc
napi_value map_file(napi_env env, napi_callback_info info);
napi_value map_anonymous(napi_env env, napi_callback_info info);
napi_value buffer_of(napi_env env, napi_callback_info info);
napi_value shared_buffer_of(napi_env env, napi_callback_info info);
napi_value mapping_behind(napi_env env, napi_callback_info info);
napi_value access_of(napi_env env, napi_callback_info info);
napi_value offset_of(napi_env env, napi_callback_info info);
napi_value length_of(napi_env env, napi_callback_info info);
napi_value is_closed(napi_env env, napi_callback_info info);
napi_value faults_of(napi_env env, napi_callback_info info);
napi_value unmap(napi_env env, napi_callback_info info);

// flush_functions.cc
napi_value prepare_flush(napi_env env, napi_callback_info info);
napi_value run_flush(napi_env env, napi_callback_info info);
napi_value flush_sync(napi_env env, napi_callback_info info);

// window_functions.cc
napi_value resize(napi_env env, napi_callback_info info);
napi_value slide(napi_env env, napi_callback_info info);
napi_value refresh(napi_env env, napi_callback_info info);

// page_functions.cc
napi_value advise(napi_env env, napi_callback_info info);
napi_value protect(napi_env env, napi_callback_info info);
napi_value sync(napi_env env, napi_callback_info info);
napi_value lock(napi_env env, napi_callback_info info);
napi_value unlock(napi_env env, napi_callback_info info);
napi_value residency(napi_env env, napi_callback_info info);
napi_value prefetch(napi_env env, napi_callback_info info);
napi_value usage(napi_env env, napi_callback_info info);

// memory_functions.cc
napi_value create_memory(napi_env env, napi_callback_info info);
napi_value create_named(napi_env env, napi_callback_info info);
napi_value open_named_memory(napi_env env, napi_callback_info info);
napi_value create_memfd(napi_env env, napi_callback_info info);
napi_value open_shm(napi_env env, napi_callback_info info);
napi_value unlink_shm(napi_env env, napi_callback_info info);
napi_value add_seals_to(napi_env env, napi_callback_info info);
napi_value get_seals_of(napi_env env, napi_callback_info info);
napi_value descriptor_of(napi_env env, napi_callback_info info);
napi_value identify_descriptor(napi_env env, napi_callback_info info);
napi_value set_close_on_exec(napi_env env, napi_callback_info info);

// sync_functions.cc
napi_value wait_on(napi_env env, napi_callback_info info);
napi_value notify_on(napi_env env, napi_callback_info info);
napi_value listen_for_waits(napi_env env, napi_callback_info info);
napi_value start_wait(napi_env env, napi_callback_info info);
napi_value cancel_wait(napi_env env, napi_callback_info info);
napi_value ref_waits(napi_env env, napi_callback_info info);
napi_value has_waitv(napi_env env, napi_callback_info info);

// mutex_functions.cc
napi_value open_mutex(napi_env env, napi_callback_info info);
napi_value mutex_key(napi_env env, napi_callback_info info);
napi_value mutex_try(napi_env env, napi_callback_info info);
napi_value mutex_lock(napi_env env, napi_callback_info info);
napi_value mutex_start_wait(napi_env env, napi_callback_info info);
napi_value mutex_owner(napi_env env, napi_callback_info info);
napi_value mutex_pass_on(napi_env env, napi_callback_info info);
napi_value mutex_unlock(napi_env env, napi_callback_info info);

// posix_functions.cc
napi_value posix_mmap(napi_env env, napi_callback_info info);
napi_value posix_munmap(napi_env env, napi_callback_info info);
napi_value posix_mremap(napi_env env, napi_callback_info info);
napi_value posix_ftruncate(napi_env env, napi_callback_info info);

// process_functions.cc
napi_value configure(napi_env env, napi_callback_info info);
napi_value process_stats(napi_env env, napi_callback_info info);
napi_value enable_guard(napi_env env, napi_callback_info info);
napi_value reinstall_guard(napi_env env, napi_callback_info info);
napi_value make_constants(napi_env env);

}  // namespace memmap::binding
