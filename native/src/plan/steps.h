// Makes the steps of a plan.
#pragma once

#include <memory>

#include "plan/op.h"
#include "plan/plan.h"
#include "plan/row_pass.h"

namespace trainql {

// Convolution or linear layer, by the index of its layer.
std::unique_ptr<Op> makeConvolution(Plan&, int layer);

// Batch norm with what follows it: y = [relu](norm(input) [+ skip]).
struct BatchNormFusion {
  int layer;
  int output;     // tensor
  int skip = -1;  // tensor
  bool relu = false;
};

// A batch norm's two halves in each direction, for shards that meet in between: forward is measure and normalise,
// backward is reduce and propagate.
class BatchNormStep : public Op {
 public:
  BatchNormStep* batchNorm() final { return this; }
  virtual const LayerParameters& parameters() const = 0;
  virtual void measure(const Workspace&) const = 0;    // fills ofShard.moments
  virtual void normalise(const Workspace&) const = 0;  // by ofPopulation.moments
  // Works out the factors of `normalise`: what it makes of a value of its input.
  virtual Finish finish(const Workspace&) const = 0;
  virtual void reduce(const Workspace&) const = 0;     // fills ofShard.sums
  virtual void propagate(const Workspace&) const = 0;  // by ofPopulation.sums

  // Makes the output anew for the backward pass, to the same bits, from what that keeps anyway.
  virtual void normaliseAgain(const Workspace&) const = 0;
  virtual std::vector<int> normaliseAgainBuffers() const = 0;
  virtual int output() const = 0;  // tensor
  virtual int skip() const = 0;    // tensor added before the ReLU, or -1

  // Whether there is nothing but a scale and a shift.
  virtual bool isPlain() const = 0;
  virtual Normed normed(const Workspace&) const = 0;
  virtual std::vector<int> normedBuffers() const = 0;
  // From now on, in training, all that read the output norm the input for themselves.
  virtual void leaveToReaders() = 0;

  // Part of `measure` or `reduce`: the rows from the first to the last, in order.
  virtual void pass(RowPass, const Workspace&, int rowBegin, int rowEnd) const = 0;
  virtual std::vector<int> passBuffers(RowPass) const = 0;
  virtual std::vector<InPlace> passInPlace(RowPass) const = 0;
  // From now on another step does the pass by `pass`, where passes are taken.
  virtual void leave(RowPass) = 0;
};
std::unique_ptr<Op> makeBatchNorm(Plan&, const BatchNormFusion&);

std::unique_ptr<Op> makeMaxPool(Plan&, int layer);
std::unique_ptr<Op> makeGlobalAveragePool(Plan&, int layer);

// y = [relu](a [+ b])
struct Pointwise {
  int layer;
  int a;
  int b = -1;
  int output;
  bool relu = false;
};
std::unique_ptr<Op> makePointwise(Plan&, const Pointwise&);

}  // namespace trainql
