// The parameter space of a graph.
#include "plan/parameters.h"

namespace trainql {

namespace {

// Taps along one axis that meet at least one input position.
std::vector<bool> liveAlongAxis(int size, int outSize, const Layer& layer) {
  std::vector<bool> live(layer.kernel, false);
  for (int k = 0; k < layer.kernel; k++) {
    for (int o = 0; o < outSize; o++) {
      const int i = o * layer.stride - layer.padding + k;
      if (i >= 0 && i < size) live[k] = true;
    }
  }
  return live;
}

WeightLayout layoutOf(const Layer& layer, const Graph& graph, const Kernels& kernels) {
  WeightLayout w;
  w.inChannels = layer.inChannels;
  w.outChannels = layer.outChannels;
  w.taps = layer.kernel * layer.kernel;
  w.flat = layer.input == 0;
  w.panel = kernels.panel;
  w.panels = paddedChannels(layer.outChannels, kernels) / kernels.panel;
  w.slotOfTap.assign(w.taps, 0);
  if (w.flat) {
    w.liveSlots = 1;
    return w;
  }
  const Shape in = graph.shapes[layer.input], out = graph.shapes[layer.output];
  const auto rows = liveAlongAxis(in.height, out.height, layer), columns = liveAlongAxis(in.width, out.width, layer);
  int idle = 0;
  for (int t = 0; t < w.taps; t++) {
    if (rows[t / layer.kernel] && columns[t % layer.kernel]) w.liveSlots++;
  }
  for (int t = 0, live = 0; t < w.taps; t++) {
    const bool isLive = rows[t / layer.kernel] && columns[t % layer.kernel];
    w.slotOfTap[t] = isLive ? live++ : w.liveSlots + idle++;
  }
  return w;
}

}  // namespace

std::size_t WeightLayout::at(int out, int in, int tap) const {
  const std::size_t column = static_cast<std::size_t>(out / panel) * panelStride() + out % panel;
  if (flat) return live + column + (static_cast<std::size_t>(tap) * inChannels + in) * panel;
  const int slot = slotOfTap[tap];
  const std::size_t base = slot < liveSlots ? live + slot * slotStride() : idle + (slot - liveSlots) * slotStride();
  return base + column + static_cast<std::size_t>(in) * panel;
}

ParameterSpace::ParameterSpace(const Graph& graph, const Kernels& kernels) : graph_(graph) {
  layers_.resize(graph.layers.size());
  const auto take = [](std::size_t& space, std::size_t floats) {
    const std::size_t at = space;
    space += floats;
    return at;
  };
  for (std::size_t i = 0; i < graph.layers.size(); i++) {
    const Layer& layer = graph.layers[i];
    if (layer.kind != LayerKind::convolution && layer.kind != LayerKind::linear) continue;
    LayerParameters& p = layers_[i];
    p.hasWeight = true;
    p.weight = layoutOf(layer, graph, kernels);
    p.weight.live = take(size_, p.weight.liveSize());
    parameterCount_ += static_cast<std::size_t>(layer.outChannels) * layer.inChannels * p.weight.taps;
  }
  vectorsBegin_ = size_;
  for (std::size_t i = 0; i < graph.layers.size(); i++) {
    const Layer& layer = graph.layers[i];
    const bool linear = layer.kind == LayerKind::linear;
    if (layer.kind != LayerKind::batchNorm && !linear) continue;
    LayerParameters& p = layers_[i];
    p.channels = layer.outChannels;
    const std::size_t padded = p.padded = paddedChannels(layer.outChannels, kernels);
    if (!linear) p.scale = take(size_, padded);
    p.shift = take(size_, padded);
    parameterCount_ += static_cast<std::size_t>(layer.outChannels) * (linear ? 1 : 2);
    if (linear) continue;
    p.runningMean = take(statisticsSize_, padded);
    p.runningVariance = take(statisticsSize_, padded);
    stateSize_ += 2 * static_cast<std::size_t>(layer.outChannels) + 1;
  }
  liveSize_ = size_;
  for (LayerParameters& p : layers_) {
    if (p.hasWeight) p.weight.idle = take(size_, p.weight.idleSize());
  }
  stateSize_ += parameterCount_;
}

// Visits the canonical parameters of one layer in order: weight (out, in, tap), then vectors.
template <class OnWeight, class OnVector>
void ParameterSpace::eachParameter(std::size_t layer, OnWeight&& onWeight, OnVector&& onVector) const {
  const LayerParameters& p = layers_[layer];
  if (p.hasWeight) {
    for (int o = 0; o < p.weight.outChannels; o++) {
      for (int i = 0; i < p.weight.inChannels; i++) {
        for (int t = 0; t < p.weight.taps; t++) onWeight(p.weight.at(o, i, t));
      }
    }
  }
  if (p.channels == 0) return;
  if (!p.hasWeight) onVector(p.scale, p.channels);
  onVector(p.shift, p.channels);
}

void ParameterSpace::exportParameters(const float* space, std::size_t spaceSize, float* canonical) const {
  float* out = canonical;
  // A space that ends at the live part (gradients) has zeros behind it.
  const auto value = [&](std::size_t at) { return at < spaceSize ? space[at] : 0.0f; };
  for (std::size_t layer = 0; layer < layers_.size(); layer++) {
    eachParameter(
        layer, [&](std::size_t at) { *out++ = value(at); },
        [&](std::size_t at, int count) {
          for (int c = 0; c < count; c++) *out++ = value(at + c);
        });
  }
}

void ParameterSpace::importParameters(const float* canonical, float* space) const {
  const float* in = canonical;
  for (std::size_t layer = 0; layer < layers_.size(); layer++) {
    eachParameter(
        layer, [&](std::size_t at) { space[at] = *in++; },
        [&](std::size_t at, int count) {
          for (int c = 0; c < count; c++) space[at + c] = *in++;
        });
  }
}

void ParameterSpace::exportState(const float* space, const float* statistics, float batchesTracked,
                                 float* canonical) const {
  float* out = canonical;
  for (std::size_t layer = 0; layer < layers_.size(); layer++) {
    const LayerParameters& p = layers_[layer];
    const auto vector = [&](const float* from, int count) {
      for (int c = 0; c < count; c++) *out++ = from[c];
    };
    eachParameter(
        layer, [&](std::size_t at) { *out++ = space[at]; },
        [&](std::size_t at, int count) { vector(space + at, count); });
    if (p.hasWeight || p.channels == 0) continue;
    vector(statistics + p.runningMean, p.channels);
    vector(statistics + p.runningVariance, p.channels);
    *out++ = batchesTracked;
  }
}

float ParameterSpace::importState(const float* canonical, float* space, float* statistics) const {
  const float* in = canonical;
  float batchesTracked = 0;
  for (std::size_t layer = 0; layer < layers_.size(); layer++) {
    const LayerParameters& p = layers_[layer];
    const auto vector = [&](float* to, int count) {
      for (int c = 0; c < count; c++) to[c] = *in++;
    };
    eachParameter(
        layer, [&](std::size_t at) { space[at] = *in++; },
        [&](std::size_t at, int count) { vector(space + at, count); });
    if (p.hasWeight || p.channels == 0) continue;
    vector(statistics + p.runningMean, p.channels);
    vector(statistics + p.runningVariance, p.channels);
    batchesTracked = *in++;
  }
  return batchesTracked;
}

}  // namespace trainql
