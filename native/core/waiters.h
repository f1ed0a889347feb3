// Waits that block no thread of the program: threads of ours sleep on the words, many words to a thread
// (futex_waitv(2), Linux 5.16), and report to the owner of each wait.
//
//   start() ---> a slot of a waiter thread ---> the owner's settled(), once
//                     |
//                     +-- cancel(), forget(), leave(): the slot is stale until its thread has come
//                         back from the kernel and dropped it
//
// A stale slot may still be woken in the kernel, in somebody else's place: its thread passes the wake on.
//
// The kernel tells one of the words that were woken, the last. So the first waits have a thread each, for
// which that is exact; further ones share threads, and there a word that was woken beside another one is
// known by its value, which has changed. (Who notifies without a change may not be heard there.) Where
// futex_waitv is missing or forbidden, every wait has a thread, which looks up every 100 ms.
#pragma once

#include <cstdint>

#include "core/futex.h"

namespace memmap::waiters {

class Owner {
 public:
  // On any thread, under a lock: it may take locks of its own and call nothing of this file.
  virtual void settled(uint64_t id, Outcome outcome) = 0;

 protected:
  ~Owner() = default;
};

// The wait's id. The word was found good, and to have the value.
Result<uint64_t> start(Owner* owner, const Word& word, uint32_t value, int64_t deadline);
// Of one's own waits. True: it will not be settled any more. False: it has been.
bool cancel(const Owner* owner, uint64_t id);
// futex(2)'s FUTEX_WAKE, for waits that are still on their way into the kernel too. How many, or -1.
int notify(const Word& word, int count);
// Ends the waits in a region, from an address on, before it is unmapped there; returns when no thread
// sleeps there any more.
void leave(const Region& region, uintptr_t from = 0);
// Other memory is mapped at the region's addresses than before: threads that sleep on words of it look at
// them again, and sleep on what is there now.
void look_again(const Region& region);
// The guard has replaced pages, somewhere: waits on words of such pages end.
void pages_lost();
// The owner is going away. None of its waits will be settled any more.
void forget(Owner* owner);
void reset_after_fork();
// Whether the kernel has futex_waitv(2), and lets us call it.
bool has_waitv();

}  // namespace memmap::waiters
