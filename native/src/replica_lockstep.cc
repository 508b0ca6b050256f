// A replica's walk where batch norm is over the global batch: its shards go through the plan side by side, each in an
// arena of its own, and meet those of the other devices inside each batch norm.
#include "plan/steps.h"
#include "plan/timed.h"
#include "replica.h"

namespace trainql {

void Replica::computeInLockstep(const ImageBatch& batch, double* lossSums) {
  const Plan& plan = model_.plan;
  const auto& steps = plan.steps();
  std::vector<Workspace> shards;
  for (int i = 0; i < range_.shards; i++) {
    Workspace w = workspace(Phase::training);
    w.arena = arenas_[i].data();
    w.ofShard = model_.global->ofShard(range_.firstShard + i);
    w.ofPopulation = model_.global->joined(device());
    w.populationShards = range_.globalShards;
    stageShard(batch, range_.firstShard + i, w);
    shards.push_back(w);
  }
  for (std::size_t s = 0; s < steps.size(); s++) {
    timed(shards[0], 2 * s, [&] { forwardTogether(*steps[s], shards); });
  }
  for (int i = 0; i < range_.shards; i++) {
    const int shard = range_.firstShard + i;
    lossSums[shard] = computeLoss(batch, shard, shards[i]);
  }
  for (std::size_t s = steps.size(); s-- > 0;) {
    timed(shards[0], 2 * s + 1, [&] { backwardTogether(*steps[s], shards); });
  }
}

void Replica::forwardTogether(const Op& step, const std::vector<Workspace>& shards) {
  const BatchNormStep* const norm = step.batchNorm();
  if (norm == nullptr) {
    for (const Workspace& w : shards) step.forward(w);
    return;
  }
  for (const Workspace& w : shards) norm->measure(w);
  model_.global->joinMoments(norm->parameters(), device());
  for (const Workspace& w : shards) norm->normalise(w);
}

// Adds up the gradient of this step alone, in the order in which whole shards are added.
void Replica::backwardTogether(const Op& step, std::vector<Workspace>& shards) {
  const BatchNormStep* const norm = step.batchNorm();
  if (norm != nullptr) {
    for (const Workspace& w : shards) norm->reduce(w);
    model_.global->joinSums(norm->parameters(), device());
  }
  GradientSubtree(range_.shards)
      .walk(
          [&](int shard, int buffer, bool adds) {
            Workspace& w = shards[shard];
            w.gradient = gradients_[buffer].data();
            w.addGradient = adds;
            norm != nullptr ? norm->propagate(w) : step.backward(w);
          },
          [&](int to, int from) {
            model_.plan.parameters().eachLiveRange(step.layer, [&](std::size_t at, std::size_t count) {
              model_.plan.kernels().addTo(gradients_[to].data() + at, gradients_[from].data() + at, count);
            });
          });
}

}  // namespace trainql
