// Compiles a graph once, for one shard size: steps, memory, layouts. Immutable, shared by all replicas.
#pragma once

#include <memory>
#include <vector>

#include "plan/arena.h"
#include "plan/graph.h"
#include "plan/image_windows.h"
#include "plan/kernel_table.h"
#include "plan/op.h"
#include "plan/parameters.h"

namespace trainql {

// From where on a plan does the one thing or the other. No answer of training depends on it.
struct PlanLimits {
  // Bytes of a shard's activations up to which all are kept. Above, outputs of batch norms are made anew in the backward
  // pass, to the same bits: that takes about 2 % of a step, and saves a third of the activations.
  std::size_t mostKeptBytes = 144 << 20;

  // Bytes of a shard's map from which on evaluation computes a convolution and the batch norm behind it at once. A smaller
  // map is in cache when batch norm comes to it, and the loops of products that finish their sums are a little slower.
  std::size_t leastJoinedBytes = 1 << 20;

  // Live weights of a layer, for each value of its maps, from which on its data gradient turns the maps and not the weights.
  // Transposed weights are made once for two shards, from memory; maps are turned for each, in cache.
  double leastTurnedWeights = 3;

  // Whether a device has several shards at work at once, which share what is made of the weights.
  bool sharesWeights = true;

  // Bytes by which a shard's memory may grow for weight gradients that are left for the end of the backward pass, where any
  // device may compute them (`GradientPool`). 0: none is left.
  std::size_t mostDeferredBytes = 16 << 20;
};

class Plan {
 public:
  // The kernel table chooses the algorithms of convolutions; `forced`, where given, takes its place for all that do not
  // read the image batch.
  // @throws std::invalid_argument where the graph cannot be planned.
  Plan(const Graph&, int batch, const Kernels&, const PlanLimits& = {}, const Algorithms* forced = nullptr);

  int batch() const { return batch_; }
  const Graph& graph() const { return graph_; }
  const Kernels& kernels() const { return kernels_; }
  const PlanLimits& limits() const { return limits_; }
  const ParameterSpace& parameters() const { return parameters_; }
  const TensorLayout& tensor(int id) const { return tensors_[id]; }
  // Zero border stored around each input image, in pixels.
  int inputBorder() const { return images_.border; }
  const ImageWindows& imageWindows() const { return images_; }
  // Whether the image batch is stored so; else it is fp32 and lies as every map does.
  bool imagesInWindows() const { return imagesInWindows_; }
  std::size_t arenaFloats() const;
  std::size_t scratchFloats() const { return scratchFloats_; }
  const std::size_t* offsets(Phase) const;

  // Room for one layer's weights in the layout that its kernels read (`Workspace::weights`).
  std::size_t weightsFloats() const { return weightsFloats_; }

  // Forward by the running statistics.
  void evaluate(const Workspace&) const;

  const std::vector<std::unique_ptr<Op>>& steps() const { return ops_; }
  // Those of `steps` whose weight gradients are deferred, as the backward pass meets them.
  const std::vector<int>& deferred() const { return deferred_; }

  const Algorithms& algorithms(int layer) const { return algorithms_[layer]; }

  // For the steps, while the plan is being built.
  int addBuffer(std::size_t floats);
  int addMap(std::size_t elements);
  bool paired() const { return kernels_.elementBytes == 2; }
  void needScratch(std::size_t floats);
  void needWeights(std::size_t floats);

 private:
  void layTensors();
  void layImages();
  bool windowsPay(const Layer&) const;
  void chooseAll(const Algorithms* forced);
  void compile();
  void planGradients();
  void shareRows();
  void leaveNorms();
  void planMemory();
  void deferGradients();
  void planEvaluation();
  ArenaPlan planTraining() const;
  void shareInPlace(std::vector<Lifetime>& lives, std::vector<int>& place) const;
  void chooseAgain();

  const Graph graph_;
  const int batch_;
  const Kernels& kernels_;
  const PlanLimits limits_;
  const ParameterSpace parameters_;
  ImageWindows images_;
  bool imagesInWindows_ = false;
  std::vector<Algorithms> algorithms_;        // by layer
  std::vector<TensorLayout> tensors_;
  std::vector<std::unique_ptr<Op>> ops_;
  // A step of evaluation; with a batch norm, a convolution that puts out what that would.
  struct EvaluationStep {
    const Op* op;
    const BatchNormStep* norm;
  };
  std::vector<EvaluationStep> evaluationSteps_;
  std::vector<Lifetime> buffers_;
  std::vector<char> isAbsent_;  // buffers that training does without
  bool makesAnew_ = false;
  std::vector<int> deferred_;
  ArenaPlan training_, evaluation_;
  std::size_t scratchFloats_ = 0, weightsFloats_ = 0;
};

}  // namespace trainql
