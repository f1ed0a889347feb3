// The platform's numbers, from its own headers, by their names in the man pages; and those of our own layouts
// in shared memory.
#pragma once

namespace memmap {

struct Constant {
  const char* name;
  int value;
};

const Constant* constants();  // ends with a null name

}  // namespace memmap
