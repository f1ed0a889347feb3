#include "binding/functions.h"
#include "binding/mapping_handle.h"

namespace memmap::binding {
namespace {

// [offset, length, offset, length, ...] relative to the mapping, each pair within it.
bool read_ranges(napi_env env, napi_value value, const Mapping& mapping,
                 std::vector<FileRange>* ranges) {
  bool is_array = false;
  uint32_t count = 0;
  if (value == nullptr || napi_is_array(env, value, &is_array) != napi_ok || !is_array) {
    return false;
  }
  if (napi_get_array_length(env, value, &count) != napi_ok || count % 2 != 0) return false;
  for (uint32_t i = 0; i < count; i += 2) {
    napi_value numbers[2] = {};
    FileRange range = {};
    if (napi_get_element(env, value, i, &numbers[0]) != napi_ok ||
        napi_get_element(env, value, i + 1, &numbers[1]) != napi_ok ||
        !to_size(env, numbers[0], mapping.length(), &range.offset) ||
        !to_size(env, numbers[1], mapping.length() - range.offset, &range.length)) {
      return false;
    }
    ranges->push_back(range);
  }
  return true;
}

// One run of a flush on a pool thread. Deleted in its completion, which Node calls in any case.
struct FlushWork {
  FlushJob job;
  Failure failure;
  napi_deferred deferred = nullptr;
  napi_async_work work = nullptr;
};

void execute(napi_env, void* data) {
  auto* work = static_cast<FlushWork*>(data);
  work->failure = work->job.run();
}

void complete(napi_env env, napi_status status, void* data) {
  std::unique_ptr<FlushWork> work(static_cast<FlushWork*>(data));
  napi_value result = nullptr;
  if (status == napi_ok && !work->failure) {
    if (napi_get_undefined(env, &result) == napi_ok) {
      napi_resolve_deferred(env, work->deferred, result);
    }
  } else {
    const Failure failure = status == napi_ok ? work->failure : Failure::of(Reason::kClosed);
    result = make_error(env, failure);
    if (result != nullptr) napi_reject_deferred(env, work->deferred, result);
  }
  napi_delete_async_work(env, work->work);
}

}  // namespace

// (handle, ranges) -> job. Takes hold of the file and of the range in it, so that nothing which happens
// to the mapping before the job runs changes what it writes.
napi_value prepare_flush(napi_env env, napi_callback_info info) {
  Arguments<2> arg(env, info);
  const auto mapping = arg.ok ? mapping_of(env, arg[0]) : nullptr;
  if (mapping == nullptr) return nullptr;
  std::vector<FileRange> ranges;
  if (!read_ranges(env, arg[1], *mapping, &ranges)) {
    return raise_argument(env, "prepareFlush(handle, ranges)");
  }
  auto job = mapping->flush(ranges);
  if (!job.ok()) return raise(env, job.failure());
  return wrap(env, kFlushTag, std::make_shared<FlushJob>(std::move(job.value())));
}

// (job) -> Promise
napi_value run_flush(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  auto job = arg.ok ? unwrap<FlushJob>(env, kFlushTag, arg[0]) : nullptr;
  if (job == nullptr || job->taken) return raise_argument(env, "not a flush that has yet to run");
  napi_value promise = nullptr;
  napi_value name = make_string(env, "memmap:flush");
  auto work = std::make_unique<FlushWork>();
  // Out of its handle, which lives until it is collected: the file is let go of when the flush ends.
  work->job = std::move(*job);
  job->taken = true;
  if (name == nullptr || napi_create_promise(env, &work->deferred, &promise) != napi_ok ||
      napi_create_async_work(env, nullptr, name, execute, complete, work.get(), &work->work) !=
          napi_ok) {
    return nullptr;
  }
  if (napi_queue_async_work(env, work->work) != napi_ok) {
    napi_delete_async_work(env, work->work);
    return nullptr;
  }
  work.release();
  return promise;
}

// (handle, offset, length)
napi_value flush_sync(napi_env env, napi_callback_info info) {
  Arguments<3> arg(env, info);
  const auto mapping = arg.ok ? mapping_of(env, arg[0]) : nullptr;
  if (mapping == nullptr) return nullptr;
  FileRange range = {};
  if (!to_size(env, arg[1], mapping->length(), &range.offset) ||
      !to_size(env, arg[2], mapping->length() - range.offset, &range.length)) {
    return raise(env, Failure::of(Reason::kOutOfRange, "outside the mapping"));
  }
  const Failure failure = mapping->flush_now(range);
  return failure ? raise(env, failure) : nullptr;
}

}  // namespace memmap::binding
