// The weight gradient of a convolution in tile registers: its maps laid out line by line, block by block in L2.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/op.h"
#include "plan/plan.h"

namespace trainql {

struct LinedSum {
  float* gradient;  // of the live weights
  bool add;         // to what it holds
};

class LinedWeightGradient {
 public:
  // `blockBytes`: what a block may span of both maps.
  LinedWeightGradient(const Plan&, int layer, std::ptrdiff_t blockBytes);

  int blocks() const { return blocks_; }
  std::size_t scratchFloats() const;
  void sum(const Workspace&, int block, const LinedSum&, float* scratch) const;

 private:
  struct LineRange {
    int first, count;
  };
  // How the lines of one map are packed.
  struct Packing {
    std::vector<RowPair> pairs;
    std::ptrdiff_t rowStride = 0, lineStride = 0;
  };

  void planInput();
  void planOutput();
  void planTap(int tap);
  LineRange outLines(int block) const;
  LineRange inLines(int block) const;
  int imagePairs() const { return (batch_ + 1) / 2; }
  // Where the input pixels of one remainder by the stride begin in a packed line.
  int phaseBegin(int phase) const;
  void appendPixel(std::vector<RowPair>&, int x) const;
  int filledUp(int pairs) const;
  void fillUp(std::vector<RowPair>&) const;
  PackedLines lines(const TensorLayout&, const Packing&, const void* map) const;

  const Layer layer_;
  const WeightLayout& weight_;
  const TensorLayout in_, out_;
  const int batch_;
  Packing input_, output_;
  std::vector<TapLines> taps_;
  int blocks_ = 1;
};

}  // namespace trainql
