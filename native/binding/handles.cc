#include "binding/handles.h"

#include <algorithm>
#include <functional>

namespace memmap::binding {

HandleTable::Slot* HandleTable::take() {
  if (free_ == nullptr) {
    std::unique_ptr<Slot[]> chunk(new Slot[kSlots]);
    for (size_t i = kSlots; i-- > 0;) {
      chunk[i].next_free = free_;
      free_ = &chunk[i];
    }
    const auto after = [](const Slot* slot, const std::unique_ptr<Slot[]>& known) {
      return std::less<>()(slot, known.get());
    };
    const auto place = std::upper_bound(chunks_.begin(), chunks_.end(), chunk.get(), after);
    chunks_.insert(place, std::move(chunk));
  }
  Slot* slot = free_;
  free_ = slot->next_free;
  taken_++;
  return slot;
}

HandleTable::Slot* HandleTable::find(const void* pointer, const HandleKind& kind) {
  const auto after = [](const void* wanted, const std::unique_ptr<Slot[]>& known) {
    return std::less<>()(wanted, static_cast<const void*>(known.get()));
  };
  auto next = std::upper_bound(chunks_.begin(), chunks_.end(), pointer, after);
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
