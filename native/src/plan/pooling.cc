// Max pooling with remembered choices, and the global average.
#include <stdexcept>

#include "plan/steps.h"

namespace trainql {

namespace {

class MaxPoolOp final : public Op {
 public:
  MaxPoolOp(Plan& plan, int layerIndex)
      : layer_(plan.graph().layers[layerIndex]),
        in_(plan.tensor(layer_.input)),
        out_(plan.tensor(layer_.output)),
        batch_(plan.batch()),
        taps_(layer_.kernel * layer_.kernel),
        chosen_(plan.addBuffer((static_cast<std::size_t>(out_.pixels()) * plan.batch() * out_.padded + 3) / 4)) {
    if (taps_ > 255) throw std::invalid_argument("expected a max-pool window of at most 255 positions");
    windows_.assign(static_cast<std::size_t>(out_.pixels()) * taps_, -1);
    holders_.assign(static_cast<std::size_t>(in_.pixels()) * taps_, -1);
    for (int p = 0; p < out_.pixels(); p++) {
      for (int t = 0; t < taps_; t++) {
        const int y = p / out_.width * layer_.stride - layer_.padding + t / layer_.kernel;
        const int x = p % out_.width * layer_.stride - layer_.padding + t % layer_.kernel;
        if (y < 0 || y >= in_.height || x < 0 || x >= in_.width) continue;
        windows_[static_cast<std::size_t>(p) * taps_ + t] = y * in_.width + x;
        holders_[static_cast<std::size_t>(y * in_.width + x) * taps_ + t] = p;
      }
    }
    layer = layerIndex;
    kind = "maxPool";
    forwardBuffers = {in_.activation, out_.activation, chosen_};
    backwardBuffers = {out_.gradient, in_.gradient, chosen_};
    gradientTargets = {layer_.input};
  }

  bool canNorm(const BatchNormStep& before) const override { return before.output() == layer_.input && before.skip() < 0; }

  void norm(const BatchNormStep& before) override {
    norm_ = &before;
    takenForward = before.normedBuffers();
  }

  void forward(const Workspace& w) const override {
    MaxPool a = arguments(windows_);
    const void* input = w.at(in_.activation);
    if (norm_ != nullptr && w.phase == Phase::training) {
      const Normed normed = norm_->normed(w);
      input = normed.input;
      a.finish = normed.finish();
    }
    w.team.split(out_.pixels(), [&](int begin, int end) {
      w.kernels.maxPoolForward(a, input, w.at(out_.activation), chosen(w), begin, end);
    });
  }

  void backward(const Workspace& w) const override {
    const MaxPool a = arguments(holders_);
    w.team.split(in_.pixels(), [&](int begin, int end) {
      w.kernels.maxPoolBackward(a, w.at(out_.gradient), chosen(w), w.at(in_.gradient), accumulate[0] != 0, begin, end);
    });
  }

 private:
  MaxPool arguments(const std::vector<std::int32_t>& windows) const {
    return {windows.data(), taps_, batch_, in_.row, in_.padded};
  }
  std::uint8_t* chosen(const Workspace& w) const { return reinterpret_cast<std::uint8_t*>(w.at(chosen_)); }

  const Layer layer_;
  const TensorLayout in_, out_;
  const int batch_, taps_;
  const int chosen_;
  const BatchNormStep* norm_ = nullptr;  // whose output would be the input
  std::vector<std::int32_t> windows_, holders_;
};

class GlobalAveragePool final : public Op {
 public:
  GlobalAveragePool(Plan& plan, int layerIndex)
      : in_(plan.tensor(plan.graph().layers[layerIndex].input)),
        out_(plan.tensor(plan.graph().layers[layerIndex].output)),
        batch_(plan.batch()) {
    layer = layerIndex;
    kind = "globalAvgPool";
    forwardBuffers = {in_.activation, out_.activation};
    backwardBuffers = {out_.gradient, in_.gradient};
    gradientTargets = {plan.graph().layers[layerIndex].input};
  }

  void forward(const Workspace& w) const override {
    w.team.split(batch_, [&](int begin, int end) {
      w.kernels.averageForward(rows(), w.at(in_.activation), w.at(out_.activation), begin, end);
    });
  }

  void backward(const Workspace& w) const override {
    w.team.split(in_.pixels(), [&](int begin, int end) {
      w.kernels.averageBackward(rows(), w.at(out_.gradient), w.at(in_.gradient), accumulate[0] != 0, begin, end);
    });
  }

 private:
  MapRows rows() const { return {in_.pixels(), batch_, in_.padded, in_.row, out_.row}; }

  const TensorLayout in_, out_;
  const int batch_;
};

}  // namespace

std::unique_ptr<Op> makeMaxPool(Plan& plan, int layer) { return std::make_unique<MaxPoolOp>(plan, layer); }
std::unique_ptr<Op> makeGlobalAveragePool(Plan& plan, int layer) {
  return std::make_unique<GlobalAveragePool>(plan, layer);
}

}  // namespace trainql
