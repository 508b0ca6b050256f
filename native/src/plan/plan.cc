// Compiling a graph: fusion, layouts, gradient order.
#include "plan/plan.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "plan/convolution_step.h"
#include "plan/steps.h"
#include "replica_progress.h"

namespace trainql {

Plan::Plan(const Graph& graph, int batch, const Kernels& kernels, const PlanLimits& limits, const Algorithms* forced)
    : graph_(graph), batch_(batch), kernels_(kernels), limits_(limits), parameters_(graph, kernels) {
  layTensors();
  chooseAll(forced);
  compile();
  planGradients();
  shareRows();
  leaveNorms();
  planMemory();
  deferGradients();
  planEvaluation();
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
