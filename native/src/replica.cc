// A replica's thread and its walk over the shards.
#include "replica.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#if defined(__linux__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include "staging.h"

namespace trainql {

namespace {

std::size_t logitsFloats(const Plan& plan) {
  return static_cast<std::size_t>(plan.batch()) * plan.tensor(plan.graph().logits).row;
}

// So that tools can tell a replica's thread from the others; its helpers inherit the name. At most 15 characters.
void nameThread(const std::string& name) {
#if defined(__linux__)
  (void)pthread_setname_np(pthread_self(), name.c_str());
#elif defined(__APPLE__)
  (void)pthread_setname_np(name.c_str());
#else
  (void)name;
#endif
}

}  // namespace

Replica::Replica(const SharedModel& model, Range range, const std::vector<int>& cores)
    : model_(model),
      range_(range),
      scratch_(model.plan.scratchFloats()),
      weights_(model.plan.weightsFloats()),
      sums_(model.global == nullptr ? model.plan.parameters().statisticsSize() : 0),
      logits_(logitsFloats(model.plan)),
      logitsGradient_(logitsFloats(model.plan)) {
  for (int i = 0; i < mostAbreast(); i++) arenas_.emplace_back(model.plan.arenaFloats());
  for (int i = 0; i < GradientSubtree(range.shards).buffers(); i++) {
    gradients_.emplace_back(model.gradients.floats());
  }
  thread_ = std::thread([this, cores] { live(cores); });
}

Replica::~Replica() {
  leaving_ = true;
  begin_.open();
  thread_.join();
}

void Replica::live(const std::vector<int>& cores) {
  nameThread("replica-" + std::to_string(device()));
  team_ = std::make_unique<Team>(cores);
  for (unsigned ticket = 0;; ticket++) {
    begin_.waitPast(ticket);
    if (leaving_) break;
    try {
      work_(*this);
    } catch (...) {
      failure_ = std::current_exception();
    }
    model_.progress.rest(device(), ReplicaProgress::idle);
    end_.open();
  }
  team_.reset();
}

void Replica::start(std::function<void(Replica&)> work) {
  work_ = std::move(work);
  failure_ = nullptr;
  finished_ = end_.ticket();
  model_.progress.work(device());
  begin_.open();
}

std::exception_ptr Replica::finish() {
  end_.waitPast(finished_);
  return failure_;
}

std::size_t Replica::memoryBytes() const {
  std::size_t bytes = scratch_.bytes() + weights_.bytes() + sums_.bytes() + logits_.bytes() + logitsGradient_.bytes();
  for (const Buffer& arena : arenas_) bytes += arena.bytes();
  for (const Buffer& g : gradients_) bytes += g.bytes();
  return bytes;
}

std::vector<const float*> Replica::leaves() const {
  if (range_.shards <= 2) return {gradients_[0].data()};
  return {gradients_[0].data(), gradients_[1].data()};
}

Workspace Replica::workspace(Phase phase) {
  return {model_.plan.kernels(), *team_, phase, arenas_[0].data(), model_.plan.offsets(phase), model_.parameters,
          weights_.data(), model_.running, {}, {}, 1, nullptr, nullptr, false, scratch_.data(), seconds_,
          model_.progress.ticks(device())};
}

void Replica::stage(const ImageBatch& batch, int begin, int end, float* input) const {
  const TensorLayout& t = model_.plan.tensor(0);
  const std::size_t imageFloats = static_cast<std::size_t>(t.channels) * t.pixels();
  stageImages(model_.plan, batch.images + begin * imageFloats, end - begin, input);
}

void Replica::stageShard(const ImageBatch& batch, int shard, const Workspace& w) const {
  const Plan& plan = model_.plan;
  stage(batch, shard * plan.batch(), (shard + 1) * plan.batch(), w.at(plan.tensor(0).activation));
}

double Replica::computeLoss(const ImageBatch& batch, int shard, const Workspace& w) {
  const Plan& plan = model_.plan;
  const Logits logits = readLogits(w, plan.batch());
  const std::int32_t* const labels = batch.labels + shard * plan.batch();
  crossEntropyGradient(logits, labels, model_.labelSmoothing, plan.batch() * range_.globalShards,
                       logitsGradient_.data());
  plan.kernels().narrow(logitsGradient_.data(), w.at(plan.tensor(plan.graph().logits).gradient), logitsGradient_.size());
  return crossEntropy(logits, labels, model_.labelSmoothing);
}

Logits Replica::evaluateLogits(const ImageBatch& batch, int begin, int end) {
  const Plan& plan = model_.plan;
  const Workspace w = workspace(Phase::evaluation);
  stage(batch, begin, end, w.at(plan.tensor(0).activation));
  plan.evaluate(w);
  return readLogits(w, end - begin);
}

Logits Replica::readLogits(const Workspace& w, int images) {
  const TensorLayout& out = model_.plan.tensor(model_.plan.graph().logits);
  model_.plan.kernels().widen(w.at(out.activation), logits_.data(), logits_.size());
  return {logits_.data(), out.row, images, model_.plan.graph().classes, out.padded};
}

LossSum Replica::evaluate(const ImageBatch& batch, int begin, int end, std::int32_t* predicted) {
  return score(evaluateLogits(batch, begin, end), batch.labels + begin, predicted + begin);
}

void Replica::predict(const ImageBatch& batch, int begin, int end, float* logits) {
  const Logits l = evaluateLogits(batch, begin, end);
  for (int i = 0; i < l.images; i++) std::copy_n(l.rows + i * l.row, l.classes, logits + (begin + i) * l.classes);
}

}  // namespace trainql
