#include "binding/functions.h"
#include "binding/mapping_handle.h"
#include "binding/pool_task.h"

namespace memmap::binding {
namespace {

// [offset, length, offset, length, ...] relative to the mapping, each pair within it.
bool read_ranges(napi_env env, napi_value value, const Mapping& mapping,
                 std::vector<FileRange>* ranges) {
  const uint64_t total = mapping.length();
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
        !to_size(env, numbers[0], total, &range.offset) ||
        !to_size(env, numbers[1], total - range.offset, &range.length)) {
      return false;
    }
    ranges->push_back(range);
  }
  return true;
}

}  // namespace

// (job, handle, ranges or undefined): a new object becomes the job. Takes hold of the file and of the range in it, so
// that nothing which happens to the mapping before the job runs changes what it writes.
napi_value prepare_flush(napi_env env, napi_callback_info info) {
  Arguments<3> arg(env, info);
  auto* mapping = arg.ok ? mapping_of(env, arg[1]) : nullptr;
  if (mapping == nullptr) return nullptr;
  std::vector<FileRange> ranges;
  const bool whole = type_of(env, arg[2]) == napi_undefined;
  if (!whole && !read_ranges(env, arg[2], *mapping, &ranges)) {
    return raise_argument(env, "prepareFlush(job, handle, ranges)");
  }
  auto job = mapping->flush(ranges, whole);
  if (!job.ok()) return raise(env, job.failure());
  return wrap(env, arg[0], kFlushHandle, std::move(job.value()));
}

// (job) -> Promise
napi_value run_flush(napi_env env, napi_callback_info info) {
  Arguments<1> arg(env, info);
  auto* job = arg.ok ? unwrap<FlushJob>(env, kFlushHandle, arg[0]) : nullptr;
  if (job == nullptr || job->taken) return raise_argument(env, "not a flush that has yet to run");
  // Out of its handle, which lives until it is collected: the file is let go of when the flush ends.
  auto own = std::make_shared<FlushJob>(std::move(*job));
  job->taken = true;
  return run_on_pool(env, "memmap:flush", [own] { return own->run(); });
}

// (handle, offset, length), or (handle): the whole, with the windows that slides left behind
napi_value flush_sync(napi_env env, napi_callback_info info) {
  Arguments<3> arg(env, info);
  auto* mapping = arg.ok ? mapping_of(env, arg[0]) : nullptr;
  if (mapping == nullptr) return nullptr;
  const bool whole = type_of(env, arg[1]) == napi_undefined;
  FileRange range = {0, mapping->length()};
  const uint64_t total = range.length;
  if (!whole && (!to_size(env, arg[1], total, &range.offset) ||
                 !to_size(env, arg[2], total - range.offset, &range.length))) {
    return raise(env, Failure::of(Reason::kOutOfRange, "outside the mapping"));
  }
  const Failure failure = mapping->flush_now(range, whole);
  return failure ? raise(env, failure) : nullptr;
}

}  // namespace memmap::binding
