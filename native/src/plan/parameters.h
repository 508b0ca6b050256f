// Where every parameter and running statistic lies, and how it maps to the canonical state dict.
//
// Parameters share one flat space: weights of filter taps that some output pixel uses (live), then scales, shifts and
// biases, then taps that only ever meet padding (idle: their gradient is zero, but decay and momentum still apply). Weights of a convolution
// are [tap slot][panel][depth][panel width]; where the layer reads the image batch, all taps form one slot with
// depth taps x channels. Idle panel columns are zero and stay zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cpu/kernels.h"
#include "plan/graph.h"

namespace trainql {

struct WeightLayout {
  int inChannels = 0, outChannels = 0, taps = 0;
  bool flat = false;            // one slot, depth = taps x inChannels
  std::vector<int> slotOfTap;   // live taps first
  int liveSlots = 0;
  int panel = 0, panels = 0;
  std::size_t live = 0;         // offset of slot 0
  std::size_t idle = 0;         // offset of slot `liveSlots`

  int depth() const { return flat ? taps * inChannels : inChannels; }
  std::size_t panelStride() const { return static_cast<std::size_t>(depth()) * panel; }
  std::size_t slotStride() const { return panelStride() * panels; }
  std::size_t liveSize() const { return slotStride() * liveSlots; }
  std::size_t idleSize() const { return slotStride() * (static_cast<std::size_t>(flat ? 1 : taps) - liveSlots); }
  // Offset of weight (out, in, tap) in the parameter space.
  std::size_t at(int out, int in, int tap) const;
};

struct LayerParameters {
  bool hasWeight = false;
  WeightLayout weight;         // convolution, linear
  std::size_t scale = 0;       // batch norm: offset of (channels); linear: unused
  std::size_t shift = 0;       // batch norm shift, or linear bias
  std::size_t runningMean = 0, runningVariance = 0;  // in the statistics space
  int channels = 0;            // of scale, shift and statistics, unpadded
  std::size_t padded = 0;      // the same with padding

  bool hasStatistics() const { return !hasWeight && channels > 0; }
};

class ParameterSpace {
 public:
  ParameterSpace(const Graph&, const Kernels&);

  const LayerParameters& of(int layer) const { return layers_[layer]; }
  // Calls f(offset, floats) for each vector of the layer.
  template <class F>
  void eachVector(int layer, F&& f) const {
    const LayerParameters& p = layers_[layer];
    if (p.channels == 0) return;
    if (!p.hasWeight) f(p.scale, p.padded);
    f(p.shift, p.padded);
  }
  std::size_t size() const { return size_; }
  std::size_t vectorsBegin() const { return vectorsBegin_; }  // live weights end, scales, shifts and biases begin
  std::size_t liveSize() const { return liveSize_; }          // they end, idle weights begin
  std::size_t statisticsSize() const { return statisticsSize_; }

  // Canonical tensors (parameters alone, in the order of the state dict) from the flat space, and back. A space that ends
  // at the live part (gradients) has zeros behind it.
  void exportParameters(const float* space, std::size_t spaceSize, float* const* tensors) const;
  void importParameters(const float* const* tensors, float* space) const;
  // All tensors of the canonical state dict: parameters, running statistics, batches tracked.
  void exportState(const float* space, const float* statistics, float batchesTracked, float* const* tensors) const;
  float importState(const float* const* tensors, float* space, float* statistics) const;

 private:
  float* const* exportLayer(const LayerParameters&, const float* space, std::size_t spaceSize,
                            float* const* tensors) const;
  const float* const* importLayer(const LayerParameters&, const float* const* tensors, float* space) const;

  const Graph graph_;
  std::vector<LayerParameters> layers_;
  std::size_t size_ = 0, vectorsBegin_ = 0, liveSize_ = 0, statisticsSize_ = 0;
};

// Channels padded to whole panels.
inline int paddedChannels(int channels, const Kernels& kernels) {
  return (channels + kernels.panel - 1) / kernels.panel * kernels.panel;
}

}  // namespace trainql
