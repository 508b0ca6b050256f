// ReLU and add where no batch norm takes them in.
#include "plan/steps.h"

namespace trainql {

namespace {

class PointwiseOp final : public Op {
 public:
  PointwiseOp(Plan& plan, const Pointwise& p)
      : a_(plan.tensor(p.a)),
        out_(plan.tensor(p.output)),
        relu_(p.relu),
        count_(static_cast<std::size_t>(out_.pixels()) * plan.batch() * out_.row) {
    layer = p.layer;
    kind = "pointwise";
    forwardBuffers = {a_.activation, out_.activation};
    backwardBuffers = {out_.gradient, a_.gradient};
    gradientTargets = {p.a};
    if (relu_) backwardBuffers.push_back(out_.activation);
    if (p.b < 0) return;
    b_ = plan.tensor(p.b);
    hasB_ = true;
    forwardBuffers.push_back(b_.activation);
    backwardBuffers.push_back(b_.gradient);
    gradientTargets.push_back(p.b);
  }

  void forward(const Workspace& w) const override {
    w.kernels.addRelu(w.at(a_.activation), hasB_ ? w.at(b_.activation) : nullptr, w.at(out_.activation), count_, relu_);
  }

  void backward(const Workspace& w) const override {
    const float* const mask = relu_ ? w.at(out_.activation) : nullptr;
    w.kernels.passGradient(w.at(out_.gradient), mask, w.at(a_.gradient), count_, accumulate[0] != 0);
    if (hasB_) w.kernels.passGradient(w.at(out_.gradient), mask, w.at(b_.gradient), count_, accumulate[1] != 0);
  }

 private:
  const TensorLayout a_, out_;
  const bool relu_;
  const std::size_t count_;
  TensorLayout b_;
  bool hasB_ = false;
};

}  // namespace

std::unique_ptr<Op> makePointwise(Plan& plan, const Pointwise& pointwise) {
  return std::make_unique<PointwiseOp>(plan, pointwise);
}

}  // namespace trainql
