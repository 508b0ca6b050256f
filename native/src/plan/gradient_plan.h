// Where the gradients of one replica lie, for as long as they are needed.
#pragma once

#include <cstddef>
#include <vector>

#include "plan/plan.h"

namespace trainql {

// Weights of convolutions and linear layers first, then all vectors (scales, shifts, biases) as in the parameter space.
struct GradientPlan {
  std::vector<int> order;              // layers with weights, as the backward pass meets them
  std::vector<int> deferred;           // those whose gradients the plan defers; in `order` they are not
  std::vector<std::size_t> weightsAt;  // by layer
  std::size_t weightsFloats = 0;
  std::size_t vectorsFloats = 0;

  std::size_t floats() const { return weightsFloats + vectorsFloats; }
};

// All at once, each where its weights lie in the parameter space.
GradientPlan wholeGradients(const Plan&);

// A layer's gradient may be written over once the `streamedLayers`th layer after it begins: see `GradientStream`. Deferred
// ones are kept.
constexpr int streamedLayers = 4;
GradientPlan streamedGradients(const Plan&);

}  // namespace trainql
