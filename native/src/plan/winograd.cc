// 3x3 convolutions of stride 1 through Winograd's transform, where the kernel table says it is faster.
//
// Tile rows are taken in chunks whose transformed input and output stay in cache. Data gradients are the same
// convolution with transposed, turned weights; weight gradients are the exact adjoint of the forward transform.
#include <algorithm>

#include "plan/convolution_algorithm.h"
#include "plan/steps.h"

namespace trainql {

namespace {

// Floats of transformed input and output in flight at once.
constexpr std::ptrdiff_t chunkFloats = 384 * 1024;
constexpr int leastChunkRows = 56;

// Floats of transformed weights that are made once for all chunks of tile rows. Those of larger layers are made in parts
// that stay in L2 until they are multiplied, planes of two lines of some panels; each chunk of rows makes them anew. Filters
// that must be transposed first are made in all planes at once, since transposing takes longer than the transform.
constexpr std::ptrdiff_t wholeFloats = 1024 * 1024;
constexpr std::ptrdiff_t partFloats = 192 * 1024;
constexpr int leastRowsOfPart = 128;
// Output channels of the widest panel.
constexpr int mostPanel = 32;

// Floats from one of 36 planes to the next: one line more than whole pages, since a tile writes all planes at once, each
// into other cache sets.
std::ptrdiff_t spreadPlane(std::ptrdiff_t floats) { return (floats + 1023) / 1024 * 1024 + 16; }

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
        forward_(false, weight_.panels, layer_.inChannels, weight_.panel),
        turned_(true, in_.padded / weight_.panel, layer_.outChannels, weight_.panel),
        across_((out_.width + 3) / 4),
        rows_(across_ * ((out_.height + 3) / 4) * plan.batch()) {
    const std::ptrdiff_t perRow = 36 * (transformedRow(in_) + transformedRow(out_));
    plan.needWeights(std::max(forward_.floats(), turned_.floats()));
    const int wanted = std::max(forward_.whole && turned_.whole ? leastChunkRows : leastRowsOfPart, static_cast<int>(chunkFloats / perRow));
    const int chunks = (rows_ + wanted - 1) / wanted;
    chunkRows_ = (rows_ + chunks - 1) / chunks;
    const std::size_t sums = 36 * weight_.slotStride();
    sliced_ = static_cast<std::ptrdiff_t>(sums) > mostWholeSums;
    const std::ptrdiff_t tileRows = plan.kernels().tileRows;
    sliceTiles_ = static_cast<int>(std::clamp<std::ptrdiff_t>(sliceInputFloats / (36 * rows_ * tileRows), 1, mostSliceTiles));
    sliceFloats_ = sliceTiles_ * tileRows * plan.kernels().panel;
    plan.needScratch(static_cast<std::size_t>(36 * (plane(in_, chunkRows_) + plane(out_, chunkRows_))));
    const int gradientRows = sliced_ ? rows_ : chunkRows_;
    plan.needScratch(static_cast<std::size_t>(36 * (plane(in_, gradientRows) + plane(out_, gradientRows))) +
                     (sliced_ ? 36 * static_cast<std::size_t>(sliceFloats_) : sums));
  }

  double products() const override { return 36.0 * rows_ * layer_.inChannels * layer_.outChannels; }

  void prepareForward(const Workspace& w) const override {
    if (forward_.whole) transformWeights(w, forward_, {0, 0, winogradPairs});
  }

  void prepareDataGradient(const Workspace& w) const override {
    if (turned_.whole) transformWeights(w, turned_, {0, 0, winogradPairs});
  }

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
  // How the transformed weights of one direction lie: [plane][panel][depth][panel width], all of them or, where they would
  // outgrow the caches, the planes of two lines of so many panels at once.
  struct Filter {
    Filter(bool isTurned, int allPanels, int itsDepth, int panel)
        : turned(isTurned), panels(allPanels), depth(itsDepth), panelFloats(static_cast<std::ptrdiff_t>(depth) * panel) {
      whole = 36 * panels * panelFloats <= wholeFloats;
      partPairs = whole || turned ? winogradPairs : 1;
      const auto fit = static_cast<int>(std::max<std::ptrdiff_t>(1, partFloats / (partPlanes() * panelFloats)));
      const int parts = whole ? 1 : (panels + fit - 1) / fit;
      partPanels = (panels + parts - 1) / parts;
      plane = spreadPlane(partPanels * panelFloats);
    }
    int partPlanes() const { return partPairs * winogradPairPlanes; }
    std::size_t floats() const { return static_cast<std::size_t>(partPlanes() * plane); }

    bool turned;  // by 180 degrees and transposed, as a data gradient sees the filter
    int panels, depth;
    std::ptrdiff_t panelFloats;
    bool whole;
    int partPairs, partPanels;
    std::ptrdiff_t plane;
  };

  // Panels of a filter from `panel` on, and its pairs of lines.
  struct FilterPart {
    int panel, pairBegin, pairEnd;
  };

  void transformWeights(const Workspace& w, const Filter& f, const FilterPart& part) const {
    const int panel = weight_.panel, count = std::min(f.partPanels, f.panels - part.panel);
    if (!f.turned) {
      const float* taps[9];
      for (int t = 0; t < 9; t++) taps[t] = slot(w, t) + part.panel * f.panelFloats;
      const WinogradWeights to{w.weights, f.plane, part.pairBegin, part.pairEnd};
      return w.team.split(count * f.depth, [&](int b, int e) {
        w.kernels.winogradWeights(taps, to, static_cast<std::size_t>(b) * panel, static_cast<std::size_t>(e) * panel);
      });
    }
    const int outPanels = (f.depth + panel - 1) / panel;
    w.team.split(count * outPanels, [&](int b, int e) {
      for (int i = b; i < e; i++) transformTurned(w, f, part, i / outPanels, i % outPanels);
    });
  }

  // One panel of in and one of out channels, of a filter that is turned; `inPanel` counts from the part's first.
  void transformTurned(const Workspace& w, const Filter& f, const FilterPart& part, int inPanel, int outPanel) const {
    const int panel = weight_.panel;
    const int ins = std::min(panel, layer_.inChannels - (part.panel + inPanel) * panel);
    const int outs = std::min(panel, f.depth - outPanel * panel);
    alignas(64) float blocks[9][mostPanel * mostPanel];
    const float* taps[9];
    const std::ptrdiff_t blockFloats = static_cast<std::ptrdiff_t>(panel) * panel;
    const std::ptrdiff_t at = outPanel * weight_.panelStride() + (part.panel + inPanel) * blockFloats;
    for (int t = 0; t < 9; t++) {
      const float* const block = slot(w, 8 - t) + at;
      // The next block is pages away: the processor does not see it coming.
      for (std::ptrdiff_t line = 0; line < blockFloats; line += 16) __builtin_prefetch(block + weight_.panelStride() + line, 0, 2);
      w.kernels.transposeBlock(block, blocks[t], ins, outs);
      taps[t] = blocks[t];
    }
    const WinogradWeights to{w.weights + inPanel * f.panelFloats + outPanel * panel * panel, f.plane, part.pairBegin,
                             part.pairEnd};
    w.kernels.winogradWeights(taps, to, 0, static_cast<std::size_t>(outs) * panel);
  }

  const float* slot(const Workspace& w, int tap) const {
    return w.parameters + weight_.live + weight_.slotOfTap[tap] * weight_.slotStride();
  }

  struct Pass {
    const TensorLayout& from;
    const TensorLayout& to;
    const Filter& filter;
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

  void convolve(const Workspace& w, const Pass& pass) const {
    const Kernels& k = w.kernels;
    const std::int32_t pixel = 0;
    const Tap tap{0, 0};
    for (int first = 0; first < rows_; first += chunkRows_) {
      const WinogradTiles from = tiles(pass.from, first, chunkRows_), to = tiles(pass.to, first, chunkRows_);
      float* const transformed = w.scratch;
      float* const products = w.scratch + 36 * from.plane;
      w.team.split(from.rows, [&](int b, int e) { k.winogradInput(from, pass.input, pass.inputFinish, transformed, b, e); });
      const RowGroup group{&pixel, &pixel, 1, &tap, 1, nullptr, 0};
      RowProduct a{};
      a.groups = &group;
      a.groupCount = 1;
      a.batch = from.rows;
      a.depth = pass.filter.depth;
      a.inRow = from.transformedRow;
      a.outRow = to.transformedRow;
      a.panelStride = pass.filter.panelFloats;
      const Filter& f = pass.filter;
      for (int pair = 0; pair < winogradPairs; pair += f.partPairs) {
        for (int panel = 0; panel < f.panels; panel += f.partPanels) {
          if (!f.whole) transformWeights(w, f, {panel, pair, pair + f.partPairs});
          const int panels = std::min(f.partPanels, f.panels - panel);
          w.team.split(f.partPlanes(), [&](int b, int e) {
            RowProduct one = a;
            for (int i = b; i < e; i++) {
              const int plane = winogradPlane(pair * winogradPairPlanes + i);
              one.input = transformed + plane * from.plane;
              one.output = products + plane * to.plane + panel * k.panel;
              one.weights = w.weights + i * f.plane;
              k.floatProduct(one, 0, panels, 0, k.rowTiles(one));
            }
          });
        }
      }
      w.team.split(to.rows, [&](int b, int e) {
        k.winogradOutput(to, products, pass.output, pass.accumulate, pass.finish, b, e);
      });
    }
  }

 public:
  void weightGradient(const Workspace& w) const override {
    if (sliced_) return slicedGradient(w);
    const std::ptrdiff_t plane = static_cast<std::ptrdiff_t>(weight_.slotStride());
    float* const sums = w.scratch;
    for (int first = 0; first < rows_; first += chunkRows_) {
      const Transformed both = transform(w, first, chunkRows_, sums + 36 * plane);
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
    const Transformed both = transform(w, 0, rows_, sums + 36 * sliceFloats_);
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
  const Filter forward_, turned_;
  const int across_, rows_;
  int chunkRows_ = 0;
  bool sliced_ = false;
  int sliceTiles_ = 0;
  std::ptrdiff_t sliceFloats_ = 0;
};

}  // namespace

std::unique_ptr<ConvolutionAlgorithm> makeWinograd(Plan& plan, int layer) {
  return std::make_unique<Winograd>(plan, layer);
}

}  // namespace trainql
