// Convolutions and linear layers as batch-reduce products: which rows meet which taps is worked out here, once.
//
// Pixels are grouped by the taps that are valid there, so padding is never multiplied. A data gradient is the same
// product over transposed weights; with stride 2 its pixels fall into groups by parity.
#include <algorithm>
#include <deque>

#include "plan/convolution_algorithm.h"
#include "plan/lined_gradient.h"
#include "plan/row_groups.h"
#include "plan/steps.h"
#include "plan/turned_gradient.h"

namespace trainql {

namespace {

// Bytes of input and output gradient that one block of a weight gradient may span: they stay in L2, together with the next
// block's, which are fetched meanwhile. Each block adds to the whole gradient, so where that is large blocks are too, most of
// all in tile registers, and maps that fit in L2 are not cut.
std::ptrdiff_t blockBytes(const WeightLayout& w, std::ptrdiff_t mapBytes, bool inRegisters) {
  constexpr std::ptrdiff_t uncut = 640 * 1024, least = 160 * 1024, most = 512 * 1024, mostInRegisters = 1280 * 1024;
  if (mapBytes <= uncut) return uncut;
  const std::ptrdiff_t tapBytes = static_cast<std::ptrdiff_t>(w.slotStride() * sizeof(float));
  return inRegisters ? std::clamp(tapBytes / 2, least, mostInRegisters) : std::clamp(tapBytes / 3, least, most);
}

struct PixelRange {
  int first, count;
};

std::ptrdiff_t pairedRow(const TensorLayout& t) { return rowStride(t.padded, sizeof(std::uint32_t)); }

class Direct final : public ConvolutionAlgorithm {
 public:
  Direct(Plan& plan, int layerIndex)
      : plan_(plan),
        layer_(plan.graph().layers[layerIndex]),
        parameters_(plan.parameters().of(layerIndex)),
        in_(plan.tensor(layer_.input)),
        out_(plan.tensor(layer_.output)) {
    if (weight().flat) {
      planFlat();
    } else {
      planForward();
      planDataGradient();
      planWeightGradient();
    }
    const bool inRegisters = weight().flat ? plan.imagesInWindows() : plan.kernels().linedGradient != nullptr;
    const Pieces pieces = !inRegisters ? Pieces::none : weight().flat ? Pieces::ofOneImage : Pieces::rows;
    forward_.seal(plan.batch(), pieces);
    dataGradient_.seal(plan.batch(), pieces);
    if (inRegisters) lined_ = std::make_unique<LinedWeightGradient>(plan, layerIndex, blockBytes(weight(), mapBytes(), true));
    inParts_ = blocks() > 1 || (lined_ == nullptr && inSpans());
    if (TurnedGradient::pays(plan, layerIndex)) turned_ = std::make_unique<TurnedGradient>(plan, layerIndex, dataGradient_);
    plan.needScratch((inParts_ ? weight().liveSize() : 0) + (lined_ == nullptr ? pairedFloats() : lined_->scratchFloats()));
    plan.needWeights(std::max(readsPairs() ? forwardPairs() : 0, weight().flat || turned_ != nullptr ? 0 : dataGradientFloats()));
  }

  double products() const override {
    double meetings = 0;
    for (const auto& pixels : outPixels_) meetings += static_cast<double>(pixels.size());
    return meetings * plan_.batch() * weight().depth() * layer_.outChannels;
  }

  // Bfloat16 alone: pairs along the depth. In fp32 the parameters lie as the product reads them.
  void prepareForward(const Workspace& w) const override {
    if (!readsPairs()) return;
    const std::size_t panelPairs = forwardPairs() / panels();
    w.team.split(panels(), [&](int begin, int end) {
      for (int i = begin; i < end; i++) {
        w.kernels.pairWeights(panelWeights(w, i), pairs(w.weights) + i * panelPairs, forwardDepth());
      }
    });
  }

  void prepareDataGradient(const Workspace& w) const override {
    if (turned_ != nullptr) return;
    const std::size_t slotFloats = dataGradientFloats() / weight().liveSlots;
    w.team.split(panels(), [&](int begin, int end) {
      for (int i = begin; i < end; i++) {
        const float* const from = w.parameters + weight().live + i * weight().panelStride();
        float* const slot = w.weights + i / weight().panels * slotFloats;
        transposePanel(w, from, slot, i % weight().panels);
      }
    });
  }

  void forward(const Workspace& w, const ForwardOutput& output) const override {
    RowProduct a = product(forward_, in_, out_);
    a.input = w.at(in_.activation);
    a.output = output.map;
    a.finish = output.finish;
    a.bias = hasBias() ? w.parameters + parameters_.shift : nullptr;
    a.accumulate = false;
    const MadeRows made{norms_[static_cast<int>(RowPass::measure)], RowPass::measure, w};
    a.made = made.receive();
    if (weight().flat && !readsPairs()) {
      a.offsets = offsets_.data();
      setWeights(a, w.parameters + weight().live, weight().depth(), out_);
      return run(w, {w.kernels.imageProduct, w.kernels.rowTiles(a)}, a, out_);
    }
    if (weight().flat) {
      a.inPixel = in_.channels;
      a.inImage = plan_.imageWindows().imageStride();
    }
    if (readsPairs()) {
      setWeights(a, w.weights, pairsOf(forwardDepth()), out_);
    } else {
      setWeights(a, w.parameters + weight().live, layer_.inChannels, out_);
    }
    run(w, {w.kernels.rowProduct, w.kernels.elementTiles(a)}, a, out_);
  }

  // Tile registers take rows in an order of their own.
  bool canTake(RowPass pass) const override {
    if (plan_.kernels().linedGradient != nullptr) return false;
    return (pass == RowPass::measure ? forward_ : dataGradient_).makesRowsInOrder();
  }

  void take(RowPass pass, const BatchNormStep& norm) override { norms_[static_cast<int>(pass)] = &norm; }

 private:
  // Hands the rows that a product has made to a batch norm, if there is one that left its pass here.
  struct MadeRows {
    const BatchNormStep* norm;
    RowPass pass;
    const Workspace& w;

    RowsMade receive() const {
      if (norm == nullptr || !passesAreTaken(w)) return {};
      return {[](const void* self, int begin, int end) {
                const MadeRows& made = *static_cast<const MadeRows*>(self);
                made.norm->pass(made.pass, made.w, begin, end);
              },
              this};
    }
  };

  const WeightLayout& weight() const { return parameters_.weight; }
  // Whether the forward product reads bfloat16, and copies of the weights in pairs.
  bool readsPairs() const { return weight().flat ? plan_.imagesInWindows() : plan_.paired(); }
  // Values read per tap; of images, a tap is a line of the filter.
  int forwardDepth() const { return weight().flat ? layer_.kernel * layer_.inChannels : layer_.inChannels; }
  // Panels of all taps.
  int panels() const { return (weight().flat ? layer_.kernel : weight().liveSlots) * weight().panels; }
  std::size_t forwardPairs() const {
    return static_cast<std::size_t>(panels()) * pairsOf(forwardDepth()) * weight().panel;
  }
  // Those of panel `index`, counted over all taps. The lines of a flat filter lie one after another in each panel.
  const float* panelWeights(const Workspace& w, int index) const {
    const float* const live = w.parameters + weight().live;
    if (!weight().flat) return live + index * weight().panelStride();
    const int line = index / weight().panels, panel = index % weight().panels;
    return live + panel * weight().panelStride() + static_cast<std::ptrdiff_t>(line) * forwardDepth() * weight().panel;
  }
  // Pairs along a depth, filled up to whole steps of a product.
  int pairsOf(int channels) const {
    const int step = plan_.kernels().depthStep;
    return ((channels + 1) / 2 + step - 1) / step * step;
  }
  // Values, or pairs of them, read per tap.
  int dataGradientDepth() const { return plan_.paired() ? pairsOf(layer_.outChannels) : layer_.outChannels; }
  std::size_t dataGradientFloats() const {
    return static_cast<std::size_t>(weight().liveSlots) * in_.padded * dataGradientDepth();
  }
  static std::uint32_t* pairs(float* weights) { return reinterpret_cast<std::uint32_t*>(weights); }

  // What the next block of a panel reads, and what it writes: pages apart, which the processor does not see coming.
  void fetchTransposed(const float* from, const float* to, int outPanel) const {
    constexpr std::ptrdiff_t line = 64 / sizeof(float);
    const std::ptrdiff_t read = weight().panel * weight().panel, written = plan_.paired() ? read / 2 : read;
    for (std::ptrdiff_t f = 0; f < read; f += line) __builtin_prefetch(from + f, 0, 2);
    for (std::ptrdiff_t f = 0; f < written; f += line) __builtin_prefetch(to + outPanel * written + f, 1, 2);
  }

  // [in][panel width] of one panel of out to its part of [in panel][out][panel width], or of pairs along out.
  void transposePanel(const Workspace& w, const float* from, float* slot, int outPanel) const {
    const int panel = weight().panel, outs = std::min(panel, layer_.outChannels - outPanel * panel);
    for (int in = 0; in < layer_.inChannels; in += panel, from += panel * panel) {
      const int ins = std::min(panel, layer_.inChannels - in);
      const std::size_t at = static_cast<std::size_t>(in) * dataGradientDepth();
      fetchTransposed(from + panel * panel, slot + static_cast<std::size_t>(in + panel) * dataGradientDepth(), outPanel);
      if (plan_.paired()) {
        w.kernels.pairTransposedBlock(from, pairs(slot + at) + outPanel * panel / 2 * panel, ins, outs);
      } else {
        w.kernels.transposeBlock(from, slot + at + outPanel * panel * panel, ins, outs);
      }
    }
  }

  bool hasBias() const { return layer_.kind == LayerKind::linear; }
  int blocks() const { return lined_ != nullptr ? lined_->blocks() : static_cast<int>(blockBegin_[0].size()) - 1; }
  bool inSpans() const {
    return std::any_of(taps_.begin(), taps_.end(), [&](const TapPixels& tap) {
      return plan_.kernels().gradientSpans(tap.blockBegin[blocks()], rowsOfPixel()) > 1;
    });
  }

  RowProduct product(const RowGroups& rows, const TensorLayout& from, const TensorLayout& to) const {
    RowProduct a{};
    a.inRow = a.inImage = from.row;
    a.inPixel = plan_.batch() * from.row;
    a.outRow = to.row;
    a.groups = rows.groups().data();
    a.groupCount = static_cast<int>(rows.groups().size());
    a.batch = plan_.batch();
    return a;
  }

  // [slot][panel][depth][panel width]
  void setWeights(RowProduct& a, const void* weights, int depth, const TensorLayout& to) const {
    a.weights = weights;
    a.depth = depth;
    a.panelStride = static_cast<std::ptrdiff_t>(depth) * weight().panel;
    a.slotStride = static_cast<std::ptrdiff_t>(depth) * to.padded;
  }

  struct TiledProduct {
    decltype(Kernels::rowProduct) compute;
    int tiles;
  };

  static void run(const Workspace& w, const TiledProduct& product, const RowProduct& a, const TensorLayout& to) {
    const int panels = to.padded / w.kernels.panel, tiles = product.tiles;
    if (w.team.size() == 1) return product.compute(a, 0, panels, 0, tiles);
    const int chunks = std::min(tiles, 16);
    w.team.split(panels * chunks, [&](int begin, int end) {
      for (int i = begin; i < end; i++) {
        const int panel = i / chunks, chunk = i % chunks;
        product.compute(a, panel, panel + 1, tiles * chunk / chunks, tiles * (chunk + 1) / chunks);
      }
    });
  }

 public:
  void dataGradient(const Workspace& w, bool accumulate) const override {
    const MadeRows made{norms_[static_cast<int>(RowPass::reduce)], RowPass::reduce, w};
    if (turned_ != nullptr) return turned_->compute(w, accumulate, made.receive());
    RowProduct a = product(dataGradient_, out_, in_);
    a.input = w.at(out_.gradient);
    a.output = w.at(in_.gradient);
    a.accumulate = accumulate;
    setWeights(a, w.weights, dataGradientDepth(), in_);
    a.made = made.receive();
    run(w, {w.kernels.rowProduct, w.kernels.elementTiles(a)}, a, in_);
  }

  void weightGradient(const Workspace& w) const override {
    WeightGradient a{};
    a.taps = taps_.data();
    a.tapCount = static_cast<int>(taps_.size());
    a.depth = weight().depth();
    a.offsets = weight().flat ? offsets_.data() : nullptr;
    a.slotStride = weight().slotStride();
    a.panelStride = weight().panelStride();
    // A sum that is finished in registers may be added at once; else it is finished apart first.
    const bool apart = w.addGradient && inParts_;
    float* const gradient = w.weightGradient;
    a.gradient = apart ? w.scratch : gradient;
    for (a.block = 0; a.block < blocks(); a.block++) {
      a.add = a.block > 0 || (w.addGradient && !apart);
      if (lined_ == nullptr) {
        blockGradient(w, a);
      } else {
        lined_->sum(w, a.block, {a.gradient, a.add}, scratchOfBlock(w));
      }
    }
    if (apart) {
      const std::size_t panelFloats = weight().panelStride();
      w.team.split(static_cast<int>(weight().liveSize() / panelFloats), [&](int begin, int end) {
        w.kernels.addTo(gradient + begin * panelFloats, w.scratch + begin * panelFloats, (end - begin) * panelFloats);
      });
    }
    biasGradient(w);
  }

 private:
  void blockGradient(const Workspace& w, WeightGradient a) const {
    a.batch = rowsOfPixel();
    auto kernel = weight().flat ? w.kernels.imageGradient : w.kernels.weightGradient;
    if (pairsRows()) {
      float* const scratch = scratchOfBlock(w);
      const PixelRange in = inRanges_[a.block], out = outRanges_[a.block];
      const PairedRows x = paired(in_, w.at(in_.kept), in.first, scratch);
      const PairedRows dy = paired(out_, w.at(out_.gradient), out.first, scratch + in.count * pixelPairs(in_));
      w.team.split(in.count, [&](int b, int e) { w.kernels.pairRows(x, in.first + b, in.first + e); });
      w.team.split(out.count, [&](int b, int e) { w.kernels.pairRows(dy, out.first + b, out.first + e); });
      a.inRow = x.pairedRow;
      a.outRow = dy.pairedRow;
      a.input = x.paired - in.first * pixelPairs(in_);
      a.outputGradient = dy.paired - out.first * pixelPairs(out_);
    } else {
      a.inRow = in_.row;
      a.outRow = out_.row;
      a.input = w.at(in_.kept);
      a.outputGradient = w.at(out_.gradient);
    }
    const int panels = weight().panels, tiles = w.kernels.gradientTiles(a.depth), next = a.block + 1;
    const Ahead input = next < blocks() ? ahead(w, in_, in_.activation, inRanges_[next]) : Ahead{};
    const Ahead outputGradient = next < blocks() ? ahead(w, out_, out_.gradient, outRanges_[next]) : Ahead{};
    a.nextInput = input;
    a.nextOutputGradient = outputGradient;
    if (w.team.size() == 1) return kernel(a, 0, panels, 0, tiles);
    w.team.split(panels * tiles, [&](int begin, int end) {
      for (int i = begin; i < end; i++) {
        WeightGradient one = a;
        one.nextInput = part(input, i, panels * tiles);
        one.nextOutputGradient = part(outputGradient, i, panels * tiles);
        kernel(one, i / tiles, i / tiles + 1, i % tiles, i % tiles + 1);
      }
    });
  }

  // Behind a gradient that is summed apart.
  float* scratchOfBlock(const Workspace& w) const { return w.scratch + (inParts_ ? weight().liveSize() : 0); }

  Ahead ahead(const Workspace& w, const TensorLayout& t, int buffer, PixelRange pixels) const {
    const std::ptrdiff_t pixelBytes =
        plan_.batch() * t.row * (buffer == plan_.tensor(0).activation ? 4 : plan_.kernels().elementBytes);
    return {reinterpret_cast<const char*>(w.at(buffer)) + pixels.first * pixelBytes, pixels.count * pixelBytes};
  }

  static Ahead part(const Ahead& a, int index, int parts) {
    return {static_cast<const char*>(a.at) + a.bytes * index / parts, a.bytes / parts};
  }

  void biasGradient(const Workspace& w) const {
    if (!hasBias()) return;
    std::vector<float> sums(out_.padded);
    w.kernels.columnSums(w.at(out_.gradient), out_.row, out_.pixels() * plan_.batch(), 0, out_.padded, sums.data());
    float* bias = w.vectorGradient + parameters_.shift - plan_.parameters().vectorsBegin();
    for (int c = 0; c < out_.padded; c++) bias[c] = w.addGradient ? bias[c] + sums[c] : sums[c];
  }

  // The dot product of bfloat16 sums over pairs of images, so their rows are laid side by side first, block by block.
  bool pairsRows() const { return plan_.paired() && !weight().flat; }
  int imagePairs() const { return (plan_.batch() + 1) / 2; }
  int rowsOfPixel() const { return pairsRows() ? imagePairs() : plan_.batch(); }
  std::ptrdiff_t pixelPairs(const TensorLayout& t) const { return imagePairs() * pairedRow(t); }

  PairedRows paired(const TensorLayout& t, const void* map, int firstPixel, float* scratch) const {
    return {map, plan_.batch(), t.row, t.padded, reinterpret_cast<std::uint32_t*>(scratch), pairedRow(t), firstPixel};
  }

  std::size_t pairedFloats() const {
    if (!pairsRows()) return 0;
    std::ptrdiff_t most = 0;
    for (int b = 0; b < blocks(); b++) {
      most = std::max(most, inRanges_[b].count * pixelPairs(in_) + outRanges_[b].count * pixelPairs(out_));
    }
    return static_cast<std::size_t>(most);
  }

  template <class F>
  void eachOutput(F&& f) const {
    for (int y = 0; y < out_.height; y++) {
      for (int x = 0; x < out_.width; x++) f(y * out_.width + x, y * layer_.stride - layer_.padding,
                                             x * layer_.stride - layer_.padding);
    }
  }

  // The input is stored with a zero border, so every tap is valid everywhere and all taps form one depth.
  void planFlat() {
    const int border = plan_.inputBorder(), width = in_.width + 2 * border;
    for (int t = 0; t < weight().taps; t++) {
      const int pixel = t / layer_.kernel * width + t % layer_.kernel;
      for (int c = 0; c < in_.channels; c++) offsets_.push_back(pixel * plan_.batch() * in_.channels + c);
    }
    std::vector<Tap> taps{{0, 0}};
    for (int ky = 1; plan_.imagesInWindows() && ky < layer_.kernel; ky++) taps.push_back({ky, ky * width});
    inPixels_.resize(1);
    outPixels_.resize(1);
    eachOutput([&](int pixel, int y, int x) {
      const int base = (y + border) * width + x + border;
      forward_.add(pixel, base, 0, taps);
      inPixels_[0].push_back(base);
      outPixels_[0].push_back(pixel);
    });
    sealTaps({0});
  }

  void planForward() {
    eachOutput([&](int pixel, int y, int x) {
      std::vector<Tap> taps;
      for (int t = 0; t < weight().taps; t++) {
        const int dy = t / layer_.kernel, dx = t % layer_.kernel;
        if (inside(y + dy, x + dx)) taps.push_back({weight().slotOfTap[t], dy * in_.width + dx});
      }
      forward_.add(pixel, y * in_.width + x, 0, taps);
    });
  }

  // dIn[y, x] = sum over taps with (y + padding - ky) divisible by the stride of dOut[(y + padding - ky) / stride, …].
  void planDataGradient() {
    const int s = layer_.stride;
    for (int y = 0; y < in_.height; y++) {
      for (int x = 0; x < in_.width; x++) {
        const int py = y + layer_.padding, px = x + layer_.padding, ry = py % s, rx = px % s;
        const int baseY = py / s, baseX = px / s;
        std::vector<Tap> taps;
        for (int t = 0; t < weight().taps; t++) {
          const int ky = t / layer_.kernel, kx = t % layer_.kernel;
          if (ky % s != ry || kx % s != rx) continue;
          const int dy = (ky - ry) / s, dx = (kx - rx) / s;
          const int oy = baseY - dy, ox = baseX - dx;
          if (oy < 0 || oy >= out_.height || ox < 0 || ox >= out_.width) continue;
          taps.push_back({weight().slotOfTap[t], -dy * out_.width - dx});
        }
        dataGradient_.add(y * in_.width + x, baseY * out_.width + baseX, ry * s + rx, taps);
      }
    }
  }

  void planWeightGradient() {
    std::vector<int> slots;
    for (int t = 0; t < weight().taps; t++) {
      if (weight().slotOfTap[t] >= weight().liveSlots) continue;
      slots.push_back(weight().slotOfTap[t]);
      inPixels_.emplace_back();
      outPixels_.emplace_back();
      eachOutput([&](int pixel, int y, int x) {
        const int iy = y + t / layer_.kernel, ix = x + t % layer_.kernel;
        if (!inside(iy, ix)) return;
        inPixels_.back().push_back(iy * in_.width + ix);
        outPixels_.back().push_back(pixel);
      });
    }
    sealTaps(slots);
  }

  // What a weight gradient reads: an output pixel's row, and an input pixel's with it.
  std::ptrdiff_t mapBytes() const {
    return static_cast<std::ptrdiff_t>(plan_.batch()) * (in_.row + out_.row) * plan_.kernels().elementBytes * out_.pixels();
  }

  // Cuts the output pixels into blocks, the same for every tap.
  void sealTaps(const std::vector<int>& slots) {
    const std::ptrdiff_t pixelBytes = mapBytes() / out_.pixels();
    const int perBlock = static_cast<int>(std::max<std::ptrdiff_t>(1, blockBytes(weight(), mapBytes(), false) / pixelBytes));
    const int blocks = (out_.pixels() + perBlock - 1) / perBlock;
    for (std::size_t t = 0; t < slots.size(); t++) {
      blockBegin_.emplace_back();
      for (int b = 0; b <= blocks; b++) {
        const int firstPixel = static_cast<int>(static_cast<std::int64_t>(out_.pixels()) * b / blocks);
        const auto at = std::lower_bound(outPixels_[t].begin(), outPixels_[t].end(), firstPixel);
        blockBegin_.back().push_back(static_cast<std::int32_t>(at - outPixels_[t].begin()));
      }
    }
    for (std::size_t t = 0; t < slots.size(); t++) {
      taps_.push_back({slots[t], inPixels_[t].data(), outPixels_[t].data(), blockBegin_[t].data()});
    }
    for (int b = 0; b < blocks; b++) {
      const int out = static_cast<int>(static_cast<std::int64_t>(out_.pixels()) * b / blocks);
      outRanges_.push_back({out, static_cast<int>(static_cast<std::int64_t>(out_.pixels()) * (b + 1) / blocks) - out});
      inRanges_.push_back(inRange(b));
    }
  }

  // Input pixels that any tap reads in a block.
  PixelRange inRange(int block) const {
    int first = in_.pixels(), end = 0;
    for (const TapPixels& tap : taps_) {
      for (int p = tap.blockBegin[block]; p < tap.blockBegin[block + 1]; p++) {
        first = std::min<int>(first, tap.inPixel[p]);
        end = std::max<int>(end, tap.inPixel[p] + 1);
      }
    }
    return first < end ? PixelRange{first, end - first} : PixelRange{0, 0};
  }

  bool inside(int y, int x) const { return y >= 0 && y < in_.height && x >= 0 && x < in_.width; }

  const Plan& plan_;
  const Layer layer_;
  const LayerParameters& parameters_;
  const TensorLayout in_, out_;
  RowGroups forward_, dataGradient_;
  std::vector<std::int32_t> offsets_;
  std::deque<std::vector<std::int32_t>> inPixels_, outPixels_, blockBegin_;
  std::vector<TapPixels> taps_;
  std::vector<PixelRange> inRanges_, outRanges_;  // of each block
  std::unique_ptr<TurnedGradient> turned_;        // in place of transposed weights, where those are more than rows
  std::unique_ptr<LinedWeightGradient> lined_;    // in place of taps_ and blocks, where elements are multiplied in tile registers
  const BatchNormStep* norms_[rowPasses] = {};  // that left their passes to this one's products
  bool inParts_ = false;  // whether a weight gradient is the sum of several
};

}  // namespace

std::unique_ptr<ConvolutionAlgorithm> makeDirect(Plan& plan, int layer) {
  return std::make_unique<Direct>(plan, layer);
}

}  // namespace trainql
