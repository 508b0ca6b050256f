// The step over all replicas.
#include "trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>

namespace trainql {

namespace {

// Parameters one piece of an update covers: small enough to balance, a multiple of every vector width.
constexpr std::size_t updateChunk = 16 * 1024;

// Pieces of idle parameters that a replica takes at a time: some hundred microseconds' worth.
constexpr int idlePieces = 8;

// Steps that idle parameters may lag behind.
constexpr int mostOwedSteps = 16;

// Sum of values[0 … count - 1] (a power of two), neighbours first.
template <class T>
T treeSum(const T* values, int count) {
  return count == 1 ? values[0] : treeSum(values, count / 2) + treeSum(values + count / 2, count / 2);
}

}  // namespace

Trainer::Trainer(const TrainerSpec& spec)
    : spec_(spec),
      progress_(spec.progress, static_cast<int>(spec.deviceCores.size())),
      plan_(spec.graph, spec.globalBatch / spec.shards, bestKernels(spec.precision), limits()),
      parameters_(plan_.parameters().size()),
      running_(plan_.parameters().statisticsSize()),
      shardLosses_(spec.shards, 0.0),
      chunkSquares_((plan_.parameters().liveSize() + updateChunk - 1) / updateChunk),
      gradientPlan_(streams() ? streamedGradients(plan_) : wholeGradients(plan_)),
      signal_(progress_),
      barrier_(static_cast<int>(spec.deviceCores.size())),
      rowWork_([this](Replica& replica, int device) {
        do {
          computeStep(replica, device, *row_.current());
        } while (goOn(device));
      }) {
  const int slots = spec.optimizer.kind == Optimizer::Kind::sgd ? 1 : 2;
  for (int i = 0; i < slots; i++) slots_.emplace_back(plan_.parameters().size());
  // A step that begins while others wait must not fail for want of memory.
  owedSgd_.reserve(mostOwedSteps);
  owedAdam_.reserve(mostOwedSteps);
  idleAtRest_ = spec.optimizer.weightDecay == 0.0f;
  for (int s = 0; s < spec.shards; s++) {
    shardStatistics_.emplace_back(plan_.parameters().statisticsSize());
    shardStatisticsAt_.push_back(shardStatistics_.back().data());
  }
  if (spec.syncBatchNorm) {
    global_ = std::make_unique<GlobalStatistics>(plan_.parameters(), shardStatisticsAt_, devices(), progress_);
  }
  if (streams()) stream_ = std::make_unique<GradientStream>(gradientPlan_, devices(), signal_);
  if (!plan_.deferred().empty()) {
    pool_ = std::make_unique<GradientPool>(
        static_cast<int>(plan_.deferred().size()), devices(), signal_, [this](int device, int owner, int gradient) {
          replicas_[device]->computeDeferred(*replicas_[owner], plan_.deferred()[gradient]);
        });
  }
  const SharedModel model{plan_,         parameters_.data(), running_.data(), spec.labelSmoothing,
                          global_.get(), gradientPlan_,      stream_.get(),   pool_.get(),       progress_};
  const int each = spec.shards / devices();
  for (int d = 0; d < devices(); d++) {
    replicas_.push_back(
        std::make_unique<Replica>(model, Replica::Range{d * each, each, spec.shards}, spec.deviceCores[d]));
  }
  planLeaves();
}

Trainer::~Trainer() = default;

void Trainer::onEveryReplica(const Work& work) {
  if (failure_ != nullptr) throw ReplicaFailure(*failure_);
  calls_++;
  const Work requested = [&](Replica& replica, int device) {
    requestedFailure_.throwIfAt(device, calls_);
    work(replica, device);
  };
  startEveryReplica(requested);
  finishEveryReplica();
  if (failure_ != nullptr) throw ReplicaFailure(*failure_);
}

// `work` lives until they have finished.
void Trainer::startEveryReplica(const Work& work) {
  for (int d = 0; d < devices(); d++) {
    replicas_[d]->start([this, &work, d](Replica& replica) {
      try {
        work(replica, d);
      } catch (...) {
        breakUp();
        throw;
      }
    });
  }
}

// All of them, whatever one threw: they use what is the caller's.
void Trainer::finishEveryReplica() {
  std::vector<std::exception_ptr> thrown;
  for (const auto& replica : replicas_) thrown.push_back(replica->finish());
  for (int d = 0; d < devices(); d++) keepFailure(d, thrown[d]);
}

void Trainer::keepFailure(int device, std::exception_ptr thrown) {
  if (thrown == nullptr || failure_ != nullptr) return;
  try {
    std::rethrow_exception(thrown);
  } catch (const Forsaken&) {
    // Because of another one, which says why.
  } catch (const std::exception& error) {
    failure_ = std::make_unique<ReplicaFailure>(device, error.what());
  } catch (...) {
    failure_ = std::make_unique<ReplicaFailure>(device, "an exception of an unknown kind");
  }
}

void Trainer::breakUp() {
  barrier_.breakUp();
  row_.fail();
  if (global_ != nullptr) global_->breakUp();
  signal_.breakUp();
}

void Trainer::train(std::vector<Step>& steps, const std::function<void()>& queued) {
  StepRow::Call call(steps);
  const bool startsRow = row_.join(call);
  queued();
  if (startsRow) startRow();
  const StepRow::End end = row_.wait(call);
  if (end == StepRow::End::neverBegun || (end == StepRow::End::lastOfRow && !finishRow())) throw ReplicaFailure(*failure_);
}

void Trainer::startRow() {
  if (failure_ != nullptr) return row_.fail();
  beginStep(*row_.current());
  startEveryReplica(rowWork_);
}

bool Trainer::finishRow() {
  finishEveryReplica();
  if (failure_ != nullptr) {
    row_.giveUp();
    return false;
  }
  if (row_.resume()) startRow();
  return true;
}

void Trainer::beginStep(const Step& step) {
  calls_++;
  optimizerStep_ += 1;
  batchesTracked_ += 1;
  owe(step.learningRate);
  restartGradients([this, learningRate = step.learningRate](int device, int layer) {
    updateWeights(*replicas_[device], device, layer, learningRate);
  }, streamTimed_);
}

void Trainer::restartGradients(GradientStream::Consume consume, PartSeconds* seconds) {
  signal_.timeInto(seconds);
  if (stream_ != nullptr) stream_->restart(std::move(consume), seconds);
  if (pool_ != nullptr) pool_->restart();
}

void Trainer::computeStep(Replica& replica, int device, const Step& step) {
  requestedFailure_.throwIfAt(device, calls_);
  Laps laps(device == 0 ? timed_ : nullptr);
  replica.computeGradients(step.batch, shardLosses_.data(), shardStatisticsAt_.data());
  laps.end(&PartSeconds::gradients);
  meet(barrier_, progress_, device);
  laps.end(&PartSeconds::waiting);
  update(replica, device, step.learningRate);
  if (device == 0) updateRunningStatistics();
  laps.end(&PartSeconds::update);
  progress_.endStep(device);
}

// Whether there is another step to go on to, once all replicas have done this one.
bool Trainer::goOn(int device) {
  StepRow::Call* over = nullptr;
  meet(barrier_, progress_, device, [&] {
    over = row_.conclude(endStep());
    if (row_.current() != nullptr) beginStep(*row_.current());
  });
  const bool goesOn = row_.current() != nullptr;
  // By the last to come, now that the others are at work again: to wake a thread takes its time.
  if (over != nullptr) row_.tell(over);
  return goesOn;
}

double Trainer::endStep() {
  if (owedSteps() == mostOwedSteps) forgetOwed();
  return meanLoss();
}

double Trainer::meanLoss() const { return treeSum(shardLosses_.data(), spec_.shards) / spec_.globalBatch; }

PlanLimits Trainer::limits() const {
  PlanLimits limits = spec_.limits;
  const int each = spec_.shards / devices();
  // Only where gradients are streamed, and no more than two shards of a device are added up, is there anything to share out.
  if (devices() == 1 || !streams() || each > 2) limits.mostDeferredBytes = 0;
  limits.sharesWeights = shardsAbreast(each, spec_.syncBatchNorm) > 1;
  return limits;
}

bool Trainer::streams() const {
  const int each = spec_.shards / devices();
  return spec_.clipNorm == 0 && shardsAbreast(each, spec_.syncBatchNorm) == each;
}

void Trainer::planLeaves() {
  weightLeaves_.resize(plan_.graph().layers.size());
  for (const auto& replica : replicas_) {
    for (const float* leaf : replica->leaves()) {
      for (int layer : gradientPlan_.order) weightLeaves_[layer].push_back(leaf + gradientPlan_.weightsAt[layer]);
      for (int layer : gradientPlan_.deferred) weightLeaves_[layer].push_back(leaf + gradientPlan_.weightsAt[layer]);
      vectorLeaves_.push_back(leaf + gradientPlan_.weightsFloats);
      wholeLeaves_.push_back(leaf);
    }
  }
}

GradientLeaves Trainer::leavesOf(int layer) const {
  const std::vector<const float*>& leaves = weightLeaves_[layer];
  return {leaves.data(), static_cast<int>(leaves.size()), 1.0f, plan_.parameters().of(layer).weight.live};
}

GradientLeaves Trainer::wholeLeaves() const {
  return {wholeLeaves_.data(), static_cast<int>(wholeLeaves_.size()), 1.0f, 0};
}

GradientLeaves Trainer::vectorLeaves() const {
  return {vectorLeaves_.data(), static_cast<int>(vectorLeaves_.size()), 1.0f, plan_.parameters().vectorsBegin()};
}

double Trainer::gradients(const ImageBatch& batch, float* const* tensors) {
  const ParameterSpace& space = plan_.parameters();
  const Buffer sum(space.liveSize());
  const auto add = [&](const GradientLeaves& leaves, std::size_t from, std::size_t to) {
    plan_.kernels().sumLeaves(leaves, from, to, sum.data());
  };
  const auto addWeights = [&](int layer) {
    const WeightLayout& w = space.of(layer).weight;
    add(leavesOf(layer), w.live, w.live + w.liveSize());
  };
  restartGradients([&](int device, int layer) {
    if (device == 0) addWeights(layer);
  }, nullptr);
  onEveryReplica([&](Replica& replica, int) {
    replica.computeGradients(batch, shardLosses_.data(), shardStatisticsAt_.data());
  });
  if (stream_ == nullptr) {
    for (int layer : gradientPlan_.order) addWeights(layer);
  }
  for (int layer : gradientPlan_.deferred) addWeights(layer);
  add(vectorLeaves(), space.vectorsBegin(), space.liveSize());
  space.exportParameters(sum.data(), sum.size(), tensors);
  return meanLoss();
}

Profile Trainer::profile(const ImageBatch& batch, int repetitions) {
  const auto& steps = plan_.steps();
  std::vector<double> seconds(2 * steps.size() + 1);
  PartSeconds parts, stream;
  struct Watch {
    Trainer& trainer;
    ~Watch() {
      trainer.timed_ = trainer.streamTimed_ = nullptr;
      trainer.replicas_[0]->timeInto(nullptr);
    }
  } const watch{*this};
  timed_ = &parts;
  streamTimed_ = &stream;
  replicas_[0]->timeInto(seconds.data());
  std::vector<Step> row(repetitions, {batch});
  train(row);
  Profile profile;
  for (const Step& step : row) profile.stepSeconds += step.seconds / repetitions;
  parts.weightCopies = seconds.back();
  parts.update += stream.update;
  parts.waiting += stream.waiting;
  parts.gradients -= parts.weightCopies + stream.update + stream.waiting;
  profile.parts = {parts.gradients / repetitions, parts.waiting / repetitions, parts.update / repetitions,
                   parts.weightCopies / repetitions};
  const double shards = static_cast<double>(spec_.shards) / devices();
  for (std::size_t i = 0; i < steps.size(); i++) {
    profile.steps.push_back({steps[i]->layer, steps[i]->kind, seconds[2 * i] / repetitions,
                             seconds[2 * i + 1] / repetitions, steps[i]->forwardProducts * shards,
                             steps[i]->backwardProducts * shards});
  }
  return profile;
}

// Shares the chunks of a parameter range among the replicas. The chunks are the same for any number of them.
template <class F>
void Trainer::onChunksOf(std::size_t from, std::size_t to, Replica& replica, int device, F&& work) {
  const int chunks = static_cast<int>((to - from + updateChunk - 1) / updateChunk);
  const int first = chunks * device / devices(), last = chunks * (device + 1) / devices();
  replica.team().split(last - first, [&](int begin, int end) {
    for (int c = first + begin; c < first + end; c++) {
      work(c, from + c * updateChunk, std::min(to, from + (c + 1) * updateChunk));
    }
  });
}

void Trainer::addSquares(Replica& replica, int device, const GradientLeaves& gradient) {
  onChunksOf(0, plan_.parameters().liveSize(), replica, device, [&](int chunk, std::size_t begin, std::size_t end) {
    chunkSquares_[chunk] = plan_.kernels().sumSquares(gradient, begin, end);
  });
}

// torch.nn.utils.clip_grad_norm_: limit / (norm + 1e-6), at most 1.
float Trainer::clipScale() const {
  double squares = 0;
  for (double s : chunkSquares_) squares += s;
  return static_cast<float>(std::min(1.0, spec_.clipNorm / (std::sqrt(squares) + 1e-6)));
}

// Every replica updates its own chunks of what the stream has not updated yet. What idle ones are owed is paid in one pass
// for many steps.
void Trainer::update(Replica& replica, int device, double learningRate) {
  const ParameterSpace& space = plan_.parameters();
  GradientLeaves vectors = vectorLeaves();
  if (stream_ == nullptr) {
    GradientLeaves weights = wholeLeaves();
    if (spec_.clipNorm > 0) {
      addSquares(replica, device, weights);
      meet(barrier_, progress_, device);
      weights.scale = vectors.scale = clipScale();
    }
    updateRange(replica, device, weights, {learningRate, spec_.optimizer.weightDecay, 0, space.vectorsBegin()});
  }
  for (int layer : gradientPlan_.deferred) updateWeights(replica, device, layer, learningRate);
  const float decay = spec_.optimizer.decayVectors ? spec_.optimizer.weightDecay : 0.0f;
  updateRange(replica, device, vectors, {learningRate, decay, space.vectorsBegin(), space.liveSize()});
  if (owedSteps() == mostOwedSteps) updateIdle(replica);
}

void Trainer::owe(double learningRate) {
  if (idleAtRest_) return;
  const GradientLeaves none{nullptr, 0, 1.0f, 0};
  if (spec_.optimizer.kind == Optimizer::Kind::sgd) {
    owedSgd_.push_back(sgdUpdate(none, learningRate, spec_.optimizer.weightDecay));
  } else {
    owedAdam_.push_back(adamUpdate(none, learningRate, spec_.optimizer.weightDecay));
  }
}

// Whoever is ahead takes more: it is long, and no other work of the step is left to even it out.
void Trainer::updateIdle(Replica& replica) {
  const std::size_t from = plan_.parameters().liveSize(), to = plan_.parameters().size();
  const int pieces = static_cast<int>((to - from + updateChunk - 1) / updateChunk);
  for (;;) {
    const int first = idleTaken_.fetch_add(idlePieces, std::memory_order_relaxed);
    if (first >= pieces) return;
    replica.team().split(std::min(idlePieces, pieces - first), [&](int b, int e) {
      const std::size_t begin = from + (first + b) * updateChunk, end = std::min(to, from + (first + e) * updateChunk);
      if (!owedSgd_.empty()) plan_.kernels().sgdIdle(owedSgd_.data(), owedSteps(), begin, end);
      if (!owedAdam_.empty()) plan_.kernels().adamIdle(owedAdam_.data(), owedSteps(), begin, end);
    });
  }
}

void Trainer::settle() {
  if (owedSteps() == 0) return;
  onEveryReplica([&](Replica& replica, int) { updateIdle(replica); });
  forgetOwed();
}

void Trainer::forgetOwed() {
  owedSgd_.clear();
  owedAdam_.clear();
  idleTaken_ = 0;
}

bool Trainer::idleRests() const {
  const std::size_t live = plan_.parameters().liveSize();
  return spec_.optimizer.weightDecay == 0.0f && std::all_of(slots_.begin(), slots_.end(), [&](const Buffer& slot) {
           return std::all_of(slot.data() + live, slot.data() + slot.size(), [](float v) { return v == 0.0f; });
         });
}

SgdUpdate Trainer::sgdUpdate(const GradientLeaves& gradient, double learningRate, float decay) {
  const Optimizer& o = spec_.optimizer;
  // No step reads the momentum before the next one does, when it is in no cache any more. Cores that write at once then leave
  // each other more of memory; a single one only waits for such stores.
  const bool pastCaches = devices() > 1 || spec_.deviceCores[0].size() > 1;
  return {parameters_.data(), slots_[0].data(), gradient, static_cast<float>(learningRate), o.momentum, decay, o.nesterov,
          pastCaches};
}

AdamUpdate Trainer::adamUpdate(const GradientLeaves& gradient, double learningRate, float decay) {
  const Optimizer& o = spec_.optimizer;
  const bool decoupled = o.kind == Optimizer::Kind::adamW;
  const double correction1 = 1.0 - std::pow(static_cast<double>(o.beta1), optimizerStep_);
  const double correction2 = 1.0 - std::pow(static_cast<double>(o.beta2), optimizerStep_);
  return {parameters_.data(), slots_[0].data(), slots_[1].data(), gradient,
          static_cast<float>(learningRate / correction1), static_cast<float>(1.0 / std::sqrt(correction2)), o.beta1,
          o.beta2, o.epsilon, decoupled ? 0.0f : decay,
          decoupled ? static_cast<float>(1.0 - learningRate * static_cast<double>(decay)) : 1.0f};
}

void Trainer::updateRange(Replica& replica, int device, const GradientLeaves& gradient, const UpdateRange& range) {
  onChunksOf(range.from, range.to, replica, device, [&](int, std::size_t begin, std::size_t end) {
    if (spec_.optimizer.kind == Optimizer::Kind::sgd) {
      plan_.kernels().sgd(sgdUpdate(gradient, range.learningRate, range.decay), begin, end);
    } else {
      plan_.kernels().adam(adamUpdate(gradient, range.learningRate, range.decay), begin, end);
    }
  });
}

void Trainer::updateWeights(Replica& replica, int device, int layer, double learningRate) {
  const WeightLayout& w = plan_.parameters().of(layer).weight;
  updateRange(replica, device, leavesOf(layer), {learningRate, spec_.optimizer.weightDecay, w.live, w.live + w.liveSize()});
}

// running = (1 - momentum) * running + momentum * (mean over shards, in tree order; variances unbiased). Where
// batch norm is over the global batch there is one population, else one a shard.
void Trainer::updateRunningStatistics() {
  const Graph& graph = plan_.graph();
  const std::vector<float*> populations =
      global_ == nullptr ? shardStatisticsAt_ : std::vector<float*>{global_->joined(0).moments};
  const int count = static_cast<int>(populations.size());
  std::vector<float> values(count);
  for (std::size_t i = 0; i < graph.layers.size(); i++) {
    const Layer& layer = graph.layers[i];
    if (layer.kind != LayerKind::batchNorm) continue;
    const LayerParameters& p = plan_.parameters().of(static_cast<int>(i));
    const float n = static_cast<float>(graph.shapes[layer.output].pixels()) * static_cast<float>(spec_.globalBatch / count);
    const auto blend = [&](std::size_t at, float factor) {
      for (int c = 0; c < p.channels; c++) {
        for (int i = 0; i < count; i++) values[i] = populations[i][at + c];
        const float average = treeSum(values.data(), count) / static_cast<float>(count) * factor;
        running_[at + c] = (1.0f - layer.momentum) * running_[at + c] + layer.momentum * average;
      }
    };
    blend(p.runningMean, 1.0f);
    blend(p.runningVariance, n / (n - 1.0f));
  }
}

// Shard-sized chunks of any number of images, dealt to the replicas in turn.
template <class F>
void Trainer::onChunks(int images, F&& work) {
  const int size = plan_.batch(), chunks = (images + size - 1) / size;
  onEveryReplica([&](Replica& replica, int device) {
    for (int c = device; c < chunks; c += devices()) work(replica, c, c * size, std::min(images, (c + 1) * size));
  });
}

LossSum Trainer::evaluate(const ImageBatch& batch, std::int32_t* predicted) {
  std::vector<LossSum> sums((batch.count + plan_.batch() - 1) / plan_.batch());
  onChunks(batch.count, [&](Replica& r, int chunk, int begin, int end) {
    sums[chunk] = r.evaluate(batch, begin, end, predicted);
  });
  LossSum total;
  for (const LossSum& sum : sums) {
    total.loss += sum.loss;
    total.correct += sum.correct;
    total.correct5 += sum.correct5;
  }
  return total;
}

void Trainer::predict(const ImageBatch& batch, float* logits) {
  onChunks(batch.count, [&](Replica& r, int, int begin, int end) { r.predict(batch, begin, end, logits); });
}

void Trainer::readState(float* const* tensors) {
  settle();
  plan_.parameters().exportState(parameters_.data(), running_.data(), static_cast<float>(batchesTracked_), tensors);
}

void Trainer::writeState(const float* const* tensors) {
  settle();
  batchesTracked_ = plan_.parameters().importState(tensors, parameters_.data(), running_.data());
}

double Trainer::readOptimizer(const Slots& slots) {
  settle();
  for (std::size_t i = 0; i < slots_.size(); i++) {
    plan_.parameters().exportParameters(slots_[i].data(), slots_[i].size(), slots.at(i).data());
  }
  return optimizerStep_;
}

void Trainer::writeOptimizer(double step, const Slots& slots) {
  if (slots.size() != slots_.size()) throw std::invalid_argument("optimizer state has another number of slots");
  settle();
  optimizerStep_ = step;
  for (std::size_t i = 0; i < slots_.size(); i++) {
    plan_.parameters().importParameters(slots[i].data(), slots_[i].data());
  }
  idleAtRest_ = idleRests();
}

std::size_t Trainer::memoryBytes() const {
  std::size_t bytes = parameters_.bytes() + running_.bytes();
  for (const Buffer& slot : slots_) bytes += slot.bytes();
  for (const Buffer& statistics : shardStatistics_) bytes += statistics.bytes();
  if (global_ != nullptr) bytes += global_->memoryBytes();
  for (const auto& replica : replicas_) bytes += replica->memoryBytes();
  return bytes;
}

}  // namespace trainql
