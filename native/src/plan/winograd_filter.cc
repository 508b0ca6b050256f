// Which parts a filter is transformed in, and how.
#include "plan/winograd_filter.h"

#include <algorithm>

namespace trainql {

namespace {

// Floats of transformed weights that are made once for all chunks of tile rows and all shards that share them, and where there is
// one of each; and of a part otherwise.
constexpr std::ptrdiff_t wholeFloats = 1024 * 1024, wholeFloatsOfFewRows = 256 * 1024;
constexpr std::ptrdiff_t partFloats = 128 * 1024;
// Parts are made in all 36 planes at once where the transformed rows stay in L2 beside them, else for two lines of planes.
constexpr std::ptrdiff_t mostRowFloats = 128 * 1024;
// A large turned filter is transposed where there is a tile row for every so many output channels: else it is quicker to
// transpose the rows, before and after.
constexpr int channelsOfTileRow = 8;
// Rows of a part that is not transposed: two tiles of a product.
constexpr int partRowsOfTurned = 28;
// Output channels of the widest panel.
constexpr int mostPanel = 32;

// So many that all parts are nearly alike.
int partOf(int all, int most) {
  const int parts = (all + most - 1) / most;
  return (all + parts - 1) / parts;
}

}  // namespace

WinogradFilter::WinogradFilter(const WeightLayout& weight, int tileRows, Side side, bool isShared)
    : weight_(weight), side_(side) {
  const int panel = weight.panel, inPanels = (weight.inChannels + panel - 1) / panel;
  const std::ptrdiff_t floats = 36 * static_cast<std::ptrdiff_t>(weight.panels) * inPanels * panel * panel;
  const bool whole = floats <= (isShared || tileRows > leastRowsOfPart ? wholeFloats : wholeFloatsOfFewRows);
  transposed_ = side == Side::turned && (whole || tileRows * channelsOfTileRow > weight.outChannels);
  const int panels = transposed_ ? inPanels : weight.panels, rows = transposed_ ? weight.outChannels : weight.inChannels;
  int pairs = winogradPairs, partPanels = panels, partRows = rows;
  if (!whole) {
    const int depth = side == Side::forward ? weight.inChannels : weight.outChannels;
    if (36 * static_cast<std::ptrdiff_t>(tileRows) * depth > mostRowFloats && !transposed_) pairs = 1;
    const int fit = static_cast<int>(partFloats / (pairs * winogradPairPlanes * panel));
    // A transposed filter is made in whole panels: with so many tile rows, sums that are taken up again cost more.
    if (!transposed_) partRows = turnsRows() ? partOf(rows, partRowsOfTurned) : std::min(rows, fit);
    partPanels = partOf(panels, std::max(1, fit / partRows));
  }
  plane_ = spreadPlane(static_cast<std::ptrdiff_t>(partPanels) * partRows * panel);
  for (int pair = 0; pair < winogradPairs; pair += pairs) {
    const auto add = [&](int p, int r, bool resume) {
      parts_.push_back({pair, pair + pairs, p, std::min(partPanels, panels - p), r, std::min(partRows, rows - r), resume});
    };
    // The depth inside: panels of output channels where rows are input channels of a turned filter, else rows.
    if (turnsRows()) {
      for (int r = 0; r < rows; r += partRows) {
        for (int p = 0; p < panels; p += partPanels) add(p, r, p > 0);
      }
    } else {
      for (int p = 0; p < panels; p += partPanels) {
        for (int r = 0; r < rows; r += partRows) add(p, r, r > 0);
      }
    }
  }
}

std::size_t WinogradFilter::floats() const { return static_cast<std::size_t>(parts_[0].planes() * plane_); }

void WinogradFilter::prepare(const Workspace& w) const {
  if (whole()) transform(w, parts_[0]);
}

const float* WinogradFilter::tap(const Workspace& w, int t) const {
  return w.parameters + weight_.live + weight_.slotOfTap[side_ == Side::forward ? t : 8 - t] * weight_.slotStride();
}

// The 9 taps of a part's panels, a ninth and a fourth of them for each of 36 planes.
Ahead WinogradFilter::weightsOf(const Workspace& w, const Part& part, int plane) const {
  if (part.planes() < 36 || transposed_) return {};
  const int quarter = plane % 4;
  const float* const at = tap(w, plane / 4) + part.rowBegin * weight_.panel;
  const std::ptrdiff_t rowBytes = weight_.panel * static_cast<std::ptrdiff_t>(sizeof(float));
  if (part.panels == 1) {
    const int begin = part.rows * quarter / 4, end = part.rows * (quarter + 1) / 4;
    return {at + part.panelBegin * weight_.panelStride() + begin * weight_.panel, (end - begin) * rowBytes};
  }
  if (quarter >= part.panels) return {};
  return {at + (part.panelBegin + quarter) * weight_.panelStride(), part.rows * rowBytes};
}

void WinogradFilter::transform(const Workspace& w, const Part& part) const {
  const int panel = weight_.panel;
  if (transposed_) {
    const int outPanels = (part.rows + panel - 1) / panel;
    return w.team.split(part.panels * outPanels, [&](int b, int e) {
      for (int i = b; i < e; i++) transformTransposed(w, part, i / outPanels, i % outPanels);
    });
  }
  const std::size_t floats = static_cast<std::size_t>(part.rows) * panel;
  for (int p = 0; p < part.panels; p++) {
    const float* taps[9];
    for (int t = 0; t < 9; t++) taps[t] = tap(w, t) + (part.panelBegin + p) * weight_.panelStride() + part.rowBegin * panel;
    const WinogradWeights to{w.weights + p * floats, plane_, part.pairBegin, part.pairEnd};
    w.team.split(part.rows, [&](int b, int e) {
      w.kernels.winogradWeights(taps, to, static_cast<std::size_t>(b) * panel, static_cast<std::size_t>(e) * panel);
    });
  }
}

// One panel of in and one of out channels, counted from the part's first.
void WinogradFilter::transformTransposed(const Workspace& w, const Part& part, int inPanel, int outPanel) const {
  const int panel = weight_.panel, in = (part.panelBegin + inPanel) * panel, out = part.rowBegin + outPanel * panel;
  const int ins = std::min(panel, weight_.inChannels - in), outs = std::min(panel, weight_.outChannels - out);
  const std::ptrdiff_t blockFloats = static_cast<std::ptrdiff_t>(panel) * panel;
  alignas(64) float blocks[9][mostPanel * mostPanel];
  const float* taps[9];
  for (int t = 0; t < 9; t++) {
    const float* const block = tap(w, t) + out / panel * weight_.panelStride() + in * panel;
    // The next block is pages away: the processor does not see it coming.
    for (std::ptrdiff_t line = 0; line < blockFloats; line += 16) __builtin_prefetch(block + weight_.panelStride() + line, 0, 2);
    w.kernels.transposeBlock(block, blocks[t], ins, outs);
    taps[t] = blocks[t];
  }
  const WinogradWeights to{w.weights + (static_cast<std::ptrdiff_t>(inPanel) * part.rows + outPanel * panel) * panel, plane_,
                           part.pairBegin, part.pairEnd};
  w.kernels.winogradWeights(taps, to, 0, static_cast<std::size_t>(outs) * panel);
}

}  // namespace trainql
