// 3x3 convolutions of stride 1 through Winograd's transform, where the kernel table says it is faster.
//
// Tile rows are taken in chunks whose transformed input and output stay in cache. Data gradients are the same
// convolution with transposed, turned weights; weight gradients are the exact adjoint of the forward transform.
#include <algorithm>

#include "plan/convolution_algorithm.h"

namespace trainql {

namespace {

// Floats of transformed input and output in flight at once.
constexpr std::ptrdiff_t chunkFloats = 384 * 1024;
constexpr int leastChunkRows = 56;

class Winograd final : public ConvolutionAlgorithm {
 public:
  Winograd(Plan& plan, int layerIndex)
      : plan_(plan),
        layer_(plan.graph().layers[layerIndex]),
        weight_(plan.parameters().of(layerIndex).weight),
        in_(plan.tensor(layer_.input)),
        out_(plan.tensor(layer_.output)),
        forwardAt_(plan.winogradAt(layerIndex).forward),
        backwardAt_(plan.winogradAt(layerIndex).backward),
        across_((out_.width + 3) / 4),
        rows_(across_ * ((out_.height + 3) / 4) * plan.batch()) {
    const std::ptrdiff_t perRow = 36 * (transformedRow(in_) + transformedRow(out_));
    const int wanted = std::max(leastChunkRows, static_cast<int>(chunkFloats / perRow));
    const int chunks = (rows_ + wanted - 1) / wanted;
    chunkRows_ = (rows_ + chunks - 1) / chunks;
    plan.needScratch(static_cast<std::size_t>(36 * (plane(in_) + plane(out_))) + 36 * weight_.slotStride());
  }

  double products() const override { return 36.0 * rows_ * layer_.inChannels * layer_.outChannels; }

  void forward(const Workspace& w) const override {
    convolve(w, {in_, out_, layer_.inChannels, w.winograd + forwardAt_, w.at(in_.activation), w.at(out_.activation),
                 false});
  }

  void dataGradient(const Workspace& w, bool accumulate) const override {
    convolve(w, {out_, in_, layer_.outChannels, w.winograd + backwardAt_, w.at(out_.gradient), w.at(in_.gradient),
                 accumulate});
  }

 private:
  struct Pass {
    const TensorLayout& from;
    const TensorLayout& to;
    int depth;
    const float* weights;  // [36][panel][depth][panel width]
    const void* input;
    void* output;
    bool accumulate;
  };

  // A chunk's rows, and one line more than whole pages: a tile writes all 36 planes at once, each into other cache sets.
  std::ptrdiff_t plane(const TensorLayout& t) const {
    return (chunkRows_ * transformedRow(t) + 1023) / 1024 * 1024 + 16;
  }

  // Transformed rows are fp32 whatever the map holds.
  static std::ptrdiff_t transformedRow(const TensorLayout& t) { return t.padded % 256 == 0 ? t.padded + 16 : t.padded; }

  WinogradTiles tiles(const TensorLayout& t, int firstRow) const {
    return {plan_.batch(), t.height, t.width,           across_,    t.padded,
            t.row,         transformedRow(t), plane(t), firstRow, std::min(chunkRows_, rows_ - firstRow)};
  }

  void convolve(const Workspace& w, const Pass& pass) const {
    const Kernels& k = w.kernels;
    const std::int32_t pixel = 0;
    const Tap tap{0, 0};
    for (int first = 0; first < rows_; first += chunkRows_) {
      const WinogradTiles from = tiles(pass.from, first), to = tiles(pass.to, first);
      float* const transformed = w.scratch;
      float* const products = w.scratch + 36 * from.plane;
      w.team.split(from.rows, [&](int b, int e) { k.winogradInput(from, pass.input, transformed, b, e); });
      const RowGroup group{&pixel, &pixel, 1, &tap, 1};
      RowProduct a{};
      a.groups = &group;
      a.groupCount = 1;
      a.batch = from.rows;
      a.depth = pass.depth;
      a.inRow = from.transformedRow;
      a.outRow = to.transformedRow;
      a.panelStride = static_cast<std::ptrdiff_t>(pass.depth) * k.panel;
      const int panels = to.channels / k.panel;
      w.team.split(36, [&](int b, int e) {
        RowProduct one = a;
        for (int i = b; i < e; i++) {
          one.input = transformed + i * from.plane;
          one.output = products + i * to.plane;
          one.weights = pass.weights + i * panels * a.panelStride;
          k.floatProduct(one, 0, panels, 0, k.rowTiles(one));
        }
      });
      w.team.split(to.rows,
                   [&](int b, int e) { k.winogradOutput(to, products, pass.output, pass.accumulate, b, e); });
    }
  }

 public:
  void weightGradient(const Workspace& w) const override {
    const Kernels& k = w.kernels;
    const std::ptrdiff_t plane = static_cast<std::ptrdiff_t>(weight_.slotStride());
    float* const sums = w.scratch;
    for (int first = 0; first < rows_; first += chunkRows_) {
      const WinogradTiles in = tiles(in_, first), out = tiles(out_, first);
      float* const input = sums + 36 * plane;
      float* const gradient = input + 36 * in.plane;
      w.team.split(in.rows, [&](int b, int e) {
        k.winogradInput(in, w.at(in_.activation), input, b, e);
        k.winogradOutputGradient(out, w.at(out_.gradient), gradient, b, e);
      });
      const std::int32_t pixel = 0;
      const std::int32_t whole[2] = {0, 1};
      w.team.split(36, [&](int b, int e) {
        for (int i = b; i < e; i++) {
          const TapPixels tap{0, &pixel, &pixel, whole};
          WeightGradient a{};
          a.taps = &tap;
          a.tapCount = 1;
          a.batch = in.rows;
          a.depth = layer_.inChannels;
          a.inRow = in.transformedRow;
          a.outRow = out.transformedRow;
          a.input = input + i * in.plane;
          a.outputGradient = gradient + i * out.plane;
          a.gradient = sums + i * plane;
          a.slotStride = plane;
          a.panelStride = static_cast<std::ptrdiff_t>(weight_.panelStride());
          a.add = first > 0;
          k.floatGradient(a, 0, weight_.panels, 0, k.gradientTiles(a.depth));
        }
      });
    }
    float* taps[9];
    for (int t = 0; t < 9; t++) taps[t] = w.gradient + weight_.live + weight_.slotOfTap[t] * plane;
    w.team.split(static_cast<int>(plane / k.panel), [&](int b, int e) {
      k.winogradWeightGradient(sums, plane, taps, w.addGradient, static_cast<std::size_t>(b) * k.panel,
                               static_cast<std::size_t>(e) * k.panel);
    });
  }

 private:
  const Plan& plan_;
  const Layer layer_;
  const WeightLayout& weight_;
  const TensorLayout in_, out_;
  const std::size_t forwardAt_, backwardAt_;
  const int across_, rows_;
  int chunkRows_ = 0;
};

}  // namespace

std::unique_ptr<ConvolutionAlgorithm> makeWinograd(Plan& plan, int layer) {
  return std::make_unique<Winograd>(plan, layer);
}

}  // namespace trainql
