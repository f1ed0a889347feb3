// A helper of the tests, not of the package: fork(2), which Node does not have.
//
// Node is a program of many threads, and fork() copies the calling one alone: a lock that another
// thread held stays locked in the child for ever. So a child here does what POSIX allows after
// such a fork and no more, async-signal-safe calls and plain loads and stores, and ends with
// _exit(2). It never returns to JavaScript. All that it needs is taken from Node-API before the
// fork.

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>

#include <fcntl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <node_api.h>

namespace {

// A child that hangs is ended by the kernel, and the test sees SIGALRM instead of waiting for ever.
constexpr unsigned kChildSeconds = 30;

// --- Node-API, every status looked at ------------------------------------------------------------

// Ends the current function in a JavaScript exception when a call of Node-API did not do its work.
#define NAPI_TRY(env, call)                           \
  do {                                                \
    const napi_status napi_try_status = (call);       \
    if (napi_try_status != napi_ok) {                 \
      return FailNapi((env), napi_try_status, #call); \
    }                                                 \
  } while (false)

napi_value FailNapi(napi_env env, napi_status status, const char* call) {
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending) return nullptr;
  if (status == napi_pending_exception) return nullptr;
  // Nothing is left to do if even this fails: the environment is going away.
  (void)napi_throw_error(env, "ERR_FORK_HELPER", call);
  return nullptr;
}

napi_value FailArgument(napi_env env, const char* message) {
  NAPI_TRY(env, napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message));
  return nullptr;
}

napi_value FailRange(napi_env env, const char* message) {
  NAPI_TRY(env, napi_throw_range_error(env, "ERR_OUT_OF_RANGE", message));
  return nullptr;
}

napi_value FailSystem(napi_env env, const char* syscall) {
  NAPI_TRY(env, napi_throw_error(env, syscall, strerror(errno)));
  return nullptr;
}

napi_value Int(napi_env env, int32_t number) {
  napi_value value = nullptr;
  NAPI_TRY(env, napi_create_int32(env, number, &value));
  return value;
}

template <size_t N>
bool Arguments(napi_env env, napi_callback_info info, napi_value (&values)[N]) {
  size_t count = N;
  const napi_status status = napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  if (status != napi_ok) {
    FailNapi(env, status, "napi_get_cb_info");
    return false;
  }
  if (count < N) {
    FailArgument(env, "too few arguments");
    return false;
  }
  return true;
}

// A number that is a place in `length` items, or an exception.
bool Index(napi_env env, napi_value value, size_t length, size_t* index) {
  int64_t number = 0;
  if (napi_get_value_int64(env, value, &number) != napi_ok) {
    FailArgument(env, "a number was expected");
    return false;
  }
  if (number < 0 || static_cast<uint64_t>(number) >= length) {
    FailRange(env, "the index is outside of the memory");
    return false;
  }
  *index = static_cast<size_t>(number);
  return true;
}

struct Memory {
  void* data = nullptr;
  size_t length = 0;  // elements
};

// The memory behind a typed array of one kind. It is not kept: a child has a copy of the address
// space, and whatever the parent does to its own mapping later does not reach it.
bool TypedMemory(napi_env env, napi_value value, napi_typedarray_type wanted, Memory* memory) {
  napi_typedarray_type type = napi_int8_array;
  bool is_array = false;
  if (napi_is_typedarray(env, value, &is_array) != napi_ok || !is_array ||
      napi_get_typedarray_info(env, value, &type, &memory->length, &memory->data, nullptr,
                               nullptr) != napi_ok ||
      type != wanted) {
    FailArgument(env, wanted == napi_int32_array ? "an Int32Array was expected"
                                                 : "a Uint8Array was expected");
    return false;
  }
  return true;
}

bool ByteAt(napi_env env, napi_value array, napi_value offset, volatile uint8_t** byte) {
  Memory memory;
  size_t index = 0;
  if (!TypedMemory(env, array, napi_uint8_array, &memory)) return false;
  if (!Index(env, offset, memory.length, &index)) return false;
  *byte = static_cast<volatile uint8_t*>(memory.data) + index;
  return true;
}

// --- The fork itself -----------------------------------------------------------------------------

// Runs `child` in a forked process and ends that with the code it returns.
template <typename Child>
pid_t Fork(Child child) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  sigset_t alarms;
  sigemptyset(&alarms);
  sigaddset(&alarms, SIGALRM);
  sigprocmask(SIG_UNBLOCK, &alarms, nullptr);
  alarm(kChildSeconds);
  _exit(child());
}

// forkAdd(cells: Int32Array, index: number, times: number, atomic: boolean): number
napi_value ForkAdd(napi_env env, napi_callback_info info) {
  napi_value values[4];
  Memory memory;
  size_t index = 0;
  int64_t times = 0;
  bool atomic = false;
  if (!Arguments(env, info, values)) return nullptr;
  if (!TypedMemory(env, values[0], napi_int32_array, &memory)) return nullptr;
  if (!Index(env, values[1], memory.length, &index)) return nullptr;
  NAPI_TRY(env, napi_get_value_int64(env, values[2], &times));
  NAPI_TRY(env, napi_get_value_bool(env, values[3], &atomic));

  // volatile: without it the compiler makes one addition of the thousand.
  volatile int32_t* cell = static_cast<volatile int32_t*>(memory.data) + index;
  const pid_t pid = Fork([=] {
    for (int64_t i = 0; i < times; i++) {
      if (atomic) {
        __atomic_fetch_add(cell, 1, __ATOMIC_SEQ_CST);
      } else {
        *cell = *cell + 1;
      }
    }
    return 0;
  });
  if (pid < 0) return FailSystem(env, "fork");
  return Int(env, pid);
}

// forkWrite(bytes: Uint8Array, offset: number, byte: number): number
napi_value ForkWrite(napi_env env, napi_callback_info info) {
  napi_value values[3];
  volatile uint8_t* byte = nullptr;
  uint32_t wanted = 0;
  if (!Arguments(env, info, values)) return nullptr;
  if (!ByteAt(env, values[0], values[1], &byte)) return nullptr;
  NAPI_TRY(env, napi_get_value_uint32(env, values[2], &wanted));

  const pid_t pid = Fork([=] {
    *byte = static_cast<uint8_t>(wanted);
    // What the child wrote it must read back, or its store went nowhere.
    return *byte == static_cast<uint8_t>(wanted) ? 0 : 1;
  });
  if (pid < 0) return FailSystem(env, "fork");
  return Int(env, pid);
}

// forkTouch(bytes: Uint8Array, offset: number): number
// The byte may lie past the end of a file that was truncated, or on a page that is gone: whether
// the child lives through that is what the caller wants to know.
napi_value ForkTouch(napi_env env, napi_callback_info info) {
  napi_value values[2];
  volatile uint8_t* byte = nullptr;
  if (!Arguments(env, info, values)) return nullptr;
  if (!ByteAt(env, values[0], values[1], &byte)) return nullptr;

  const pid_t pid = Fork([=] {
    (void)*byte;
    return 0;
  });
  if (pid < 0) return FailSystem(env, "fork");
  return Int(env, pid);
}

// forkRead(bytes: Uint8Array, offset: number): { pid: number, go: number }
// The child waits until something is written to the descriptor `go`, or it is closed, and then
// exits with the byte as its code. So the parent decides what happens between fork and look.
napi_value ForkRead(napi_env env, napi_callback_info info) {
  napi_value values[2];
  volatile uint8_t* byte = nullptr;
  if (!Arguments(env, info, values)) return nullptr;
  if (!ByteAt(env, values[0], values[1], &byte)) return nullptr;

  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return FailSystem(env, "pipe2");
  const pid_t pid = Fork([=] {
    close(ends[1]);  // or its own copy would keep the pipe from ever ending
    char signal_byte = 0;
    ssize_t got = 0;
    do {
      got = read(ends[0], &signal_byte, 1);
    } while (got < 0 && errno == EINTR);
    return static_cast<int>(*byte);
  });
  const int fork_errno = errno;
  close(ends[0]);
  if (pid < 0) {
    close(ends[1]);
    errno = fork_errno;
    return FailSystem(env, "fork");
  }

  napi_value result = nullptr;
  NAPI_TRY(env, napi_create_object(env, &result));
  napi_value pid_value = Int(env, pid);
  if (pid_value == nullptr) return nullptr;
  napi_value go_value = Int(env, ends[1]);
  if (go_value == nullptr) return nullptr;
  NAPI_TRY(env, napi_set_named_property(env, result, "pid", pid_value));
  NAPI_TRY(env, napi_set_named_property(env, result, "go", go_value));
  return result;
}

// waitPid(pid: number): { code: number | null, signal: number | null }
// Blocks: a child ends by itself, or by its alarm.
napi_value WaitPid(napi_env env, napi_callback_info info) {
  napi_value values[1];
  int32_t pid = 0;
  if (!Arguments(env, info, values)) return nullptr;
  NAPI_TRY(env, napi_get_value_int32(env, values[0], &pid));
  // 0 and -1 mean any child, and would take one that Node itself waits for.
  if (pid <= 0) return FailRange(env, "a pid is positive");

  int status = 0;
  pid_t waited = 0;
  do {
    waited = waitpid(pid, &status, 0);
  } while (waited < 0 && errno == EINTR);
  if (waited < 0) return FailSystem(env, "waitpid");

  napi_value result = nullptr;
  napi_value code = nullptr;
  napi_value signal = nullptr;
  NAPI_TRY(env, napi_create_object(env, &result));
  NAPI_TRY(env, napi_get_null(env, &code));
  NAPI_TRY(env, napi_get_null(env, &signal));
  if (WIFEXITED(status)) {
    NAPI_TRY(env, napi_create_int32(env, WEXITSTATUS(status), &code));
  } else {
    NAPI_TRY(env, napi_create_int32(env, WTERMSIG(status), &signal));
  }
  NAPI_TRY(env, napi_set_named_property(env, result, "code", code));
  NAPI_TRY(env, napi_set_named_property(env, result, "signal", signal));
  return result;
}

napi_value Export(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function = nullptr;
  NAPI_TRY(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function));
  NAPI_TRY(env, napi_set_named_property(env, exports, name, function));
  return exports;
}

}  // namespace

NAPI_MODULE_INIT() {
  const struct {
    const char* name;
    napi_callback callback;
  } functions[] = {{"forkAdd", ForkAdd},
                   {"forkWrite", ForkWrite},
                   {"forkTouch", ForkTouch},
                   {"forkRead", ForkRead},
                   {"waitPid", WaitPid}};
  for (const auto& entry : functions) {
    if (Export(env, exports, entry.name, entry.callback) == nullptr) return nullptr;
  }
  return exports;
}
