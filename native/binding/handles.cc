#include "binding/handles.h"

#include <algorithm>
#include <functional>

namespace memmap::binding {

HandleTable::Chunks::iterator HandleTable::behind(const void* place) {
  return std::upper_bound(chunks_.begin(), chunks_.end(), place,
                          [](const void* wanted, const std::unique_ptr<Slot[]>& chunk) {
                            return std::less<>()(wanted, static_cast<const void*>(chunk.get()));
                          });
}

HandleTable::Slot* HandleTable::take() {
  if (free_ == nullptr) {
    std::unique_ptr<Slot[]> chunk(new Slot[kSlots]);
    for (size_t i = kSlots; i-- > 0;) {
      chunk[i].next_free = free_;
      free_ = &chunk[i];
    }
    const auto next = behind(chunk.get());
    chunks_.insert(next, std::move(chunk));
  }
  Slot* slot = free_;
  free_ = slot->next_free;
  taken_++;
  return slot;
}

HandleTable::Slot* HandleTable::find(const void* pointer, const HandleKind& kind) {
  const auto next = behind(pointer);
  if (next == chunks_.begin()) return nullptr;
  Slot* first = std::prev(next)->get();
  const auto distance = reinterpret_cast<uintptr_t>(pointer) - reinterpret_cast<uintptr_t>(first);
  if (distance >= kSlots * sizeof(Slot) || distance % sizeof(Slot) != 0) return nullptr;
  Slot* slot = first + distance / sizeof(Slot);
  return slot->kind == &kind ? slot : nullptr;
}

void HandleTable::give_back(Slot* slot) {
  slot->kind = nullptr;
  slot->next_free = free_;
  free_ = slot;
  if (--taken_ == 0 && left_) delete this;
}

void HandleTable::leave() {
  left_ = true;
  if (taken_ == 0) delete this;
}

}  // namespace memmap::binding
