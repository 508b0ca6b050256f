// A convolution or linear layer as a step: each of its products by the algorithm that the plan chose for it.
#pragma once

#include <memory>
#include <string>

#include "plan/convolution_algorithm.h"
#include "plan/kernel_table.h"

namespace trainql {

class ConvolutionStep final : public Op {
 public:
  ConvolutionStep(Plan&, int layer);

  void prepareForward(const Workspace&) const override;
  void prepareBackward(const Workspace&) const override;
  void forward(const Workspace&) const override;
  // Forward with what the batch norm behind it makes of it, by the running statistics, in one pass.
  void forwardNormalised(const Workspace&, const BatchNormStep&) const;
  ConvolutionStep* convolution() override { return this; }
  void backward(const Workspace&) const override;
  // The halves of backward. Nobody asks for the gradient of the images.
  void weightGradient(const Workspace&) const;
  void dataGradient(const Workspace&) const;
  // From now on backward leaves the weight gradient to others, who find what it reads until the backward pass is over.
  void deferWeightGradient() { isDeferred_ = true; }
  bool isDeferred() const { return isDeferred_; }
  const std::vector<int>& weightGradientBuffers() const { return weightGradientBuffers_; }
  double weightGradientProducts() const;

  bool canNorm(const BatchNormStep&) const override;
  void norm(const BatchNormStep&) override;
  // Whether the product before that pass of a batch norm makes the rows in order; and from now on it does the pass.
  bool canTake(RowPass) const;
  void take(RowPass, const BatchNormStep&);

 private:
  ConvolutionAlgorithm& by(Algorithm) const;
  ConvolutionAlgorithm& before(RowPass) const;

  const Plan& plan_;
  const Algorithms chosen_;
  const bool readsImages_;
  bool isDeferred_ = false;
  std::vector<int> weightGradientBuffers_;
  std::unique_ptr<ConvolutionAlgorithm> direct_, winograd_;  // those that are used
  std::string names_;
};

}  // namespace trainql
