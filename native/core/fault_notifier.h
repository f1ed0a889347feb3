// Carries the news of a fault out of the signal handler: the handler raises a counter and wakes a
// thread (both are system calls that a handler may make), and the thread calls the listeners.
#pragma once

namespace memmap::notifier {

void start();
void signal_fault();  // async-signal-safe
void add(void (*callback)(void*), void* data);
void remove(void* data);
void reset_after_fork();

}  // namespace memmap::notifier
