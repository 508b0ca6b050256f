// Compiles a graph once, for one shard size: steps, memory, layouts. Immutable, shared by all replicas.
#pragma once

#include <memory>
#include <vector>

#include "plan/arena.h"
#include "plan/graph.h"
#include "plan/kernel_table.h"
#include "plan/op.h"
#include "plan/parameters.h"

namespace trainql {

class Plan {
 public:
  // The kernel table chooses the algorithms of convolutions; `forced`, where given, takes its place for all that do not
  // read the image batch.
  // @throws std::invalid_argument where the graph cannot be planned.
  Plan(const Graph&, int batch, const Kernels&, const Algorithms* forced = nullptr);

  int batch() const { return batch_; }
  const Graph& graph() const { return graph_; }
  const Kernels& kernels() const { return kernels_; }
  const ParameterSpace& parameters() const { return parameters_; }
  const TensorLayout& tensor(int id) const { return tensors_[id]; }
  // Zero border stored around each input image, in pixels.
  int inputBorder() const { return inputBorder_; }
  std::size_t arenaFloats() const;
  std::size_t scratchFloats() const { return scratchFloats_; }
  const std::size_t* offsets(Phase) const;

  // Copies of the convolution weights that the steps read, made anew after each update in two passes (the second
  // reads what the first wrote), each cut into units of work.
  struct WeightCopies {
    float* transposed;      // live taps, for data gradients
    float* winograd;        // 36 planes, forward and backward
    std::uint32_t* paired;  // live taps in bfloat16, plain and transposed
  };
  std::size_t transposedFloats() const { return transposedFloats_; }
  std::size_t winogradFloats() const { return winogradFloats_; }
  std::size_t weightPairs() const { return weightPairs_; }
  int copyUnits() const { return static_cast<int>(copies_.size()); }
  void copyWeights(const float* parameters, const WeightCopies&, int unitBegin, int unitEnd) const;
  int winogradUnits() const { return static_cast<int>(winogradWeights_.size()); }
  void transformWeights(const float* parameters, const WeightCopies&, int unitBegin, int unitEnd) const;

  void forward(const Workspace&) const;

  const std::vector<std::unique_ptr<Op>>& steps() const { return ops_; }

  const Algorithms& algorithms(int layer) const { return algorithms_[layer]; }

  // Offsets of a layer's weight copies, where its algorithms read them.
  struct WinogradPlace {
    std::size_t forward = 0, backward = 0;
  };
  std::size_t transposedAt(int layer) const { return transposedAt_[layer]; }
  // Where the bfloat16 copies of a layer's weights lie, in pairs.
  struct PairedPlace {
    std::size_t forward = 0, backward = 0;
  };
  const PairedPlace& pairedAt(int layer) const { return pairedAt_[layer]; }
  const WinogradPlace& winogradAt(int layer) const { return winogradAt_[layer]; }

  // For the steps, while the plan is being built.
  int addBuffer(std::size_t floats);
  int addMap(std::size_t elements);
  bool paired() const { return kernels_.elementBytes == 2; }
  void needScratch(std::size_t floats);

 private:
  void layTensors();
  void chooseAll(const Algorithms* forced);
  void compile();
  void planGradients();
  void planMemory();
  void planWeightCopies();
  std::size_t planTransposedWeights(const WeightLayout&);
  std::size_t planPairedWeights(const WeightLayout&, bool transposed);
  std::size_t planWinogradWeights(const WeightLayout&, const std::size_t* transposedAt);

  // One tap's weights, copied in another order.
  struct Copy {
    enum class Kind { transposed, paired, pairedTransposed } kind;
    std::size_t from, to;
    int inChannels, outChannels;
  };
  // Some floats of all nine taps.
  struct WinogradUnit {
    bool ofTransposed;          // else of the parameters
    std::size_t taps[9], to;
    std::size_t plane, begin, end;
  };

  const Graph graph_;
  const int batch_;
  const Kernels& kernels_;
  const ParameterSpace parameters_;
  int inputBorder_ = 0;
  std::vector<Algorithms> algorithms_;        // by layer
  std::vector<TensorLayout> tensors_;
  std::vector<std::unique_ptr<Op>> ops_;
  std::vector<Lifetime> buffers_;
  ArenaPlan training_, evaluation_;
  std::size_t scratchFloats_ = 0;
  std::vector<Copy> copies_;
  std::vector<std::size_t> transposedAt_;     // by layer
  std::size_t transposedFloats_ = 0;
  std::vector<PairedPlace> pairedAt_;         // by layer
  std::size_t weightPairs_ = 0;
  std::vector<WinogradUnit> winogradWeights_;
  std::vector<WinogradPlace> winogradAt_;     // by layer
  std::size_t winogradFloats_ = 0;
};

}  // namespace trainql
