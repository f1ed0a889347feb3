#include "core/posix_calls.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "core/huge_pages.h"

namespace memmap::posix {
namespace {

constexpr int kRefused = MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_GROWSDOWN;

// The page size that an anonymous MAP_HUGETLB mapping gets (mmap(2), MAP_HUGE_SHIFT).
size_t huge_size(int flags) {
  const int log2 = (flags >> MAP_HUGE_SHIFT) & MAP_HUGE_MASK;
  return log2 == 0 ? huge_page_size() : size_t{1} << log2;
}

}  // namespace

Result<std::shared_ptr<Region>> map(uint64_t length, int prot, int flags, int fd, uint64_t offset) {
  if ((flags & kRefused) != 0) {
    return Failure::of(Reason::kOutOfRange,
                       "flags: MAP_FIXED, MAP_FIXED_NOREPLACE and MAP_GROWSDOWN are refused");
  }
  RegionRequest request;
  request.length = length;
  request.prot = prot;
  request.flags = flags;
  request.fd = fd;
  request.offset = offset;
  struct stat st = {};
  const bool anonymous = (flags & MAP_ANONYMOUS) != 0;
  if (anonymous) {
    if ((flags & MAP_HUGETLB) != 0) request.page = huge_size(flags);
  } else if (length != 0 && fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))) {
    // Through a description of our own, so that no error meant for the user's fsync is used up here.
    const int mode = fcntl(fd, F_GETFL) & O_ACCMODE;
    auto file = File::reopen(fd, mode == O_RDWR);
    if (!file.ok()) return file.failure();
    request.file = file.value();
    request.fd = request.file->fd();
    request.page = request.file->page();
  }
  return Region::map(request);
}

Failure sync(Region& region, size_t offset, size_t length, int flags) {
  if (!region.live()) return Failure::of(Reason::kClosed);
  const uintptr_t begin = round_down(region.base() + offset, region.page());
  const uintptr_t end = round_up(region.base() + offset + length, region.page());
  void* address = reinterpret_cast<void*>(begin);
  // Through its file, if it has one: an error that the kernel tells here is not told to a later flush() of
  // the mapping that this may be the buffer of.
  const std::shared_ptr<File> file = (flags & MS_SYNC) != 0 ? region.file() : nullptr;
  if (file != nullptr) {
    const Failure failure = file->msync_mapped(address, end - begin, flags);
    if (failure) return failure;
  } else if (msync(address, end - begin, flags) != 0) {
    return Failure::system(errno, "msync");
  }
  // The kernel knows nothing of the pages that the guard has replaced: what was written to them is lost,
  // and 0 would hide it. Private pages had nothing to lose.
  if (region.shared() && region.patched(begin - region.base(), end - begin)) {
    return Failure::of(Reason::kFault);
  }
  return {};
}

Failure truncate(int fd, uint64_t length) {
  int status;
  do {
    status = ftruncate(fd, static_cast<off_t>(length));
  } while (status != 0 && errno == EINTR);
  return status == 0 ? Failure{} : Failure::system(errno, "ftruncate");
}

}  // namespace memmap::posix
