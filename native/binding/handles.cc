#include "binding/handles.h"

namespace memmap::binding {

HandleTable::Slot* HandleTable::take() {
  if (free_ == nullptr) {
    std::unique_ptr<Slot[]> chunk(new Slot[kSlots]);
    for (size_t i = kSlots; i-- > 0;) {
      chunk[i].number = chunks_.size() * kSlots + i;
      chunk[i].next_free = free_;
      free_ = &chunk[i];
    }
    chunks_.push_back(std::move(chunk));
  }
  Slot* slot = free_;
  free_ = slot->next_free;
  taken_++;
  return slot;
}

HandleTable::Slot* HandleTable::find(double number, const HandleKind& kind) const {
  if (!(number >= 0 && number < static_cast<double>(chunks_.size() * kSlots))) return nullptr;
  const auto whole = static_cast<size_t>(number);
  Slot& slot = at(whole);
  return slot.kind == &kind && static_cast<double>(whole) == number ? &slot : nullptr;
}

void HandleTable::give_back(Slot& slot) {
  slot.kind = nullptr;
  slot.next_free = free_;
  free_ = &slot;
  if (--taken_ == 0 && left_) delete this;
}

void HandleTable::leave() {
  left_ = true;
  if (taken_ == 0) delete this;
}

}  // namespace memmap::binding
