// Gradients kept whole, or streamed through a few layers' room.
#include "plan/gradient_plan.h"

#include "plan/arena.h"
#include "plan/convolution_step.h"

namespace trainql {

namespace {

GradientPlan withOrder(const Plan& plan) {
  GradientPlan gradients;
  gradients.weightsAt.assign(plan.graph().layers.size(), 0);
  gradients.vectorsFloats = plan.parameters().liveSize() - plan.parameters().vectorsBegin();
  for (auto op = plan.steps().rbegin(); op != plan.steps().rend(); ++op) {
    const ConvolutionStep* const convolution = (*op)->convolution();
    if (convolution != nullptr) (convolution->isDeferred() ? gradients.deferred : gradients.order).push_back((*op)->layer);
  }
  return gradients;
}

}  // namespace

GradientPlan wholeGradients(const Plan& plan) {
  GradientPlan gradients = withOrder(plan);
  for (int layer : gradients.order) gradients.weightsAt[layer] = plan.parameters().of(layer).weight.live;
  gradients.weightsFloats = plan.parameters().vectorsBegin();
  return gradients;
}

GradientPlan streamedGradients(const Plan& plan) {
  GradientPlan gradients = withOrder(plan);
  std::vector<Lifetime> lives;
  for (int layer : gradients.order) {
    const int first = static_cast<int>(lives.size());
    lives.push_back({plan.parameters().of(layer).weight.liveSize(), first, first + streamedLayers - 1});
  }
  const ArenaPlan windows = planArena(lives);
  for (std::size_t i = 0; i < lives.size(); i++) gradients.weightsAt[gradients.order[i]] = windows.offsets[i];
  gradients.weightsFloats = windows.floats;
  for (int layer : gradients.deferred) {
    gradients.weightsAt[layer] = gradients.weightsFloats;
    gradients.weightsFloats += plan.parameters().of(layer).weight.liveSize();
  }
  return gradients;
}

}  // namespace trainql
