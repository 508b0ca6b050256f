// One way to compute the three products of a convolution.
#pragma once

#include <memory>

#include "plan/op.h"
#include "plan/plan.h"
#include "plan/row_pass.h"

namespace trainql {

// Where an output goes, which lies as the layer's own, and what becomes of its values on the way.
struct ForwardOutput {
  void* map;
  Finish finish;
};

class ConvolutionAlgorithm {
 public:
  virtual ~ConvolutionAlgorithm() = default;
  // Lay out what the direction reads of the weights in `Workspace::weights`, where that is not the parameters.
  virtual void prepareForward(const Workspace&) const = 0;
  virtual void prepareDataGradient(const Workspace&) const = 0;
  virtual void forward(const Workspace&, const ForwardOutput&) const = 0;
  virtual void dataGradient(const Workspace&, bool accumulate) const = 0;
  virtual void weightGradient(const Workspace&) const = 0;
  // Multiply-adds of one of them.
  virtual double products() const = 0;
  // Whether it makes the rows in order, so that it can do the pass of the batch norm that reads them; and from now on does.
  virtual bool canTake(RowPass) const { return false; }
  virtual void take(RowPass, const BatchNormStep&) {}
  // Whether its forward and weight gradient can norm the input as they read it; and from now on, in training, they do.
  virtual bool canNorm() const { return false; }
  virtual void norm(const BatchNormStep&) {}
};

// By the index of its layer, which may be linear or read the image batch. Without taps that meet only padding.
std::unique_ptr<ConvolutionAlgorithm> makeDirect(Plan&, int layer);
// For 3x3 convolutions of stride 1 and padding 1: `accepts`.
std::unique_ptr<ConvolutionAlgorithm> makeWinograd(Plan&, int layer);

}  // namespace trainql
