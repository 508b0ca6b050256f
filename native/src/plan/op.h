// One step of a compiled plan, and what it works on.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/kernels.h"
#include "cpu/team.h"

namespace trainql {

enum class Phase { training, evaluation };

// What batch norm keeps of some images, in two arrays of the statistics space. Forward: mean and biased variance.
// Backward: sum of dy where the mean lies, and of dy x (x - mean) where the variance lies.
struct NormStatistics {
  float* moments = nullptr;
  float* sums = nullptr;
};

// What one replica brings to one shard.
struct Workspace {
  const Kernels& kernels;
  Team& team;
  Phase phase;
  float* arena;
  const std::size_t* offsets;   // of each buffer in the arena, for this phase
  const float* parameters;
  float* weights;               // those of one step in the layout that its kernels read
  const float* running;         // statistics space: running mean and variance
  NormStatistics ofShard;       // what this shard puts in
  NormStatistics ofPopulation;  // what it is normalised by: its own, or that of all shards (`GlobalStatistics`)
  int populationShards;
  float* weightGradient;        // of the step's weights
  float* vectorGradient;        // of all scales, shifts and biases, as they lie in the parameter space
  bool addGradient;             // second shard of a pair: add to the first one's gradient
  float* scratch;               // as large as the plan asks
  double* seconds;              // null, or (steps, 2) and one: time added to by each step's forward and backward, and by preparing them
  std::int64_t* ticks = nullptr;  // null, or moved on with each step (`ReplicaProgress`)

  float* at(int buffer) const { return arena + offsets[buffer]; }
  // The same shard for other threads, with a scratch of their own.
  Workspace with(Team& others, float* theirScratch) const {
    return {kernels,      others,           phase,          arena,          offsets,     parameters,   weights, running, ofShard,
            ofPopulation, populationShards, weightGradient, vectorGradient, addGradient, theirScratch, seconds, ticks};
  }
};

// How a tensor lies in memory: [pixel][image][channel], channels in rows of `row` elements. The image batch (tensor 0)
// is always fp32; every other tensor has the kernels' elements.
struct TensorLayout {
  int channels = 0;        // real
  int padded = 0;          // whole panels
  int height = 0, width = 0;
  std::ptrdiff_t row = 0;  // elements from one row to the next, at least `padded`
  int activation = -1;     // buffer
  int kept = -1;           // buffer: what the backward pass reads, the activation itself or made anew
  int gradient = -1;       // buffer

  int pixels() const { return height * width; }
};

class BatchNormStep;
class ConvolutionStep;

// What a batch norm without a residual makes of its input, for those that do it as they read.
struct Normed {
  const void* input;
  const float* scale;
  const float* shift;
  bool relu;

  Finish finish() const { return {scale, shift, nullptr, relu}; }
};

// Values from one row of `padded` values to the next. Rows whose stride is a multiple of 1 KiB fall into few cache sets;
// one more line spreads them.
inline std::ptrdiff_t rowStride(int padded, int valueBytes) {
  return padded * valueBytes % 1024 == 0 ? padded + 64 / valueBytes : padded;
}

class Op {
 public:
  virtual ~Op() = default;
  // Lays out what one direction reads of the weights; once before some shards on one device, which share it.
  virtual void prepareForward(const Workspace&) const {}
  virtual void prepareBackward(const Workspace&) const {}
  virtual void forward(const Workspace&) const = 0;
  virtual void backward(const Workspace&) const = 0;
  // This step where it is a batch norm, else null.
  virtual BatchNormStep* batchNorm() { return nullptr; }
  const BatchNormStep* batchNorm() const { return const_cast<Op*>(this)->batchNorm(); }
  // This step where it is a convolution or linear layer, else null.
  virtual ConvolutionStep* convolution() { return nullptr; }
  const ConvolutionStep* convolution() const { return const_cast<Op*>(this)->convolution(); }

  // Whether it can norm what it reads of a batch norm's input, so that the output is nowhere in memory; and from now on, in
  // training, it does.
  virtual bool canNorm(const BatchNormStep&) const { return false; }
  virtual void norm(const BatchNormStep&) {}

  // What the step is, for people: its first layer's index and a word.
  int layer = 0;
  const char* kind = "";
  // Multiply-adds of one shard that padding does not waste; 0 where there are next to none.
  double forwardProducts = 0, backwardProducts = 0;

  // Tensors whose activation the backward half reads, and the batch norms that make them anew just before it, in order.
  std::vector<int> backwardReads;
  std::vector<const BatchNormStep*> again;
  // Tensors whose gradient this step adds to, in order; `accumulate[i]` is set where an earlier backward step has
  // already written it.
  std::vector<int> gradientTargets;
  std::vector<char> accumulate;
  // Buffers each direction reads or writes: they fix what may share memory.
  std::vector<int> forwardBuffers, backwardBuffers;
  // What the backward half may write in the place of what it reads, value by value, where it is the last to read that:
  // a line that is in cache already need not be fetched to be written.
  struct InPlace {
    int read, written;  // buffers of one size
  };
  std::vector<InPlace> inPlace;
  // Those of what a step does for the batch norms beside it; in training alone.
  std::vector<int> takenForward, takenBackward;
};

}  // namespace trainql
