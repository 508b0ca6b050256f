// Compiling a graph: fusion, layouts, gradient order, memory.
#include "plan/plan.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <stdexcept>
#include <string>

#include "plan/convolution_step.h"
#include "plan/steps.h"
#include "replica_progress.h"

namespace trainql {

namespace {

std::vector<std::vector<int>> consumersOf(const Graph& graph) {
  std::vector<std::vector<int>> consumers(graph.shapes.size());
  for (std::size_t i = 0; i < graph.layers.size(); i++) {
    consumers[graph.layers[i].input].push_back(static_cast<int>(i));
    if (graph.layers[i].secondInput >= 0) consumers[graph.layers[i].secondInput].push_back(static_cast<int>(i));
  }
  return consumers;
}

}  // namespace

Plan::Plan(const Graph& graph, int batch, const Kernels& kernels, const Algorithms* forced,
           std::size_t keptBytes, std::size_t joinedBytes)
    : graph_(graph), batch_(batch), kernels_(kernels), parameters_(graph, kernels) {
  layTensors();
  chooseAll(forced);
  compile();
  planGradients();
  shareRows();
  leaveNorms();
  planMemory(keptBytes);
  planEvaluation(joinedBytes);
}

int Plan::addBuffer(std::size_t floats) {
  Lifetime buffer;
  buffer.floats = floats;
  buffers_.push_back(buffer);
  return static_cast<int>(buffers_.size()) - 1;
}

int Plan::addMap(std::size_t elements) { return addBuffer((elements * kernels_.elementBytes + 3) / 4); }

void Plan::needScratch(std::size_t floats) {
  if (floats > scratchFloats_) scratchFloats_ = floats;
}

void Plan::needWeights(std::size_t floats) {
  if (floats > weightsFloats_) weightsFloats_ = floats;
}

void Plan::layTensors() {
  for (const Layer& layer : graph_.layers) {
    if (layer.input != 0 && layer.secondInput != 0) continue;
    if (layer.kind != LayerKind::convolution && layer.kind != LayerKind::linear) {
      throw std::invalid_argument("expected the image batch to feed convolutions or linear layers only");
    }
    images_.border = std::max(images_.border, layer.padding);
  }
  layImages();
  for (std::size_t i = 0; i < graph_.shapes.size(); i++) {
    const Shape shape = graph_.shapes[i];
    TensorLayout t;
    t.channels = shape.channels;
    t.height = shape.height;
    t.width = shape.width;
    t.padded = paddedChannels(shape.channels, kernels_);
    t.row = rowStride(t.padded, kernels_.elementBytes);
    if (i == 0) {
      t.padded = shape.channels;
      t.row = shape.channels;
      const std::size_t values = static_cast<std::size_t>(images_.imageStride()) * batch_;
      t.activation = t.kept = imagesInWindows_ ? addMap(images_.values(batch_)) : addBuffer(values);
    } else {
      const std::size_t elements = static_cast<std::size_t>(shape.pixels()) * batch_ * t.row;
      t.activation = addMap(elements);
      t.kept = addMap(elements);
      t.gradient = addMap(elements);
    }
    tensors_.push_back(t);
  }
}

void Plan::layImages() {
  const Shape shape = graph_.shapes[0];
  images_.channels = shape.channels;
  images_.width = shape.width + 2 * images_.border;
  images_.height = shape.height + 2 * images_.border;
  imagesInWindows_ = std::all_of(graph_.layers.begin(), graph_.layers.end(), [&](const Layer& layer) {
    return layer.input != 0 || windowsPay(layer);
  });
}

// A line of the filter takes whole registers of a product's depth, however little of them it fills. Where that is too
// little, products of single fp32 values are as quick, and more exact.
bool Plan::windowsPay(const Layer& layer) const {
  if (kernels_.linedGradient == nullptr || layer.kind != LayerKind::convolution) return false;
  constexpr int leastValues = 8;  // of each register that is multiplied
  const int line = layer.kernel * layer.inChannels, panel = ImageWindows::panel;
  return line >= leastValues * ((line + panel - 1) / panel);
}

void Plan::chooseAll(const Algorithms* forced) {
  constexpr Algorithm direct = Algorithm::direct;
  algorithms_.assign(graph_.layers.size(), {direct, direct, direct});
  for (std::size_t i = 0; i < graph_.layers.size(); i++) {
    const Layer& layer = graph_.layers[i];
    if (layer.kind != LayerKind::convolution || layer.input == 0) continue;
    const ConvolutionShape shape = shapeOf(graph_, layer, batch_);
    const Algorithms chosen = forced != nullptr ? *forced : chooseAlgorithms(kernels_, shape);
    for (const Algorithm a : {chosen.forward, chosen.dataGradient, chosen.weightGradient}) {
      if (!accepts(a, shape)) {
        throw std::invalid_argument(std::string("expected an algorithm that can compute the convolution; got ") + nameOf(a));
      }
    }
    algorithms_[i] = chosen;
  }
}

void Plan::compile() {
  const auto consumers = consumersOf(graph_);
  const auto soleConsumer = [&](int tensor, LayerKind kind) {
    if (tensor == graph_.logits || consumers[tensor].size() != 1) return -1;
    const int layer = consumers[tensor][0];
    return graph_.layers[layer].kind == kind ? layer : -1;
  };
  // A fused step runs where its last layer stands, so that every input is ready.
  std::vector<std::unique_ptr<Op>> placed(graph_.layers.size());
  std::vector<char> taken(graph_.layers.size(), 0);
  for (std::size_t i = 0; i < graph_.layers.size(); i++) {
    const Layer& layer = graph_.layers[i];
    if (static_cast<int>(consumers[layer.output].size()) == 0 && layer.output != graph_.logits) {
      throw std::invalid_argument("tensor " + std::to_string(layer.output) + " is computed but never used");
    }
    if (taken[i]) continue;
    int last = static_cast<int>(i), output = layer.output, skip = -1;
    bool relu = false;
    const auto absorb = [&](int next) {
      taken[next] = 1;
      last = next;
      output = graph_.layers[next].output;
    };
    switch (layer.kind) {
      case LayerKind::convolution:
      case LayerKind::linear:
        placed[i] = makeConvolution(*this, last);
        break;
      case LayerKind::batchNorm:
        if (const int add = soleConsumer(output, LayerKind::add); add >= 0 && !taken[add]) {
          skip = graph_.layers[add].input == output ? graph_.layers[add].secondInput : graph_.layers[add].input;
          if (skip != output) absorb(add); else skip = -1;
        }
        if (const int next = soleConsumer(output, LayerKind::relu); next >= 0) {
          absorb(next);
          relu = true;
        }
        placed[last] = makeBatchNorm(*this, {static_cast<int>(i), output, skip, relu});
        break;
      case LayerKind::add:
        if (const int next = soleConsumer(output, LayerKind::relu); next >= 0) {
          absorb(next);
          relu = true;
        }
        placed[last] = makePointwise(*this, {static_cast<int>(i), layer.input, layer.secondInput, output, relu});
        break;
      case LayerKind::relu:
        placed[i] = makePointwise(*this, {static_cast<int>(i), layer.input, -1, output, true});
        break;
      case LayerKind::maxPool:
        placed[i] = makeMaxPool(*this, last);
        break;
      case LayerKind::globalAveragePool:
        placed[i] = makeGlobalAveragePool(*this, last);
        break;
    }
  }
  for (auto& op : placed) {
    if (op != nullptr) ops_.push_back(std::move(op));
  }
}

void Plan::planGradients() {
  std::vector<char> written(tensors_.size(), 0);
  for (auto op = ops_.rbegin(); op != ops_.rend(); ++op) {
    for (int tensor : (*op)->gradientTargets) {
      (*op)->accumulate.push_back(written[tensor]);
      written[tensor] = 1;
    }
  }
}

// A pass of a batch norm goes to the convolution that makes the rows it reads, where that does so in order: the one that
// makes its input, or the one behind it if that is the last to add to the gradient of its output.
void Plan::shareRows() {
  const auto consumers = consumersOf(graph_);
  const auto give = [](BatchNormStep& norm, ConvolutionStep* convolution, RowPass pass) {
    if (convolution == nullptr || !convolution->canTake(pass)) return;
    norm.leave(pass);
    convolution->take(pass, norm);
  };
  for (std::size_t i = 0; i < ops_.size(); i++) {
    BatchNormStep* const norm = ops_[i]->batchNorm();
    if (norm == nullptr) continue;
    const int input = graph_.layers[norm->layer].input;
    for (std::size_t maker = 0; maker < i && consumers[input].size() == 1; maker++) {
      if (graph_.layers[ops_[maker]->layer].output == input) give(*norm, ops_[maker]->convolution(), RowPass::measure);
    }
    if (i + 1 == ops_.size() || ops_[i + 1]->gradientTargets != std::vector<int>{norm->output()}) continue;
    give(*norm, ops_[i + 1]->convolution(), RowPass::reduce);
  }
}

// Where all that read a batch norm's output can norm its input as they read, that is not in memory in training.
void Plan::leaveNorms() {
  const auto consumers = consumersOf(graph_);
  isAbsent_.assign(buffers_.size(), 0);
  for (const auto& op : ops_) {
    BatchNormStep* const norm = op->batchNorm();
    if (norm == nullptr || norm->output() == graph_.logits) continue;
    std::vector<Op*> readers;
    for (const auto& reader : ops_) {
      if (reader->canNorm(*norm)) readers.push_back(reader.get());
    }
    if (readers.size() != consumers[norm->output()].size()) continue;
    norm->leaveToReaders();
    for (Op* const reader : readers) reader->norm(*norm);
    isAbsent_[tensors_[norm->output()].activation] = isAbsent_[tensors_[norm->output()].kept] = 1;
  }
}

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

// With `again`, what steps name so is made anew; else every activation is kept until it is read last.
ArenaPlan Plan::planTraining(bool again) const {
  const int steps = static_cast<int>(ops_.size());
  std::vector<int> place(buffers_.size());
  std::iota(place.begin(), place.end(), 0);
  for (const TensorLayout& t : tensors_) place[t.kept] = t.activation;
  for (const auto& op : ops_) {
    for (const BatchNormStep* norm : op->again) {
      const int kept = tensors_[norm->output()].kept;
      if (again) place[kept] = kept;
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
      if (again) touch(norm->normaliseAgainBuffers(), steps + 1 + i);
    }
  }
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

void Plan::planMemory(std::size_t keptBytes) {
  chooseAgain();
  training_ = planTraining(false);
  if (training_.floats * sizeof(float) > keptBytes) {
    training_ = planTraining(true);
  } else {
    for (const auto& op : ops_) op->again.clear();
  }
}

// Where a convolution's output goes into a batch norm alone, the two are one step, which stands where the batch norm did:
// there what that adds is ready. The output of the convolution itself is nowhere in memory then.
void Plan::planEvaluation(std::size_t joinedBytes) {
  const auto consumers = consumersOf(graph_);
  std::vector<const Op*> waiting(tensors_.size(), nullptr);
  std::vector<Lifetime> lives = buffers_;
  for (const auto& op : ops_) {
    const Layer& layer = graph_.layers[op->layer];
    const std::vector<int>& next = consumers[layer.output];
    const std::size_t mapBytes = buffers_[tensors_[layer.output].activation].floats * sizeof(float);
    if (mapBytes >= joinedBytes && op->convolution() != nullptr && layer.output != graph_.logits && next.size() == 1 &&
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

std::size_t Plan::arenaFloats() const { return std::max(training_.floats, evaluation_.floats); }

const std::size_t* Plan::offsets(Phase phase) const {
  return phase == Phase::training ? training_.offsets.data() : evaluation_.offsets.data();
}

void Plan::evaluate(const Workspace& w) const {
  for (const EvaluationStep& step : evaluationSteps_) {
    step.op->prepareForward(w);
    if (step.norm == nullptr) {
      step.op->forward(w);
    } else {
      step.op->convolution()->forwardNormalised(w, *step.norm);
    }
    if (w.ticks != nullptr) ReplicaProgress::tick(w.ticks);
  }
}

}  // namespace trainql
