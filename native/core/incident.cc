#include "core/incident.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "core/areas.h"

namespace memmap {

Incident* Incident::make() {
  void* memory =
      mmap(nullptr, sizeof(Incident), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  areas::take_unchecked(1);
  return static_cast<Incident*>(memory);  // zeroed by the kernel, which is its empty state
}

void Incident::destroy(Incident* incident) {
  if (incident == nullptr) return;
  munmap(incident, sizeof(Incident));
  areas::give_back(1);
}

void FaultList::record(const Fault& fault) {
  const FaultKind kind = fault.kind;
  uint64_t begin = fault.offset;
  uint64_t end = fault.offset + fault.length;
  int kept = 0;
  // Take out every entry of the kind that touches the new one, and grow the new one over it.
  for (int i = 0; i < count_; i++) {
    const Fault& f = faults_[i];
    if (f.kind == kind && f.offset <= end && f.offset + f.length >= begin) {
      begin = std::min(begin, f.offset);
      end = std::max(end, f.offset + f.length);
    } else {
      faults_[kept++] = f;
    }
  }
  count_ = kept;
  if (count_ == kMaxFaults) {
    // Bounded: the nearest entry grows over the gap. It then says more than happened, never less.
    int nearest = 0;
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < count_; i++) {
      const Fault& f = faults_[i];
      const uint64_t f_end = f.offset + f.length;
      const uint64_t gap = f.offset > end ? f.offset - end : begin > f_end ? begin - f_end : 0;
      if ((f.kind == kind || best == UINT64_MAX) && gap < best) {
        best = gap;
        nearest = i;
      }
    }
    Fault& f = faults_[nearest];
    const uint64_t f_end = std::max(end, f.offset + f.length);
    f.offset = std::min(begin, f.offset);
    f.length = f_end - f.offset;
    return;
  }
  int at = 0;
  while (at < count_ && faults_[at].offset < begin)
    at++;
  std::memmove(&faults_[at + 1], &faults_[at], sizeof(Fault) * (count_ - at));
  faults_[at] = {begin, end - begin, kind};
  count_++;
}

bool Incident::patched(uintptr_t address) const {
  for (int i = 0; i < patch_count_; i++) {
    if (patches_[i].begin <= address && address < patches_[i].end) return true;
  }
  return false;
}

uintptr_t Incident::next_patch(uintptr_t address, uintptr_t limit) const {
  for (int i = 0; i < patch_count_; i++) {
    if (patches_[i].begin >= address) return std::min(patches_[i].begin, limit);
  }
  return limit;
}

// Room is made where a patch is cut in two; when there is none, the part behind stays recorded as well.
void Incident::remove_patches(uintptr_t begin, uintptr_t end) {
  for (int i = 0; i < patch_count_;) {
    Patch& p = patches_[i];
    if (p.end <= begin || p.begin >= end) {
      i++;
    } else if (p.begin < begin && p.end > end) {
      if (patch_count_ == kMaxPatches) return;
      std::memmove(&patches_[i + 1], &patches_[i], sizeof(Patch) * (patch_count_ - i));
      patch_count_++;
      patches_[i].end = begin;
      patches_[i + 1].begin = end;
      return;
    } else if (p.begin < begin) {
      p.end = begin;
      i++;
    } else if (p.end > end) {
      p.begin = end;
      i++;
    } else {
      std::memmove(&patches_[i], &patches_[i + 1], sizeof(Patch) * (patch_count_ - i - 1));
      patch_count_--;
    }
  }
}

void Incident::add_patch(uintptr_t begin, uintptr_t end) {
  generation_++;
  int kept = 0;
  for (int i = 0; i < patch_count_; i++) {
    const Patch& p = patches_[i];
    if (p.begin <= end && p.end >= begin) {
      begin = std::min(begin, p.begin);
      end = std::max(end, p.end);
    } else {
      patches_[kept++] = p;
    }
  }
  patch_count_ = kept;
  int at = 0;
  while (at < patch_count_ && patches_[at].begin < begin)
    at++;
  std::memmove(&patches_[at + 1], &patches_[at], sizeof(Patch) * (patch_count_ - at));
  patches_[at] = {begin, end};
  patch_count_++;
}

}  // namespace memmap
