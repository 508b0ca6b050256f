// The passes of a batch norm over the rows of a map that the convolution before them, which makes those rows, can do block
// by block: they are in cache then.
#pragma once

#include "plan/op.h"

namespace trainql {

enum class RowPass {
  measure,  // behind the forward product: sums of the input
  reduce    // behind the data gradient: sums of the output's gradient, and what of it passes the ReLU
};
constexpr int rowPasses = 2;

// Whether passes are done by the steps that took them: one thread alone makes the rows in order.
inline bool passesAreTaken(const Workspace& w) { return w.phase == Phase::training && w.team.size() == 1; }

}  // namespace trainql
