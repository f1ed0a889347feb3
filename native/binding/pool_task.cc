#include "binding/pool_task.h"

#include "binding/errors.h"

namespace memmap::binding {
namespace {

// Deleted in its completion, which the runtime calls in any case.
struct PoolTask {
  std::function<Failure()> work;
  Failure failure;
  napi_deferred deferred = nullptr;
  napi_async_work handle = nullptr;
};

void execute(napi_env, void* data) {
  auto* task = static_cast<PoolTask*>(data);
  task->failure = task->work();
}

void complete(napi_env env, napi_status status, void* data) {
  std::unique_ptr<PoolTask> task(static_cast<PoolTask*>(data));
  napi_value result = nullptr;
  if (status == napi_ok && !task->failure) {
    if (napi_get_undefined(env, &result) == napi_ok) {
      napi_resolve_deferred(env, task->deferred, result);
    }
  } else {
    const Failure failure = status == napi_ok ? task->failure : Failure::of(Reason::kClosed);
    result = make_error(env, failure);
    if (result != nullptr) napi_reject_deferred(env, task->deferred, result);
  }
  napi_delete_async_work(env, task->handle);
}

}  // namespace

napi_value run_on_pool(napi_env env, const char* name, std::function<Failure()> work) {
  napi_value promise = nullptr;
  napi_value label = make_string(env, name);
  auto task = std::make_unique<PoolTask>();
  task->work = std::move(work);
  if (label == nullptr || napi_create_promise(env, &task->deferred, &promise) != napi_ok ||
      napi_create_async_work(env, nullptr, label, execute, complete, task.get(), &task->handle) !=
          napi_ok) {
    return nullptr;
  }
  if (napi_queue_async_work(env, task->handle) != napi_ok) {
    napi_delete_async_work(env, task->handle);
    return nullptr;
  }
  task.release();
  return promise;
}

}  // namespace memmap::binding
