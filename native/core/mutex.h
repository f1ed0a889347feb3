// The Mutex of memmap/sync in one thread of this process. The algorithm and the layout are those of
// include/memmap_sync.h, which programs in C use too; here they meet mappings, which can be unmapped, slid
// and resized, and threads that end.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <vector>

#include "core/futex.h"
#include "core/mapping.h"
#include "core/result.h"
#include "memmap_sync.h"

namespace memmap {

// A thread that locks, on the memory of one file: an id, and the descriptor whose lock says that it lives.
class Participant {
 public:
  static Result<std::shared_ptr<Participant>> join(const Mapping& mapping);
  ~Participant();
  Participant(const Participant&) = delete;
  Participant& operator=(const Participant&) = delete;
  const memmap_participant& id() const { return me_; }

 private:
  Participant() = default;
  memmap_participant me_ = {-1, 0};
};

class Mutex;

// What one environment has: of each memory one participant, so that a lock taken through one object is
// known to be this thread's through another.
class Participants {
 public:
  // The same number for the same memory. Anonymous memory has no file and is known by its mapping.
  using Key = std::pair<uint64_t, uint64_t>;
  // `borrower`: of the mapping's handle (binding/mapping_handle.h), if it ends before the mapping does.
  Result<std::shared_ptr<Mutex>> open(const std::shared_ptr<Mapping>& mapping, uint64_t offset,
                                      uint64_t borrower);
  void end_borrowed(uint64_t borrower);
  // The environment ends: what is held is given to the next owner, who is told.
  void end();

 private:
  void sweep();

  std::map<Key, std::weak_ptr<Participant>> participants_;
  struct Opened {
    std::weak_ptr<Mutex> mutex;
    uint64_t borrower;
  };
  std::vector<Opened> mutexes_;
};

enum class Owner : int { kNobody, kThisThread, kAlive, kDead };
enum class Locked : int { kYes, kOwnerDied, kBusy, kMine, kTimedOut };

class Mutex : public MappingUser, public std::enable_shared_from_this<Mutex> {
 public:
  Mutex(std::shared_ptr<Mapping> mapping, uint64_t position, std::string key,
        std::shared_ptr<Participant> participant)
      : mapping_(std::move(mapping)),
        position_(position),
        key_(std::move(key)),
        participant_(std::move(participant)) {}

  // The same for every Mutex on this word in this environment.
  const std::string& key() const { return key_; }

  // kYes, kOwnerDied, kBusy, kMine. `slept`: this call follows a wait.
  Result<Locked> try_lock(bool slept);
  // Waits until the deadline. kYes, kOwnerDied, kMine, kTimedOut.
  Result<Locked> lock(int64_t deadline);
  // For who waits without blocking: the word and the value to wait on; the value is 0 when it is free.
  Result<std::pair<Word, uint32_t>> announce();
  Result<Owner> owner();
  // Wakes one that waits, in the place of a waiter that was woken and does not want it any more.
  void pass_on();
  Failure unlock();

  // The mapping is about to be unmapped, or the environment ends: a lock that is held counts as left by a
  // dead owner. Nothing more is done through this object.
  void mapping_ends() override;

 private:
  Result<Word> word() const;
  template <class F>
  std::invoke_result_t<F, const Word&> on_word(F act);
  Result<Word> word_of_file() const;
  void give_up();
  Result<Locked> locked(int error, const Word& word);

  const std::shared_ptr<Mapping> mapping_;
  const uint64_t position_;  // in the file: a slide moves the window, not the lock
  const std::string key_;

  std::mutex mutex_;                          // guards what follows; never held while waiting
  std::shared_ptr<Participant> participant_;  // null: ended
  // While it is locked: whoever holds the lock lives, even if nobody looks at this object any more.
  std::shared_ptr<Mutex> self_;
};

}  // namespace memmap
