// The rows of a product in blocks that stay in cache, and what is to be fetched while one is computed.
#pragma once

#include <algorithm>
#include <limits>

namespace trainql::TRAINQL_ISA {

static int groupTiles(const RowGroup& g, int batch) { return ceilDiv(g.pixels * batch, tileRows); }

static int rowTiles(const RowProduct& a) {
  int tiles = 0;
  for (int g = 0; g < a.groupCount; g++) tiles += groupTiles(a.groups[g], a.batch);
  return tiles;
}

// Some of a product's panels, tiles or rows.
struct Part {
  int begin, end;
};

// The rows of a group's tile.
static inline Part tileRowsOf(const RowProduct& a, const RowGroup& g, int tile) {
  const int rows = g.pixels * a.batch, tiles = groupTiles(g, a.batch);
  return {partBegin(rows, tiles, tile), partBegin(rows, tiles, tile + 1)};
}

// Rows that are worked through panel by panel before the next ones, in tiles.
template <class Step, class Out>
struct RowBlock {
  static constexpr int mostTiles = 1024 / tileRows, mostRows = mostTiles * tileRows;
  struct Tile {
    const RowGroup* group;
    int begin, rows;  // in the block
  };
  int rows, tiles;
  int firstPixel, endPixel;  // of input, that any of them reads
  Tile tile[mostTiles];
  const typename Step::Value* in[mostRows];
  Out* out[mostRows + tileRows];

  void add(const RowProduct& a, const RowGroup& g, int index) {
    const Part part = tileRowsOf(a, g, index);
    const int count = part.end - part.begin;
    tile[tiles++] = {&g, rows, count};
    const auto* const input = static_cast<const typename Step::Value*>(a.input);
    Out* const output = static_cast<Out*>(a.output);
    for (int t = 0; t < g.tapCount; t++) {
      firstPixel = std::min(firstPixel, g.basePixel[part.begin / a.batch] + g.taps[t].pixelDelta);
      endPixel = std::max(endPixel, g.basePixel[(part.end - 1) / a.batch] + g.taps[t].pixelDelta + 1);
    }
    int pixel = part.begin / a.batch, image = part.begin % a.batch;
    for (const int end = rows + count; rows < end; rows++) {
      in[rows] = input + (static_cast<std::ptrdiff_t>(g.basePixel[pixel]) * a.batch + image) * inputRow<Step>(a.inRow);
      out[rows] = output + (static_cast<std::ptrdiff_t>(g.outPixel[pixel]) * a.batch + image) * a.outRow;
      if (++image == a.batch) {
        image = 0;
        pixel++;
      }
    }
  }

  // Behind the last row come the first ones again, a panel further: they are written after it.
  void seal() {
    for (int m = 0; m < tileRows && rows > 0; m++) out[rows + m] = out[m % rows] + panel;
  }
};

// A tile that no tap reaches: with a stride, most of a 1x1 convolution's data gradient is made of them.
template <class Out>
static void writeNothing(const RowProduct& a, const RowGroup& g, int index, Part panels) {
  if (a.accumulate) return;
  const Part rows = tileRowsOf(a, g, index);
  for (int row = rows.begin; row < rows.end; row++) {
    const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(g.outPixel[row / a.batch]) * a.batch + row % a.batch;
    std::fill_n(static_cast<Out*>(a.output) + at * a.outRow + panels.begin * panel, (panels.end - panels.begin) * panel, Out{});
  }
}

// Goes through some tiles of a product, over all its groups.
template <class Step, class Out>
class TileCursor {
 public:
  TileCursor(const RowProduct& a, Part panels, Part tiles)
      : a_(a), panels_(panels), left_(tiles.end - tiles.begin), index_(tiles.begin) {}

  void take(int most, RowBlock<Step, Out>& block) {
    block.rows = block.tiles = block.endPixel = 0;
    block.firstPixel = std::numeric_limits<int>::max();
    for (; left_ > 0 && block.tiles < most; left_--, index_++) {
      while (index_ >= groupTiles(a_.groups[group_], a_.batch)) index_ -= groupTiles(a_.groups[group_++], a_.batch);
      const RowGroup& g = a_.groups[group_];
      if (g.tapCount == 0 && a_.bias == nullptr && a_.finish.scale == nullptr) {
        writeNothing<Out>(a_, g, index_, panels_);
      } else {
        block.add(a_, g, index_);
      }
    }
    block.seal();
  }

 private:
  const RowProduct& a_;
  const Part panels_;
  int left_, index_, group_ = 0;
};

// The input that a block reads and the one before it does not, where it lies in one piece.
template <class Step, class Out>
static Ahead inputOf(const RowProduct& a, const RowBlock<Step, Out>& before, const RowBlock<Step, Out>& block) {
  if (block.rows == 0 || a.offsets != nullptr) return {};
  const bool goesOn = block.firstPixel < before.endPixel && before.endPixel < block.endPixel;
  const int first = goesOn ? before.endPixel : block.firstPixel;
  const std::ptrdiff_t rows = static_cast<std::ptrdiff_t>(block.endPixel - first) * a.batch;
  if (rows > static_cast<std::ptrdiff_t>(block.rows + a.batch) * block.tile[0].group->tapCount) return {};
  const std::ptrdiff_t rowBytes = inputRow<Step>(a.inRow) * static_cast<std::ptrdiff_t>(sizeof(typename Step::Value));
  return {static_cast<const char*>(a.input) + first * a.batch * rowBytes, rows * rowBytes};
}

// What is fetched while one panel of a block is computed: a part of the next block's input, then the panel of weights that
// comes next, tap by tap. Each tile fetches its share, in as many strides as it takes steps. With nothing to fetch it stays
// at the weights, which are in cache: fetching from address 0 walks the page table each time.
template <class Step>
struct PanelFetch {
  const char *near, *input, *weights;
  std::ptrdiff_t inputBytes, weightBytes, tapBytes, slotBytes;
  const Tap* taps;
  int tiles;

  Fetch of(int tile, int steps) const {
    const std::ptrdiff_t bytes = (inputBytes + weightBytes) / tiles, at = bytes * tile, stride = bytes / std::max(1, steps);
    if (bytes == 0) return {near, 0};
    if (at < inputBytes) return {input + at, stride};
    const std::ptrdiff_t ofWeights = at - inputBytes;
    return {weights + taps[ofWeights / tapBytes].slot * slotBytes + ofWeights % tapBytes, stride};
  }
};

// `panel` of `panels` computes a block, and `next` is the panel whose weights are to be fetched, or below 0.
template <class Step, class Out>
static PanelFetch<Step> panelFetch(const RowProduct& a, const RowBlock<Step, Out>& block, const Ahead& input, int index, int panels, int next) {
  constexpr std::ptrdiff_t weightBytes = sizeof(typename Step::Weight);
  const RowGroup& g = *block.tile[0].group;
  const std::ptrdiff_t begin = input.bytes * index / panels, end = input.bytes * (index + 1) / panels;
  const std::ptrdiff_t tapBytes = a.depth * panel * weightBytes;
  const auto* const near = static_cast<const char*>(a.weights);
  return {near, static_cast<const char*>(input.at) + begin, near + next * a.panelStride * weightBytes, end - begin,
          next < 0 ? 0 : g.tapCount * tapBytes, tapBytes, a.slotStride * weightBytes, g.taps, block.tiles};
}

}  // namespace trainql::TRAINQL_ISA
