// Places buffers of known lifetimes in one block of memory.
#pragma once

#include <cstddef>
#include <vector>

namespace trainql {

struct Lifetime {
  std::size_t floats = 0;
  int first = -1;  // step that writes it first; -1: never used
  int last = -1;   // step that reads it last
  void touch(int step) {
    if (first < 0) first = step;
    last = step;
  }
};

struct ArenaPlan {
  std::vector<std::size_t> offsets;
  std::size_t floats = 0;
};

// Largest first, each at the lowest offset free over its whole lifetime.
ArenaPlan planArena(const std::vector<Lifetime>& buffers);

}  // namespace trainql
