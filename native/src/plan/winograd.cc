// 3x3 convolutions of stride 1 through Winograd's transform, where the kernel table says it is faster.
//
// Tile rows are taken in chunks whose transformed input and output stay in cache. Data gradients are the same
// convolution with transposed, turned weights; weight gradients are the exact adjoint of the forward transform.
#include <algorithm>

#include "plan/convolution_algorithm.h"
#include "plan/steps.h"
#include "plan/winograd_filter.h"

namespace trainql {

namespace {

// Floats of transformed input and output in flight at once.
constexpr std::ptrdiff_t chunkFloats = 384 * 1024;
// Rows at least: fewer do not pay for reading the weights.
constexpr int leastChunkRows = 56;

// A weight gradient's sums are 36 planes of the filter. Where those outgrow L2 by far, all rows are transformed at once and
// the sums are made and finished slice by slice: some tiles of depth of one panel, which stay in L2. So do the transformed
// inputs of these tiles, over all panels.
constexpr std::ptrdiff_t mostWholeSums = 1024 * 1024;
constexpr std::ptrdiff_t sliceInputFloats = 256 * 1024;
constexpr int mostSliceTiles = 8;

class Winograd final : public ConvolutionAlgorithm {
 public:
  Winograd(Plan& plan, int layerIndex)
      : plan_(plan),
        layer_(plan.graph().layers[layerIndex]),
        weight_(plan.parameters().of(layerIndex).weight),
        in_(plan.tensor(layer_.input)),
        out_(plan.tensor(layer_.output)),
        across_((out_.width + 3) / 4),
        rows_(across_ * ((out_.height + 3) / 4) * plan.batch()),
        vector_(plan.kernels().vector),
        forward_(weight_, rows_, WinogradFilter::Side::forward, plan.limits().sharesWeights),
        turned_(weight_, rows_, WinogradFilter::Side::turned, plan.limits().sharesWeights) {
    const std::ptrdiff_t perRow = 36 * (transformedRow(in_) + transformedRow(out_));
    plan.needWeights(std::max(forward_.floats(), turned_.floats()));
    const auto chunkRows = [&](int least) {
      const int wanted = std::max(least, static_cast<int>(chunkFloats / perRow)), chunks = (rows_ + wanted - 1) / wanted;
      return (rows_ + chunks - 1) / chunks;
    };
    chunkRows_ = chunkRows(forward_.whole() && turned_.whole() ? leastChunkRows : WinogradFilter::leastRowsOfPart);
    const std::size_t sums = 36 * weight_.slotStride();
    sliced_ = static_cast<std::ptrdiff_t>(sums) > mostWholeSums;
    const std::ptrdiff_t tileRows = plan.kernels().tileRows;
    sliceTiles_ = static_cast<int>(std::clamp<std::ptrdiff_t>(sliceInputFloats / (36 * rows_ * tileRows), 1, mostSliceTiles));
    sliceFloats_ = sliceTiles_ * tileRows * plan.kernels().panel;
    const std::ptrdiff_t chunk = 36 * (plane(in_, chunkRows_) + plane(out_, chunkRows_));
    const std::ptrdiff_t turned = turned_.turnsRows() ? 36 * (turnedPlane(in_, chunkRows_) + turnedPlane(out_, chunkRows_)) : 0;
    plan.needScratch(static_cast<std::size_t>(chunk + turned));
    gradientRows_ = sliced_ ? rows_ : chunkRows(leastChunkRows);
    plan.needScratch(static_cast<std::size_t>(36 * (plane(in_, gradientRows_) + plane(out_, gradientRows_))) +
                     (sliced_ ? 36 * static_cast<std::size_t>(sliceFloats_) : sums));
  }

  double products() const override { return 36.0 * rows_ * layer_.inChannels * layer_.outChannels; }

  void prepareForward(const Workspace& w) const override { forward_.prepare(w); }
  void prepareDataGradient(const Workspace& w) const override { turned_.prepare(w); }

  void forward(const Workspace& w, const ForwardOutput& output) const override {
    const Read input = read(w, in_.activation);
    convolve(w, {in_, out_, forward_, input.map, output.map, false, output.finish, input.finish});
  }

  void dataGradient(const Workspace& w, bool accumulate) const override {
    convolve(w, {out_, in_, turned_, w.at(out_.gradient), w.at(in_.gradient), accumulate, {}, {}});
  }

  bool canNorm() const override { return true; }
  void norm(const BatchNormStep& before) override { norm_ = &before; }

 private:
  struct Pass {
    const TensorLayout& from;
    const TensorLayout& to;
    const WinogradFilter& filter;
    const void* input;
    void* output;
    bool accumulate;
    Finish finish;
    Finish inputFinish;
  };

  // A map, and what becomes of its values as they are read.
  struct Read {
    const void* map;
    Finish finish;
  };
  Read read(const Workspace& w, int buffer) const {
    if (norm_ == nullptr || w.phase == Phase::evaluation) return {w.at(buffer), {}};
    const Normed normed = norm_->normed(w);
    return {normed.input, normed.finish()};
  }

  static std::ptrdiff_t plane(const TensorLayout& t, int rows) {
    return spreadPlane(rows * transformedRow(t));
  }

  // Transformed rows are fp32 whatever the map holds.
  static std::ptrdiff_t transformedRow(const TensorLayout& t) { return rowStride(t.padded, sizeof(float)); }

  WinogradTiles tiles(const TensorLayout& t, int firstRow, int most) const {
    return {plan_.batch(), t.height, t.width, across_, t.padded, t.row, transformedRow(t), plane(t, most),
            firstRow,      std::min(most, rows_ - firstRow)};
  }

  int vectors(int rows) const { return (rows + vector_ - 1) / vector_; }
  std::ptrdiff_t turnedPlane(const TensorLayout& t, int rows) const {
    return spreadPlane(static_cast<std::ptrdiff_t>(t.padded) * vectors(rows) * vector_);
  }

  void convolve(const Workspace& w, const Pass& pass) const {
    for (int first = 0; first < rows_; first += chunkRows_) {
      const WinogradTiles from = tiles(pass.from, first, chunkRows_), to = tiles(pass.to, first, chunkRows_);
      float* const transformed = w.scratch;
      float* const products = transformed + 36 * from.plane;
      w.team.split(from.rows, [&](int b, int e) { w.kernels.winogradInput(from, pass.input, pass.inputFinish, transformed, b, e); });
      if (pass.filter.turnsRows()) {
        multiplyTurned(w, pass, from, to);
      } else {
        multiply(w, pass.filter, from, to);
      }
      w.team.split(to.rows, [&](int b, int e) {
        w.kernels.winogradOutput(to, products, pass.output, pass.accumulate, pass.finish, b, e);
      });
    }
  }

  void multiply(const Workspace& w, const WinogradFilter& filter, const WinogradTiles& from, const WinogradTiles& to) const {
    const int panel = w.kernels.panel;
    const float* const transformed = w.scratch;
    float* const products = w.scratch + 36 * from.plane;
    filter.eachPart(w, [&](const WinogradFilter::Part& part, const auto& ahead) {
      w.team.split(part.planes(), [&](int b, int e) {
        for (int i = b; i < e; i++) {
          const int plane = winogradPlane(part.pairBegin * winogradPairPlanes + i);
          PlaneProduct a{};
          a.rows = from.rows;
          a.depth = part.rows;
          a.vectors = 2 * part.panels;
          a.depthBlock = part.rows;
          a.left = transformed + plane * from.plane + part.rowBegin;
          a.leftRow = from.transformedRow;
          a.right = w.weights + i * filter.plane();
          a.rightStep = panel;
          a.rightVector = vector_;
          a.rightPanel = static_cast<std::ptrdiff_t>(part.rows) * panel;
          a.out = products + plane * to.plane + part.panelBegin * panel;
          a.outRow = to.transformedRow;
          a.outVector = vector_;
          a.outPanel = panel;
          a.resume = part.resume;
          a.next = ahead(i);
          w.kernels.planeProduct(a);
        }
      });
    });
  }

  // With rows and channels changing places, so that weights need not be transposed: those of large layers are many more.
  // Turned planes are [vector of rows][channel][row].
  void multiplyTurned(const Workspace& w, const Pass& pass, const WinogradTiles& from, const WinogradTiles& to) const {
    const int panel = w.kernels.panel, rowVectors = vectors(from.rows);
    const std::ptrdiff_t fromVector = static_cast<std::ptrdiff_t>(from.channels) * vector_, toVector = static_cast<std::ptrdiff_t>(to.channels) * vector_;
    const std::ptrdiff_t fromPlane = turnedPlane(pass.from, chunkRows_), toPlane = turnedPlane(pass.to, chunkRows_);
    const float* const transformed = w.scratch;
    float* const products = w.scratch + 36 * from.plane;
    float* const turned = products + 36 * to.plane;
    float* const turnedProducts = turned + 36 * fromPlane;
    w.team.split(36, [&](int b, int e) {
      for (int i = b; i < e; i++) {
        w.kernels.turnPlane({from.rows, from.channels, transformed + i * from.plane, from.transformedRow, from.channels, 0,
                             turned + i * fromPlane, vector_, vector_, fromVector});
        // No weights lead to what pads the channels.
        for (int v = 0; v < rowVectors; v++) {
          float* const at = turnedProducts + i * toPlane + v * toVector;
          std::fill(at + layer_.inChannels * vector_, at + toVector, 0.0f);
        }
      }
    });
    pass.filter.eachPart(w, [&](const WinogradFilter::Part& part, const auto& ahead) {
      w.team.split(part.planes(), [&](int b, int e) {
        for (int i = b; i < e; i++) {
          const int plane = winogradPlane(part.pairBegin * winogradPairPlanes + i);
          PlaneProduct a{};
          a.rows = part.rows;
          a.depth = std::min(part.panels * panel, layer_.outChannels - part.panelBegin * panel);
          a.vectors = rowVectors;
          a.depthBlock = panel;
          a.left = w.weights + i * pass.filter.plane();
          a.leftRow = panel;
          a.leftBlock = static_cast<std::ptrdiff_t>(part.rows) * panel;
          a.right = turned + plane * fromPlane + part.panelBegin * panel * vector_;
          a.rightStep = vector_;
          a.rightVector = fromVector;
          a.rightPanel = 2 * fromVector;
          a.out = turnedProducts + plane * toPlane + part.rowBegin * vector_;
          a.outRow = vector_;
          a.outVector = toVector;
          a.outPanel = 2 * toVector;
          a.resume = part.resume;
          a.next = ahead(i);
          w.kernels.planeProduct(a);
        }
      });
    });
    w.team.split(36, [&](int b, int e) {
      for (int i = b; i < e; i++) {
        w.kernels.turnPlane({to.channels, to.rows, turnedProducts + i * toPlane, vector_, vector_, toVector,
                             products + i * to.plane, to.transformedRow, to.channels, 0});
      }
    });
  }

 public:
  void weightGradient(const Workspace& w) const override {
    if (sliced_) return slicedGradient(w);
    const std::ptrdiff_t plane = static_cast<std::ptrdiff_t>(weight_.slotStride());
    float* const sums = w.scratch;
    for (int first = 0; first < rows_; first += gradientRows_) {
      const Transformed both = transform(w, first, gradientRows_, sums + 36 * plane);
      w.team.split(36, [&](int b, int e) {
        for (int i = b; i < e; i++) {
          WeightGradient a = product(both, i);
          a.gradient = sums + i * plane;
          a.add = first > 0;
          run(w, a, {0, weight_.panels, 0, w.kernels.gradientTiles(a.depth)});
        }
      });
    }
    w.team.split(static_cast<int>(plane / w.kernels.panel), [&](int b, int e) {
      finish(w, sums, plane, 0, {static_cast<std::size_t>(b) * w.kernels.panel, static_cast<std::size_t>(e) * w.kernels.panel});
    });
  }

 private:
  struct Transformed {
    WinogradTiles in, out;
    const float* input;
    const float* gradient;
  };

  struct Part {
    int panelBegin, panelEnd, tileBegin, tileEnd;
  };

  struct Floats {
    std::size_t begin, end;
  };

  // Input and output gradient of `most` rows from `first` on, one after the other.
  Transformed transform(const Workspace& w, int first, int most, float* to) const {
    const WinogradTiles in = tiles(in_, first, most), out = tiles(out_, first, most);
    float* const gradient = to + 36 * in.plane;
    const Read input = read(w, in_.kept);
    w.team.split(in.rows, [&](int b, int e) {
      w.kernels.winogradInput(in, input.map, input.finish, to, b, e);
      w.kernels.winogradOutputGradient(out, w.at(out_.gradient), gradient, b, e);
    });
    return {in, out, to, gradient};
  }

  // Of plane i; where the sum goes is the caller's.
  WeightGradient product(const Transformed& both, int i) const {
    WeightGradient a{};
    a.tapCount = 1;
    a.batch = both.in.rows;
    a.depth = layer_.inChannels;
    a.inRow = both.in.transformedRow;
    a.outRow = both.out.transformedRow;
    a.input = both.input + i * both.in.plane;
    a.outputGradient = both.gradient + i * both.out.plane;
    a.slotStride = static_cast<std::ptrdiff_t>(weight_.slotStride());
    a.panelStride = static_cast<std::ptrdiff_t>(weight_.panelStride());
    return a;
  }

  static Ahead ofRows(const float* at, int floats, std::ptrdiff_t row) {
    constexpr std::ptrdiff_t bytes = sizeof(float);
    return {at, floats * bytes, row * bytes};
  }

  static void run(const Workspace& w, WeightGradient a, const Part& part) {
    const std::int32_t pixel = 0;
    const std::int32_t whole[2] = {0, 1};
    const TapPixels tap{0, &pixel, &pixel, whole};
    a.taps = &tap;
    w.kernels.floatGradient(a, part.panelBegin, part.panelEnd, part.tileBegin, part.tileEnd);
  }

  // The adjoint of the weights' transform, over some floats of the sums, which are those of every tap from `at` on.
  void finish(const Workspace& w, const float* sums, std::ptrdiff_t plane, std::size_t at, Floats floats) const {
    float* taps[9];
    for (int t = 0; t < 9; t++) {
      taps[t] = w.weightGradient + weight_.slotOfTap[t] * weight_.slotStride() + at;
    }
    w.kernels.winogradWeightGradient(sums, plane, taps, w.addGradient, floats.begin, floats.end);
  }

  void slicedGradient(const Workspace& w) const {
    float* const sums = w.scratch;
    const Transformed both = transform(w, 0, gradientRows_, sums + 36 * sliceFloats_);
    const int depth = layer_.inChannels, tiles = w.kernels.gradientTiles(depth), panel = w.kernels.panel;
    for (int t = 0; t < tiles; t += sliceTiles_) {
      const int end = std::min(tiles, t + sliceTiles_);
      const int depthBegin = w.kernels.gradientTileBegin(depth, t), depthEnd = w.kernels.gradientTileBegin(depth, end);
      for (int n = 0; n < weight_.panels; n++) {
        const std::size_t at = n * weight_.panelStride() + static_cast<std::size_t>(depthBegin) * panel;
        w.team.split(36, [&](int b, int e) {
          for (int i = b; i < e; i++) {
            WeightGradient a = product(both, i);
            a.gradient = sums + i * sliceFloats_ - at;
            // Behind the last plane come those of the next panel, then those of the next slice.
            const int nextPlane = (i + 1) % 36, nextPanel = n + (i + 1) / 36;
            if (nextPanel < weight_.panels) {
              a.nextOutputGradient = ofRows(both.gradient + nextPlane * both.out.plane + nextPanel * panel, panel,
                                            both.out.transformedRow);
            }
            if (n == 0 && nextPlane > 0) {
              a.nextInput = ofRows(both.input + nextPlane * both.in.plane + depthBegin, depthEnd - depthBegin,
                                   both.in.transformedRow);
            }
            run(w, a, {n, n + 1, t, end});
          }
        });
        w.team.split(depthEnd - depthBegin, [&](int b, int e) {
          finish(w, sums, sliceFloats_, at, {static_cast<std::size_t>(b) * panel, static_cast<std::size_t>(e) * panel});
        });
      }
    }
  }

  const BatchNormStep* norm_ = nullptr;  // whose output would be the input
  const Plan& plan_;
  const Layer layer_;
  const WeightLayout& weight_;
  const TensorLayout in_, out_;
  const int across_, rows_, vector_;
  const WinogradFilter forward_, turned_;
  int chunkRows_ = 0;
  int gradientRows_ = 0;  // of a weight gradient: its sums depend on them, so the shape alone decides
  bool sliced_ = false;
  int sliceTiles_ = 0;
  std::ptrdiff_t sliceFloats_ = 0;
};

}  // namespace

std::unique_ptr<ConvolutionAlgorithm> makeWinograd(Plan& plan, int layer) {
  return std::make_unique<Winograd>(plan, layer);
}

}  // namespace trainql
