// The weight gradient of a convolution in tile registers: its maps laid out line by line, block by block in L2. Where it
// reads the image batch in bfloat16, a tap is one line of the filter.
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
    int channels = 0;  // of a row
    std::ptrdiff_t line = 0;  // of the map
    std::ptrdiff_t rowStride = 0, lineStride = 0;
  };

  void planInput();
  void planImages(const Plan&);
  void planOutput();
  void planTap(int tap);
  // Of input and output, for one output line.
  std::ptrdiff_t lineBytes() const { return (input_.lineStride * layer_.stride + output_.lineStride) * 4; }
  LineRange outLines(int block) const;
  LineRange inLines(int block) const;
  int imagePairs() const { return (batch_ + 1) / 2; }
  // Where the input pixels of one remainder by the stride begin in a packed line.
  int phaseBegin(int phase) const;
  // `pixel`, and the distance of images: in values from where a line begins.
  void appendPixel(std::vector<RowPair>&, std::ptrdiff_t pixel, std::ptrdiff_t image) const;
  int filledUp(int pairs) const;
  void fillUp(std::vector<RowPair>&) const;
  static PackedLines lines(const Packing&, const void* map);

  const Layer layer_;
  const WeightLayout& weight_;
  const TensorLayout in_, out_;
  const int batch_;
  Packing input_, output_;
  std::vector<TapLines> taps_;
  int depth_ = 0;
  std::ptrdiff_t slotStride_ = 0;
  int inHeight_ = 0;
  int blocks_ = 1;
};

}  // namespace trainql
