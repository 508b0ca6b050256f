// Which buffers a plan keeps, makes anew or puts in one place, in training and in evaluation.
#include <algorithm>
#include <functional>
#include <numeric>

#include "plan/convolution_step.h"
#include "plan/plan.h"
#include "plan/steps.h"

namespace trainql {

// The outputs of batch norms are read again in the backward pass, long after: by the weight gradients of convolutions, and
// to tell what a ReLU let through. They can be made anew from what is kept for batch norm itself, along a chain of
// residual adds from the first to the last that is wanted. Where a chain ends the output is kept: it is where the next begins.
void Plan::chooseAgain() {
  std::vector<const BatchNormStep*> makers(tensors_.size(), nullptr);
  std::vector<char> isSkip(tensors_.size(), 0), made(tensors_.size(), 0);
  for (const auto& op : ops_) {
    const BatchNormStep* const norm = op->batchNorm();
    if (norm == nullptr) continue;
    makers[norm->output()] = norm;
    if (norm->skip() >= 0) isSkip[norm->skip()] = 1;
  }
  const auto isMadeAnew = [&](int tensor) {
    return makers[tensor] != nullptr && !isAbsent_[tensors_[tensor].kept] && (makers[tensor]->skip() < 0 || isSkip[tensor]);
  };
  for (auto op = ops_.rbegin(); op != ops_.rend(); ++op) {
    const std::function<void(int)> make = [&](int tensor) {
      if (made[tensor] || !isMadeAnew(tensor)) return;
      made[tensor] = 1;
      if (makers[tensor]->skip() >= 0) make(makers[tensor]->skip());
      (*op)->again.push_back(makers[tensor]);
    };
    for (int tensor : (*op)->backwardReads) make(tensor);
  }
}

// What steps name so is made anew where the plan does that; else every activation is kept until it is read last.
ArenaPlan Plan::planTraining() const {
  const int steps = static_cast<int>(ops_.size());
  std::vector<int> place(buffers_.size());
  std::iota(place.begin(), place.end(), 0);
  for (const TensorLayout& t : tensors_) place[t.kept] = t.activation;
  for (const auto& op : ops_) {
    for (const BatchNormStep* norm : op->again) {
      const int kept = tensors_[norm->output()].kept;
      if (makesAnew_) place[kept] = kept;
    }
  }
  std::vector<Lifetime> lives = buffers_;
  const auto touch = [&](const std::vector<int>& buffers, int step) {
    for (int b : buffers) {
      if (!isAbsent_[b]) lives[place[b]].touch(step);
    }
  };
  for (int i = 0; i < steps; i++) {
    touch(ops_[i]->forwardBuffers, i);
    touch(ops_[i]->takenForward, i);
  }
  const TensorLayout& logits = tensors_[graph_.logits];
  touch({logits.activation, logits.gradient}, steps);
  for (int i = 0; i < steps; i++) {
    const Op& op = *ops_[steps - 1 - i];
    touch(op.backwardBuffers, steps + 1 + i);
    touch(op.takenBackward, steps + 1 + i);
    for (const BatchNormStep* norm : op.again) {
      if (makesAnew_) touch(norm->normaliseAgainBuffers(), steps + 1 + i);
    }
  }
  for (int i : deferred_) touch(ops_[i]->convolution()->weightGradientBuffers(), 2 * steps + 1);
  shareInPlace(lives, place);
  ArenaPlan plan = planArena(lives);
  for (std::size_t b = 0; b < place.size(); b++) plan.offsets[b] = plan.offsets[place[b]];
  return plan;
}

// Where a step reads a buffer last and writes another first, and may do so in place, the two become one.
void Plan::shareInPlace(std::vector<Lifetime>& lives, std::vector<int>& place) const {
  const int steps = static_cast<int>(ops_.size());
  for (int i = 0; i < steps; i++) {
    for (const Op::InPlace& share : ops_[steps - 1 - i]->inPlace) {
      const int from = place[share.read], to = place[share.written], step = steps + 1 + i;
      if (from == to || lives[from].last != step || lives[to].first != step) continue;
      lives[from].last = lives[to].last;
      lives[to] = Lifetime{};
      std::replace(place.begin(), place.end(), to, from);
    }
  }
}

void Plan::planMemory() {
  chooseAgain();
  training_ = planTraining();
  if (training_.floats * sizeof(float) > limits_.mostKeptBytes) {
    makesAnew_ = true;
    training_ = planTraining();
  } else {
    for (const auto& op : ops_) op->again.clear();
  }
}

// Of the last steps of the backward pass, as many as take a tenth of the products, while memory allows.
void Plan::deferGradients() {
  constexpr double share = 0.1;
  double wanted = 0;
  for (const auto& op : ops_) wanted += share * (op->forwardProducts + op->backwardProducts);
  const std::size_t most = training_.floats + limits_.mostDeferredBytes / sizeof(float);
  for (std::size_t i = 0; i < ops_.size() && wanted > 0 && limits_.mostDeferredBytes > 0; i++) {
    ConvolutionStep* const convolution = ops_[i]->convolution();
    if (convolution == nullptr) continue;
    deferred_.insert(deferred_.begin(), static_cast<int>(i));
    const ArenaPlan plan = planTraining();
    if (plan.floats > most) {
      deferred_.erase(deferred_.begin());
      return;
    }
    training_ = plan;
    convolution->deferWeightGradient();
    wanted -= convolution->weightGradientProducts();
  }
}

// Where a convolution's output goes into a batch norm alone, the two are one step, which stands where the batch norm did:
// there what that adds is ready. The output of the convolution itself is nowhere in memory then.
void Plan::planEvaluation() {
  const auto consumers = consumersOf(graph_);
  std::vector<const Op*> waiting(tensors_.size(), nullptr);
  std::vector<Lifetime> lives = buffers_;
  for (const auto& op : ops_) {
    const Layer& layer = graph_.layers[op->layer];
    const std::vector<int>& next = consumers[layer.output];
    const std::size_t mapBytes = buffers_[tensors_[layer.output].activation].floats * sizeof(float);
    if (mapBytes >= limits_.leastJoinedBytes && op->convolution() != nullptr && layer.output != graph_.logits && next.size() == 1 &&
        graph_.layers[next[0]].kind == LayerKind::batchNorm) {
      waiting[layer.output] = op.get();
      continue;
    }
    const int step = static_cast<int>(evaluationSteps_.size());
    const Op* const before = op->batchNorm() == nullptr ? nullptr : waiting[layer.input];
    const int between = before == nullptr ? -1 : tensors_[layer.input].activation;
    for (const Op* one : {before, static_cast<const Op*>(op.get())}) {
      if (one == nullptr) continue;
      for (int b : one->forwardBuffers) {
        if (b != between) lives[b].touch(step);
      }
    }
    evaluationSteps_.push_back(before == nullptr ? EvaluationStep{op.get(), nullptr} : EvaluationStep{before, op->batchNorm()});
  }
  lives[tensors_[graph_.logits].activation].touch(static_cast<int>(evaluationSteps_.size()));
  evaluation_ = planArena(lives);
}

}  // namespace trainql
