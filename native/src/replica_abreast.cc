// A replica's walk over its shards: some go through the plan side by side, each in an arena of its own.
//
// A pair does, because the second shard then finds a step's weights in cache. Where batch norm is over the global batch
// all shards do, because they meet those of the other devices inside each batch norm.
#include "plan/convolution_step.h"
#include "plan/steps.h"
#include "plan/timed.h"
#include "replica.h"

namespace trainql {

void Replica::computeGradients(const ImageBatch& batch, double* lossSums, float* const* statistics) {
  if (model_.global != nullptr) return computeAbreast(batch, {0, range_.shards, 0}, lossSums, statistics);
  GradientSubtree(range_.shards)
      .walkPairs([&](int first, int count,
                     int buffer) { computeAbreast(batch, {first, count, buffer}, lossSums, statistics); },
                 [&](int to, int from) {
                   model_.plan.kernels().addTo(gradients_[to].data(), gradients_[from].data(), gradients_[to].size());
                 });
}

void Replica::computeAbreast(const ImageBatch& batch, Group group, double* lossSums, float* const* statistics) {
  const auto& steps = model_.plan.steps();
  const int firstShard = range_.firstShard + group.first;
  std::vector<Workspace>& shards = shards_;
  shards.clear();
  for (int i = 0; i < group.count; i++) {
    Workspace w = workspace(Phase::training);
    w.arena = arenas_[i].data();
    if (model_.global == nullptr) {
      w.ofShard = w.ofPopulation = {statistics[firstShard + i], sums_.data()};
    } else {
      w.ofShard = model_.global->ofShard(firstShard + i);
      w.ofPopulation = model_.global->joined(device());
      w.populationShards = range_.globalShards;
    }
    stageShard(batch, firstShard + i, w);
    shards.push_back(w);
  }
  for (std::size_t s = 0; s < steps.size(); s++) {
    timed(shards[0], 2 * steps.size(), [&] { steps[s]->prepareForward(shards[0]); });
    timed(shards[0], 2 * s, [&] { forwardAbreast(*steps[s], shards); });
    ReplicaProgress::tick(shards[0].ticks);
  }
  for (int i = 0; i < group.count; i++) lossSums[firstShard + i] = computeLoss(batch, firstShard + i, shards[i]);
  for (std::size_t s = steps.size(); s-- > 0;) {
    const ConvolutionStep* const convolution = steps[s]->convolution();
    const bool streams = model_.stream != nullptr && convolution != nullptr && !convolution->isDeferred();
    if (streams) model_.stream->beforeNext(device());
    timed(shards[0], 2 * steps.size(), [&] { steps[s]->prepareBackward(shards[0]); });
    timed(shards[0], 2 * s + 1, [&] { backwardAbreast(*steps[s], shards, group.buffer); });
    if (streams) model_.stream->finishNext(device());
    ReplicaProgress::tick(shards[0].ticks);
  }
  if (model_.pool != nullptr) model_.pool->computeOwn(device());
  if (model_.stream != nullptr) model_.stream->drain(device());
  if (model_.pool != nullptr) model_.pool->computeOthers(device());
}

void Replica::computeDeferred(Replica& owner, int step) {
  const ConvolutionStep& convolution = *model_.plan.steps()[step]->convolution();
  for (const Workspace& shard : owner.shards_) {
    Workspace w = shard.with(*team_, scratch_.data());
    w.weightGradient = owner.gradients_[0].data() + model_.gradients.weightsAt[convolution.layer];
    w.addGradient = &shard != &owner.shards_.front();
    timed(shards_[0], 2 * step + 1, [&] { convolution.weightGradient(w); });
  }
  ReplicaProgress::tick(shards_[0].ticks);
}

void Replica::forwardAbreast(const Op& step, const std::vector<Workspace>& shards) {
  const BatchNormStep* const norm = model_.global == nullptr ? nullptr : step.batchNorm();
  if (norm == nullptr) {
    for (const Workspace& w : shards) step.forward(w);
    return;
  }
  for (const Workspace& w : shards) norm->measure(w);
  model_.global->joinMoments(norm->parameters(), device());
  for (const Workspace& w : shards) norm->normalise(w);
}

// Adds up the gradient of this step alone, in the order in which whole shards would be added.
void Replica::backwardAbreast(const Op& step, std::vector<Workspace>& shards, int buffer) {
  const BatchNormStep* const norm = model_.global == nullptr ? nullptr : step.batchNorm();
  if (norm != nullptr) {
    for (const Workspace& w : shards) {
      for (const BatchNormStep* again : step.again) again->normaliseAgain(w);
      norm->reduce(w);
    }
    model_.global->joinSums(norm->parameters(), device());
  }
  GradientSubtree(static_cast<int>(shards.size()))
      .walk(
          [&](int shard, int offset, bool adds) {
            Workspace& w = shards[shard];
            float* const gradients = gradients_[buffer + offset].data();
            w.weightGradient = gradients + model_.gradients.weightsAt[step.layer];
            w.vectorGradient = gradients + model_.gradients.weightsFloats;
            w.addGradient = adds;
            if (norm != nullptr) return norm->propagate(w);
            for (const BatchNormStep* again : step.again) again->normaliseAgain(w);
            step.backward(w);
          },
          [&](int to, int from) {
            const ParameterSpace& space = model_.plan.parameters();
            const auto add = [&](std::size_t at, std::size_t count) {
              model_.plan.kernels().addTo(gradients_[buffer + to].data() + at, gradients_[buffer + from].data() + at,
                                          count);
            };
            const LayerParameters& p = space.of(step.layer);
            if (p.hasWeight) add(model_.gradients.weightsAt[step.layer], p.weight.liveSize());
            space.eachVector(step.layer, [&](std::size_t at, std::size_t count) {
              add(model_.gradients.weightsFloats + at - space.vectorsBegin(), count);
            });
          });
}

}  // namespace trainql
