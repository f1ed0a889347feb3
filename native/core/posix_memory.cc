// Calls on the pages of a region: madvise, mprotect, mlock, mincore, mremap.
#include <linux/mman.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "core/areas.h"
#include "core/posix_calls.h"

namespace memmap::posix {
namespace {

struct Pages {
  void* address;
  size_t length;
};

Pages pages_of(const Region& region, size_t offset, size_t length) {
  const uintptr_t begin = round_down(region.base() + offset, region.page());
  const uintptr_t end = round_up(region.base() + offset + length, region.page());
  return {reinterpret_cast<void*>(begin), end - begin};
}

// Advice that harms more than the range itself, or makes pages that no access survives.
bool refused(int advice) {
  constexpr int kGuardInstall = 102;  // MADV_GUARD_INSTALL, Linux 6.13
  constexpr int kGuardRemove = 103;
  return advice == MADV_HWPOISON || advice == MADV_SOFT_OFFLINE || advice == kGuardInstall ||
         advice == kGuardRemove;
}

}  // namespace

Failure advise(Region& region, size_t offset, size_t length, int advice) {
  if (refused(advice)) return Failure::of(Reason::kOutOfRange, "advice: refused");
  const Failure split = region.expect_split();
  if (split) return split;
  const RegionUse use(region);
  if (!use) return Failure::of(Reason::kClosed);
  const Pages pages = pages_of(region, offset, length);
  if (madvise(pages.address, pages.length, advice) != 0) return Failure::system(errno, "madvise");
  const bool lasting = advice == MADV_NORMAL || advice == MADV_RANDOM || advice == MADV_SEQUENTIAL;
  if (lasting && offset == 0 && length >= region.length()) region.set_advice(advice);
  return {};
}

Failure protect(Region& region, size_t offset, size_t length, int prot) {
  return region.protect(offset, length, prot);
}

Failure lock(Region& region, size_t offset, size_t length) {
  const Failure split = region.expect_split();
  return split ? split : region.lock_pages(offset, length);
}

Failure unlock(Region& region, size_t offset, size_t length) {
  const RegionUse use(region);
  if (!use) return Failure::of(Reason::kClosed);
  const Pages pages = pages_of(region, offset, length);
  if (munlock(pages.address, pages.length) != 0) return Failure::system(errno, "munlock");
  region.forget_lock();
  return {};
}

Result<std::vector<unsigned char>> residency(Region& region, size_t offset, size_t length) {
  const RegionUse use(region);
  if (!use) return Failure::of(Reason::kClosed);
  const Pages pages = pages_of(region, offset, length);
  // The kernel's pages, also where the region's are huge: that is what mincore(2) counts in.
  std::vector<unsigned char> map(pages.length / page_size());
  if (pages.length != 0 && mincore(pages.address, pages.length, map.data()) != 0) {
    return Failure::system(errno, "mincore");
  }
  for (unsigned char& page : map)
    page &= 1;  // the other bits are reserved
  return map;
}

Failure populate(Region& region, size_t offset, size_t length) {
  // Unmapped, or resized to another place, since it was asked for: as in the middle of it, below.
  const RegionUse use(region);
  if (!use) return {};
  Pages pages = pages_of(region, offset, length);
  // In steps, so that an unmap in the middle ends it soon.
  constexpr size_t kStep = size_t{32} << 20;
  for (size_t done = 0; done < pages.length; done += kStep) {
    if (!region.live()) return {};
    void* address = static_cast<char*>(pages.address) + done;
    const size_t step = std::min(kStep, pages.length - done);
    if (madvise(address, step, MADV_POPULATE_READ) == 0) continue;
    // EINVAL: a kernel before 5.14. EFAULT: pages past the end of the file. Neither is worth an error.
    if (errno == EFAULT) return {};
    if (errno != EINVAL || madvise(address, step, MADV_WILLNEED) != 0) {
      return Failure::system(errno, "madvise");
    }
  }
  return {};
}

namespace {

// Another mapping of the same shared pages: mremap(2) with an old size of 0.
void* duplicate(const Region& region, uint64_t length) {
  return mremap(reinterpret_cast<void*>(region.base()), 0, length, MREMAP_MAYMOVE);
}

// Moves private pages to new addresses and leaves the old ones mapped, but empty and out of reach: with
// PROT_NONE, so that I/O in flight fails rather than reads zeros.
void* move(const Region& region, uint64_t length, int prot) {
  void* old = reinterpret_cast<void*>(region.base());
  const size_t size = region.length();
  if (mprotect(old, size, PROT_NONE) != 0) return MAP_FAILED;
  // The fifth argument is looked at with MREMAP_DONTUNMAP too: 0, no wish (mm/mremap.c).
  void* moved = mremap(old, size, size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, nullptr);
  if (moved == MAP_FAILED) {
    const int error = errno;
    mprotect(old, size, prot);
    errno = error;
    return MAP_FAILED;
  }
  void* resized = mremap(moved, size, length, MREMAP_MAYMOVE);
  if (resized == MAP_FAILED) {
    // Back to where the user knows them; the empty area there gives way.
    const int error = errno;
    mremap(moved, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, old);
    mprotect(old, size, prot);
    errno = error;
    return MAP_FAILED;
  }
  mprotect(resized, length, prot);
  return resized;
}

}  // namespace

Result<std::shared_ptr<Region>> remap(Region& region, uint64_t length) {
  if (length == 0) return Failure::system(EINVAL, "mremap");
  // The kernel would map the file's pages in place of those that were lost, and a later msync(2) would then
  // report that all is on the disk; or refuse it for a reason that has nothing to do with it.
  if (region.patched()) return Failure::of(Reason::kFault);
  // As the kernel has it; but before move() has touched the protection of any of them.
  const uintptr_t end = region.base() + region.length();
  if (!region.shared() && areas::count_within(region.base(), end) > 1)
    return Failure::system(EFAULT, "mremap");
  RegionRequest request = region.as_request();
  request.length = length;
  if (!areas::take(1)) return Failure::system(ENOMEM, "mremap");
  void* address = nullptr;
  {
    const RegionUse use(region);
    if (!use) {
      areas::give_back(1);
      return Failure::of(Reason::kClosed);
    }
    address = region.shared() ? duplicate(region, round_up(length, region.page()))
                              : move(region, round_up(length, region.page()), request.prot);
  }
  if (address == MAP_FAILED) {
    areas::give_back(1);
    return Failure::system(errno, "mremap");
  }
  return Region::adopt(request, address);
}

}  // namespace memmap::posix
