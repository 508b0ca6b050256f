// The parameter space of a graph.
#include "plan/parameters.h"

#include <algorithm>

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
    if (linear) continue;
    p.runningMean = take(statisticsSize_, padded);
    p.runningVariance = take(statisticsSize_, padded);
  }
  liveSize_ = size_;
  for (LayerParameters& p : layers_) {
    if (p.hasWeight) p.weight.idle = take(size_, p.weight.idleSize());
  }
}

namespace {

// Calls f(place in the space, place in the tensor) for each weight: (out, in, tap).
template <class F>
void eachWeight(const WeightLayout& w, F&& f) {
  std::size_t i = 0;
  for (int out = 0; out < w.outChannels; out++) {
    for (int in = 0; in < w.inChannels; in++) {
      for (int tap = 0; tap < w.taps; tap++) f(w.at(out, in, tap), i++);
    }
  }
}

}  // namespace

// One layer's parameters to or from its tensors: weight, then vectors. Returns the tensors behind them.
float* const* ParameterSpace::exportLayer(const LayerParameters& p, const float* space, std::size_t spaceSize,
                                          float* const* tensors) const {
  if (p.hasWeight) {
    float* const to = *tensors++;
    eachWeight(p.weight, [&](std::size_t at, std::size_t i) { to[i] = at < spaceSize ? space[at] : 0.0f; });
  }
  if (p.channels == 0) return tensors;
  if (!p.hasWeight) std::copy_n(space + p.scale, p.channels, *tensors++);
  std::copy_n(space + p.shift, p.channels, *tensors++);
  return tensors;
}

const float* const* ParameterSpace::importLayer(const LayerParameters& p, const float* const* tensors,
                                                float* space) const {
  if (p.hasWeight) {
    const float* const from = *tensors++;
    eachWeight(p.weight, [&](std::size_t at, std::size_t i) { space[at] = from[i]; });
  }
  if (p.channels == 0) return tensors;
  if (!p.hasWeight) std::copy_n(*tensors++, p.channels, space + p.scale);
  std::copy_n(*tensors++, p.channels, space + p.shift);
  return tensors;
}

void ParameterSpace::exportParameters(const float* space, std::size_t spaceSize, float* const* tensors) const {
  for (const LayerParameters& p : layers_) tensors = exportLayer(p, space, spaceSize, tensors);
}

void ParameterSpace::importParameters(const float* const* tensors, float* space) const {
  for (const LayerParameters& p : layers_) tensors = importLayer(p, tensors, space);
}

void ParameterSpace::exportState(const float* space, const float* statistics, float batchesTracked,
                                 float* const* tensors) const {
  for (const LayerParameters& p : layers_) {
    tensors = exportLayer(p, space, size_, tensors);
    if (!p.hasStatistics()) continue;
    std::copy_n(statistics + p.runningMean, p.channels, *tensors++);
    std::copy_n(statistics + p.runningVariance, p.channels, *tensors++);
    **tensors++ = batchesTracked;
  }
}

float ParameterSpace::importState(const float* const* tensors, float* space, float* statistics) const {
  float batchesTracked = 0;
  for (const LayerParameters& p : layers_) {
    tensors = importLayer(p, tensors, space);
    if (!p.hasStatistics()) continue;
    std::copy_n(*tensors++, p.channels, statistics + p.runningMean);
    std::copy_n(*tensors++, p.channels, statistics + p.runningVariance);
    batchesTracked = **tensors++;
  }
  return batchesTracked;
}

}  // namespace trainql
