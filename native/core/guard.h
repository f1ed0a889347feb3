// The guard: a handler for SIGBUS and SIGSEGV that puts usable pages where a region of ours cannot be
// touched, so that a truncated file, a full disk, a write to a read-only page or a use after unmap costs
// an error, not the process.
//
// After systemd's sigbus.c. It never jumps out of the handler: JavaScript frames would be left torn.
#pragma once

#include <cstdint>

namespace memmap::guard {

// Only before the first mapping: false when there has been one.
bool set_enabled(bool on);
bool enabled();

// At the first mapping of the process.
void install_once();
// Takes the two signals back when somebody has replaced our handler, and remembers whoever that was
// as the one to call for faults that are not ours. Idempotent.
void reinstall();

// Calls `callback` on a thread of the guard's own after faults; several faults may be one call.
// Never from the handler, which may take no lock. One listener for each environment.
using Callback = void (*)(void* data);
void add_listener(Callback callback, void* data);
// After it returns the callback does not run and will not.
void remove_listener(void* data);

}  // namespace memmap::guard
