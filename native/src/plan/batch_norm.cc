// Batch norm (Ioffe & Szegedy 2015, arXiv:1502.03167) over one shard, or over all of them where they meet between its
// halves; residual add and ReLU in the same pass.
#include <algorithm>
#include <cmath>

#include "plan/steps.h"

namespace trainql {

namespace {

class BatchNorm final : public BatchNormStep {
 public:
  BatchNorm(Plan& plan, const BatchNormFusion& fusion)
      : parameters_(plan.parameters().of(fusion.layer)),
        vectorsBegin_(plan.parameters().vectorsBegin()),
        epsilon_(plan.graph().layers[fusion.layer].epsilon),
        rows_(plan.tensor(fusion.output).pixels() * plan.batch()),
        in_(plan.tensor(plan.graph().layers[fusion.layer].input)),
        out_(plan.tensor(fusion.output)),
        relu_(fusion.relu),
        output_(fusion.output),
        skipTensor_(fusion.skip),
        coefficients_(plan.addBuffer(static_cast<std::size_t>(4) * in_.padded)),
        totals_(plan.addBuffer(static_cast<std::size_t>(2) * in_.padded * sizeof(double) / sizeof(float))) {
    layer = fusion.layer;
    kind = "batchNorm";
    forwardBuffers = {in_.activation, out_.activation, coefficients_, totals_};
    gradientTargets = {plan.graph().layers[fusion.layer].input};
    if (fusion.skip >= 0) {
      skip_ = plan.tensor(fusion.skip);
      hasSkip_ = true;
      if (relu_) backwardReads = {output_};
      forwardBuffers.push_back(skip_.activation);
      gradientTargets.push_back(fusion.skip);
    }
    planBackward();
  }

  const LayerParameters& parameters() const override { return parameters_; }

  void forward(const Workspace& w) const override {
    if (w.phase == Phase::training) measure(w);
    normalise(w);
  }

  void backward(const Workspace& w) const override {
    reduce(w);
    propagate(w);
  }

  void measure(const Workspace& w) const override {
    splitChannels(w, [&](int begin, int end) {
      if (!isLeft(RowPass::measure, w)) addMoments(w, {0, rows_}, {begin, end});
      w.kernels.moments(w.at(in_.activation), rows_, begin, end, totals(w), w.ofShard.moments + parameters_.runningMean,
                        w.ofShard.moments + parameters_.runningVariance);
    });
  }

  void normalise(const Workspace& w) const override {
    const Finish finish = this->finish(w);
    if (!isLeftToReaders_ || w.phase == Phase::evaluation) apply(w, out_.activation, finish);
  }

  Finish finish(const Workspace& w) const override {
    const float* const moments = w.phase == Phase::training ? w.ofPopulation.moments : w.running;
    const float* const useMean = moments + parameters_.runningMean;
    const float* const useVariance = moments + parameters_.runningVariance;
    const float* const gamma = w.parameters + parameters_.scale;
    const float* const beta = w.parameters + parameters_.shift;
    float* const scale = coefficient(w, 0);
    float* const shift = coefficient(w, 3);
    for (int c = 0; c < in_.padded; c++) {
      scale[c] = gamma[c] * inverseDeviation(useVariance[c]);
      shift[c] = beta[c] - useMean[c] * scale[c];
    }
    return factors(w, skip_.activation);
  }

  // The factors are still those of the forward pass.
  void normaliseAgain(const Workspace& w) const override { apply(w, out_.kept, factors(w, skip_.kept)); }

  std::vector<int> normaliseAgainBuffers() const override {
    std::vector<int> buffers{in_.activation, coefficients_, out_.kept};
    if (hasSkip_) append(buffers, skipNorm_ == nullptr ? std::vector<int>{skip_.kept} : skipNorm_->normedBuffers());
    return buffers;
  }

  int output() const override { return output_; }
  int skip() const override { return skipTensor_; }

  void reduce(const Workspace& w) const override {
    float* const sum = w.ofShard.sums + parameters_.runningMean;
    float* const sumCentered = w.ofShard.sums + parameters_.runningVariance;
    const ColumnTotals t = totals(w);
    splitChannels(w, [&](int begin, int end) {
      if (!isLeft(RowPass::reduce, w)) addReduced(w, {0, rows_}, {begin, end});
      for (int c = begin; c < end; c++) {
        sum[c] = static_cast<float>(t.at[c]);
        sumCentered[c] = static_cast<float>(t.at[t.stride + c]);
      }
    });
  }

  void propagate(const Workspace& w) const override {
    float* const a = coefficient(w, 0);  // the scale still
    float* const b = coefficient(w, 1);
    float* const c = coefficient(w, 2);
    const float* const variance = w.ofPopulation.moments + parameters_.runningVariance;
    const float* const shardSum = w.ofShard.sums + parameters_.runningMean;
    const float* const shardCentered = w.ofShard.sums + parameters_.runningVariance;
    const float* const sum = w.ofPopulation.sums + parameters_.runningMean;
    const float* const sumCentered = w.ofPopulation.sums + parameters_.runningVariance;
    const float n = static_cast<float>(rows_) * static_cast<float>(w.populationShards);
    float* const gammaGradient = w.vectorGradient + parameters_.scale - vectorsBegin_;
    float* const betaGradient = w.vectorGradient + parameters_.shift - vectorsBegin_;
    for (int i = 0; i < in_.padded; i++) {
      const float deviation = inverseDeviation(variance[i]);
      const float dGamma = shardCentered[i] * deviation, dBeta = shardSum[i];
      gammaGradient[i] = w.addGradient ? gammaGradient[i] + dGamma : dGamma;
      betaGradient[i] = w.addGradient ? betaGradient[i] + dBeta : dBeta;
      b[i] = -a[i] * deviation * deviation * sumCentered[i] / n;
      c[i] = -a[i] * sum[i] / n;
    }

    BatchNormBackward back{};
    const bool passed = skipIsPassed();
    back.outputGradient = w.at(passed ? skip_.gradient : out_.gradient);
    back.mask = passed ? ReluMask{ReluMask::By::none, nullptr, nullptr, nullptr} : mask(w);
    back.input = w.at(in_.activation);
    back.mean = w.ofPopulation.moments + parameters_.runningMean;
    back.a = a;
    back.b = b;
    back.c = c;
    back.inputGradient = w.at(in_.gradient);
    back.accumulate = accumulate[0] != 0;
    back.row = in_.row;
    back.channels = in_.padded;
    splitRows(w, [&](int begin, int end) { w.kernels.batchNormBackward(back, begin, end); });
  }

  void pass(RowPass pass, const Workspace& w, int begin, int end) const override {
    // Blocks that are summed in single precision begin where they would if all rows were there at once.
    const Range rows{begin / sumBlock * sumBlock, end == rows_ ? end : end / sumBlock * sumBlock};
    pass == RowPass::measure ? addMoments(w, rows, {0, in_.padded}) : addReduced(w, rows, {0, in_.padded});
  }

  std::vector<int> passBuffers(RowPass pass) const override {
    std::vector<int> buffers{in_.activation, totals_};
    if (pass == RowPass::measure) return buffers;
    buffers.insert(buffers.end(), {coefficients_, out_.gradient});
    if (hasSkip_ && relu_) buffers.push_back(out_.kept);
    if (hasSkip_) buffers.push_back(skip_.gradient);
    return buffers;
  }

  std::vector<InPlace> passInPlace(RowPass pass) const override {
    if (pass == RowPass::measure || !hasSkip_) return {};
    return {{out_.gradient, skip_.gradient}};
  }

  // The other branch of a residual block may end in a norm, too.
  bool canNorm(const BatchNormStep& other) const override { return other.output() == skipTensor_ && other.isPlain(); }

  void norm(const BatchNormStep& other) override {
    skipNorm_ = &other;
    append(takenForward, other.normedBuffers());
  }

  bool isPlain() const override { return !relu_ && !hasSkip_; }
  Normed normed(const Workspace& w) const override {
    return {w.at(in_.activation), coefficient(w, 0), coefficient(w, 3), relu_};
  }
  std::vector<int> normedBuffers() const override { return {in_.activation, coefficients_}; }
  void leaveToReaders() override { isLeftToReaders_ = true; }

  void leave(RowPass pass) override {
    left_[static_cast<int>(pass)] = true;
    planBackward();
  }

 private:
  struct Range {
    int begin, end;
  };

  template <class T>
  static void append(std::vector<T>& to, const std::vector<T>& more) { to.insert(to.end(), more.begin(), more.end()); }

  // What is read and written here: without a pass that is done elsewhere.
  void planBackward() {
    const bool reduces = !left_[static_cast<int>(RowPass::reduce)];
    backwardBuffers = {in_.activation, in_.gradient, coefficients_, totals_};
    append(backwardBuffers, reduces || !skipIsPassed() ? passBuffers(RowPass::reduce) : std::vector<int>{skip_.gradient});
    inPlace = {{in_.activation, in_.gradient}};
    if (reduces) append(inPlace, passInPlace(RowPass::reduce));
  }

  bool isLeft(RowPass pass, const Workspace& w) const { return left_[static_cast<int>(pass)] && passesAreTaken(w); }

  // What passed the ReLU is the gradient of the skip: where that is not a sum yet, it need not be worked out again.
  bool skipIsPassed() const { return hasSkip_ && accumulate.size() == 2 && accumulate[1] == 0; }

  ColumnTotals totals(const Workspace& w) const { return {reinterpret_cast<double*>(w.at(totals_)), in_.padded}; }

  void beginTotals(const Workspace& w, Range rows, Range channels) const {
    if (rows.begin > 0) return;
    const ColumnTotals t = totals(w);
    for (double* const sums : {t.at, t.at + t.stride}) std::fill(sums + channels.begin, sums + channels.end, 0.0);
  }

  void addMoments(const Workspace& w, Range rows, Range channels) const {
    beginTotals(w, rows, channels);
    w.kernels.addMoments(w.at(in_.activation), in_.row, rows.begin, rows.end, channels.begin, channels.end, totals(w));
  }

  void addReduced(const Workspace& w, Range rows, Range channels) const {
    beginTotals(w, rows, channels);
    BatchNormReduce reduce{};
    reduce.outputGradient = w.at(out_.gradient);
    reduce.mask = mask(w);
    reduce.input = w.at(in_.activation);
    reduce.mean = w.ofPopulation.moments + parameters_.runningMean;
    reduce.skipGradient = hasSkip_ ? w.at(skip_.gradient) : nullptr;
    reduce.skipAccumulate = hasSkip_ && accumulate[1] != 0;
    reduce.row = in_.row;
    w.kernels.batchNormReduce(reduce, rows.begin, rows.end, channels.begin, channels.end, totals(w));
  }

  Finish factors(const Workspace& w, int skip) const {
    Finish finish{coefficient(w, 0), coefficient(w, 3), hasSkip_ ? w.at(skip) : nullptr, relu_};
    if (skipNorm_ != nullptr && w.phase == Phase::training) {
      const Normed normed = skipNorm_->normed(w);
      finish.skip = normed.input;
      finish.skipScale = normed.scale;
      finish.skipShift = normed.shift;
    }
    return finish;
  }

  void apply(const Workspace& w, int output, const Finish& finish) const {
    BatchNormForward a{};
    a.input = w.at(in_.activation);
    a.output = w.at(output);
    a.finish = finish;
    a.row = in_.row;
    a.channels = in_.padded;
    splitRows(w, [&](int begin, int end) { w.kernels.batchNormForward(a, begin, end); });
  }

  // Rows of factors by channel: scale, two for the input's gradient, shift.
  float* coefficient(const Workspace& w, int row) const { return w.at(coefficients_) + row * in_.padded; }

  ReluMask mask(const Workspace& w) const {
    if (!relu_) return {ReluMask::By::none, nullptr, nullptr, nullptr};
    if (hasSkip_) return {ReluMask::By::output, w.at(out_.kept), nullptr, nullptr};
    return {ReluMask::By::input, nullptr, coefficient(w, 0), coefficient(w, 3)};
  }

  float inverseDeviation(float variance) const {
    return static_cast<float>(1.0 / std::sqrt(static_cast<double>(variance) + static_cast<double>(epsilon_)));
  }

  template <class F>
  void splitChannels(const Workspace& w, F&& f) const {
    const int panel = w.kernels.panel;
    w.team.split(in_.padded / panel, [&](int begin, int end) { f(begin * panel, end * panel); });
  }

  template <class F>
  void splitRows(const Workspace& w, F&& f) const {
    w.team.split(rows_, [&](int begin, int end) { f(begin, end); });
  }

  const LayerParameters& parameters_;
  const std::size_t vectorsBegin_;
  const float epsilon_;
  const int rows_;
  const TensorLayout in_, out_;
  const bool relu_;
  const int output_, skipTensor_;
  const int coefficients_, totals_;
  bool left_[rowPasses] = {};  // to another step
  TensorLayout skip_;
  bool hasSkip_ = false;
  const BatchNormStep* skipNorm_ = nullptr;  // whose output would be the skip
  bool isLeftToReaders_ = false;
};

}  // namespace

std::unique_ptr<Op> makeBatchNorm(Plan& plan, const BatchNormFusion& fusion) {
  return std::make_unique<BatchNorm>(plan, fusion);
}

}  // namespace trainql
