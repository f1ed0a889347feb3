// Huge pages: their size, as the kernel reports it.
#pragma once

#include <cstddef>

namespace memmap {

size_t huge_page_size();  // bytes; 0: the kernel has none

}  // namespace memmap
