#include "core/mutex.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <type_traits>

#include "core/platform.h"
#include "core/stats.h"

namespace memmap {
namespace {

// In this process another thread may unmap the memory under a waiter.
constexpr int64_t kLookUp = MEMMAP_OWNER_CHECK;

uint32_t* writable(const Word& word) { return reinterpret_cast<uint32_t*>(word.address); }

Failure closed() { return Failure::of(Reason::kClosed); }

}  // namespace

Result<std::shared_ptr<Participant>> Participant::join(const Mapping& mapping) {
  std::shared_ptr<Participant> participant(new Participant);
  const auto file = mapping.file();
  // Anonymous memory: its participants are threads of this process, which says when they end.
  const int error = file == nullptr ? memmap_random_id(&participant->me_.id)
                                    : memmap_join(&participant->me_, file->fd());
  if (error != 0) {
    const char* syscall = error == EAGAIN ? "fcntl" : "open";
    return Failure::system(error, file == nullptr ? "getrandom" : syscall);
  }
  if (participant->me_.fd >= 0) g_stats.descriptors.fetch_add(1);
  return participant;
}

Participant::~Participant() {
  if (me_.fd >= 0) g_stats.descriptors.fetch_sub(1);
  memmap_leave(&me_);
}

Result<std::shared_ptr<Mutex>> Participants::open(const std::shared_ptr<Mapping>& mapping,
                                                  uint64_t offset, uint64_t borrower) {
  const auto file = mapping->file();
  Key key = {0, reinterpret_cast<uintptr_t>(mapping.get())};
  if (file != nullptr) {
    auto status = file->status();
    if (!status.ok()) return status.failure();
    key = {status.value().st_dev, status.value().st_ino};
  }
  const auto known = participants_.find(key);
  auto participant = known == participants_.end() ? nullptr : known->second.lock();
  if (participant == nullptr) {
    auto joined = Participant::join(*mapping);
    if (!joined.ok()) return joined.failure();
    participant = joined.value();
    participants_[key] = participant;
  }
  const uint64_t position = mapping->offset() + offset;
  const std::string name =
      std::to_string(key.first) + ":" + std::to_string(key.second) + ":" + std::to_string(position);
  auto mutex = std::make_shared<Mutex>(mapping, position, name, participant);
  if (!mapping->add_user(mutex)) return closed();
  // Doubling keeps the sweeps cheap.
  if (mutexes_.size() == mutexes_.capacity()) sweep();
  mutexes_.push_back({mutex, borrower});
  return mutex;
}

void Participants::sweep() {
  const auto gone = [](const Opened& opened) { return opened.mutex.expired(); };
  mutexes_.erase(std::remove_if(mutexes_.begin(), mutexes_.end(), gone), mutexes_.end());
  for (auto at = participants_.begin(); at != participants_.end();) {
    at = at->second.expired() ? participants_.erase(at) : std::next(at);
  }
}

void Participants::end_borrowed(uint64_t borrower) {
  for (const Opened& opened : mutexes_) {
    const auto mutex = opened.borrower == borrower ? opened.mutex.lock() : nullptr;
    if (mutex != nullptr) mutex->mapping_ends();
  }
}

void Participants::end() {
  for (const Opened& opened : mutexes_) {
    const auto mutex = opened.mutex.lock();
    if (mutex != nullptr) mutex->mapping_ends();
  }
  mutexes_.clear();
  participants_.clear();
}

Result<Word> Mutex::word() const { return mapping_->word_at(position_); }

// In a region of its own.
Result<Word> Mutex::word_of_file() const {
  const auto file = mapping_->file();
  if (file == nullptr) return closed();
  auto size = file->size();
  if (!size.ok()) return size.failure();
  if (position_ + sizeof(uint32_t) > size.value()) return Failure::of(Reason::kFault);
  RegionRequest request;
  request.page = file->page();
  request.length = request.page;
  request.prot = PROT_READ | PROT_WRITE;
  request.flags = MAP_SHARED;
  request.fd = file->fd();
  request.offset = round_down(position_, request.page);
  request.file = file;
  auto region = Region::map(request);
  if (!region.ok()) return region.failure();
  return Word{region.value(), region.value()->base() + (position_ - request.offset)};
}

Result<Locked> Mutex::locked(int error, const Word& word) {
  // A page that was replaced meanwhile is nobody's but ours: no lock.
  const Failure failure = futex::check(word);
  if (failure) return failure;
  switch (error) {
    case 0:
    case EOWNERDEAD:
      self_ = shared_from_this();
      return error == 0 ? Locked::kYes : Locked::kOwnerDied;
    case EBUSY:
      return Locked::kBusy;
    case EDEADLK:
      return Locked::kMine;
    case ETIMEDOUT:
      return Locked::kTimedOut;
    default:
      return Failure::system(error, "futex");
  }
}

// Calls `act` with the word, which stays where it is meanwhile and is found to be the file's.
template <class F>
std::invoke_result_t<F, const Word&> Mutex::on_word(F act) {
  std::lock_guard<std::mutex> held(mutex_);
  if (participant_ == nullptr) return closed();
  auto at = word();
  if (!at.ok()) return at.failure();
  RegionUse use(*at.value().region);
  const Failure failure = use ? futex::check(at.value()) : closed();
  if (failure) return failure;
  return act(at.value());
}

Result<Locked> Mutex::try_lock(bool slept) {
  return on_word([&](const Word& at) -> Result<Locked> {
    const uint32_t waiters = slept ? MEMMAP_WAITERS : 0;
    return locked(memmap_mutex_attempt(&participant_->id(), writable(at), waiters), at);
  });
}

Result<Locked> Mutex::lock(int64_t deadline) {
  for (bool slept = false;; slept = true) {
    auto got = try_lock(slept);
    if (!got.ok() || got.value() != Locked::kBusy) return got;
    auto to_wait = announce();
    if (!to_wait.ok()) return to_wait.failure();
    const auto& [at, value] = to_wait.value();
    if (value == 0) continue;
    const int64_t now = memmap_now();
    if (now >= deadline) return Locked::kTimedOut;
    RegionUse use(*at.region);
    if (!use) return closed();
    const timespec until = memmap_timespec(std::min(deadline, now + kLookUp));
    memmap_wait(at.pointer(), value, &until);
  }
}

Result<std::pair<Word, uint32_t>> Mutex::announce() {
  return on_word([](const Word& at) -> Result<std::pair<Word, uint32_t>> {
    return std::make_pair(at, memmap_mutex_announce(writable(at)));
  });
}

Result<Owner> Mutex::owner() {
  return on_word([&](const Word& at) -> Result<Owner> {
    const uint32_t owner = __atomic_load_n(at.pointer(), __ATOMIC_SEQ_CST) & MEMMAP_OWNER;
    if (owner == 0) return Owner::kNobody;
    if (owner == participant_->id().id) return Owner::kThisThread;
    return memmap_is_alive(&participant_->id(), owner) ? Owner::kAlive : Owner::kDead;
  });
}

void Mutex::pass_on() {
  auto at = word();
  if (at.ok()) futex::notify(at.value(), 1);
}

Failure Mutex::unlock() {
  return on_word([&](const Word& at) {
    self_.reset();
    const int error = memmap_mutex_release(writable(at), participant_->id().id, 0);
    return error == 0 ? Failure{} : Failure::system(error, "futex");
  });
}

void Mutex::mapping_ends() {
  std::shared_ptr<Mutex> self;  // let go of after the lock
  std::lock_guard<std::mutex> held(mutex_);
  self.swap(self_);
  if (participant_ == nullptr) return;
  if (self != nullptr) give_up();
  participant_.reset();
}

void Mutex::give_up() {
  // False: the word is not there.
  const auto release = [this](Result<Word> at) {
    if (!at.ok()) return false;
    RegionUse use(*at.value().region);
    if (!use || futex::check(at.value())) return false;
    memmap_mutex_release(writable(at.value()), participant_->id().id, MEMMAP_DIED);
    return true;
  };
  // By the file, if there is one that may still be mapped: the mapping may have been slid away from it, or show
  // a page of the guard's in its place, or one that may only be read.
  if (!release(word_of_file())) release(mapping_->word_at(position_, true));
}

}  // namespace memmap
