// Measures the steps of a plan where somebody asked.
#pragma once

#include <chrono>

#include "plan/op.h"

namespace trainql {

template <class F>
void timed(const Workspace& w, std::size_t at, F&& work) {
  if (w.seconds == nullptr) return work();
  const auto begin = std::chrono::steady_clock::now();
  work();
  w.seconds[at] += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace trainql
