// Which regions have faulted and whose users have not been told yet.
#pragma once

#include <string>
#include <vector>

#include "core/file.h"
#include "core/incident.h"

namespace memmap {

struct WarnedRegion {
  std::string path;  // of the file, as the kernel names it; empty: anonymous, or unmapped by now
  std::vector<Fault> faults;
};

// A region that goes before its fault was reported leaves this behind. `file` may be null.
void keep_warning(const void* owner, const File* file, std::vector<Fault> faults);
// Regions of `owner`, or of nobody, each reported once in its life; those that have gone too.
std::vector<WarnedRegion> regions_to_warn_of(const void* owner);
// The owner is going away: its regions are anybody's.
void disown_regions(const void* owner);

}  // namespace memmap
