// The products of a network over rows x taps x channels: forward and data gradient.
//
// Each output value is one chain of multiply-adds in a fixed order (taps, then depth), whatever tile or thread computes it:
// tiling never changes a result. A step of a chain takes one fp32 value, or two bfloat16 values at once.
#pragma once

namespace trainql::TRAINQL_ISA {

// Where the rows of a tile begin, those that are written after it, and what is fetched meanwhile.
template <class Step, class Out>
struct RowTile {
  const typename Step::Value* const* in;
  Out* const* out;
  Out* const* nextOut;
  Fetch fetch;
};

// Finishes and stores the sums of a tile. Always inlined: else the sums would lie in memory throughout.
template <class Out, int M>
__attribute__((always_inline)) static inline void storeFinished(const RowProduct& a, Out* const* rows, Vec (*acc)[2], int n) {
  const Finish& f = a.finish;
#pragma GCC unroll 2
  for (int h = 0; h < 2; h++) {
    const int c = n * panel + h * V;
    const Vec scale = load(f.scale + c), shift = load(f.shift + c), bias = a.bias != nullptr ? load(a.bias + c) : Vec{};
#pragma GCC unroll 16
    for (int m = 0; m < M; m++) acc[m][h] = (acc[m][h] + bias) * scale + shift;
    if (f.skip != nullptr) {
      const std::ptrdiff_t toSkip = elements(f.skip) - static_cast<const Out*>(a.output);
#pragma GCC unroll 16
      for (int m = 0; m < M; m++) acc[m][h] += load(rows[m] + toSkip + c);
    }
    if (f.relu) {
#pragma GCC unroll 16
      for (int m = 0; m < M; m++) acc[m][h] = relu(acc[m][h]);
    }
#pragma GCC unroll 16
    for (int m = 0; m < M; m++) store(rows[m] + c, acc[m][h]);
  }
}

template <class Step, class Out, int M, bool Gather, bool Finished>
static inline void rowTile(const RowProduct& a, const RowGroup& g, const RowTile<Step, Out>& tile, int n) {
  Vec acc[M][2];
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) acc[m][0] = acc[m][1] = Vec{};
  const typename Step::Value* row[M];
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) row[m] = tile.in[m];
  if constexpr (Finished) {
    if (a.finish.skip != nullptr) {
      const std::ptrdiff_t toSkip = elements(a.finish.skip) - static_cast<const Out*>(a.output);
      for (int m = 0; m < M; m++) {
        const auto* const skip = reinterpret_cast<const char*>(tile.out[m] + toSkip + n * panel);
        for (std::size_t b = 0; b < panel * sizeof(Out); b += 64) __builtin_prefetch(skip + b);
      }
    }
  }

  const std::ptrdiff_t pixelStride = a.batch * inputRow<Step>(a.inRow);
  constexpr int lines = std::max<int>(1, panel * sizeof(Out) / line);  // of a row's panel
  Fetch fetch = tile.fetch;
  for (int t = 0; t < g.tapCount; t++) {
    const auto* w = static_cast<const typename Step::Weight*>(a.weights) + g.taps[t].slot * a.slotStride +
                    n * a.panelStride;
    const std::ptrdiff_t delta = g.taps[t].pixelDelta * pixelStride;
    const auto step = [&](int k) __attribute__((always_inline)) {
      const auto b0 = Step::weights(w), b1 = Step::weights(w + V);
      w += panel;
      const std::ptrdiff_t at = Gather ? a.offsets[k] : delta + k;
#pragma GCC unroll 16
      for (int m = 0; m < M; m++) {
        const auto x = Step::value(row[m][at]);
        acc[m][0] = Step::add(acc[m][0], x, b0);
        acc[m][1] = Step::add(acc[m][1], x, b1);
      }
    };
    int k = 0;
    // The lines that the next tile will write are near by the time it does.
    if (t == 0) {
      for (const int end = std::min(a.depth, M * lines); k < end; k++) {
        __builtin_prefetch(tile.nextOut[k / lines] + n * panel + k % lines * (panel / lines), 0, 2);
        fetch.next();
        step(k);
      }
    }
    for (; k < a.depth; k++) {
      fetch.next();
      step(k);
    }
  }

  if constexpr (Finished) return storeFinished<Out, M>(a, tile.out, acc, n);
  if (a.bias != nullptr) {
    const Vec bias0 = load(a.bias + n * panel), bias1 = load(a.bias + n * panel + V);
#pragma GCC unroll 16
    for (int m = 0; m < M; m++) {
      acc[m][0] += bias0;
      acc[m][1] += bias1;
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) {
    Out* out = tile.out[m] + n * panel;
    Vec y0 = acc[m][0], y1 = acc[m][1];
    if (a.accumulate) {
      y0 += load(out);
      y1 += load(out + V);
    }
    store(out, y0);
    store(out + V, y1);
  }
}

// Bytes of input rows that are worked through panel by panel before the next ones: they stay in L2. Weights that do not are
// read once for each block, which is larger for them.
constexpr std::ptrdiff_t rowBlockBytes = 256 * 1024, rowBlockBytesOfMany = 640 * 1024;
constexpr std::ptrdiff_t manyWeightBytes = 1536 * 1024;
// Where somebody reads what a block made right away, output rows count too, and a block may have this many times the bytes.
constexpr int madeBlock = 2;

template <class Step, class Out, bool Finished>
static void rowProductOf(const RowProduct& a, Part panels, Part tiles) {
  typedef RowBlock<Step, Out> Block;
  const int panelCount = panels.end - panels.begin, tileCount = tiles.end - tiles.begin;
  int taps = 0;
  for (int g = 0; g < a.groupCount; g++) taps = std::max(taps, a.groups[g].tapCount);
  const std::ptrdiff_t inBytes = inputRow<Step>(a.inRow) * static_cast<std::ptrdiff_t>(sizeof(typename Step::Value));
  const std::ptrdiff_t outBytes = a.outRow * static_cast<std::ptrdiff_t>(sizeof(Out));
  const std::ptrdiff_t tileBytes = tileRows * (a.made.call == nullptr ? inBytes : (inBytes + outBytes) / madeBlock);
  const std::ptrdiff_t weightBytes = static_cast<std::ptrdiff_t>(taps) * panelCount * a.depth * panel * sizeof(typename Step::Weight);
  const bool many = weightBytes >= manyWeightBytes;
  const std::ptrdiff_t fitting = std::max<std::ptrdiff_t>(1, (many ? rowBlockBytesOfMany : rowBlockBytes) / tileBytes);
  const int most = static_cast<int>(std::min<std::ptrdiff_t>(fitting, Block::mostTiles));
  const int each = ceilDiv(tileCount, std::max(1, ceilDiv(tileCount, most)));
  TileCursor<Step, Out> cursor(a, panels, tiles);
  Block blocks[2];
  Block *block = &blocks[0], *next = &blocks[1];
  int rowsMade = 0;
  cursor.take(each, *block);
  for (bool isFirst = true; block->tiles > 0; isFirst = false) {
    cursor.take(each, *next);
    const Ahead input = inputOf<Step>(a, *block, *next);
    for (int n = panels.begin; n < panels.end; n++) {
      // Few weights are in cache from the first block on; many are read again by each.
      const bool isLast = n + 1 == panels.end, fetches = isLast ? many && next->tiles > 0 : many || isFirst;
      const int nextPanel = !fetches ? -1 : isLast ? panels.begin : n + 1;
      const PanelFetch<Step> fetch = panelFetch(a, *block, input, n - panels.begin, panelCount, nextPanel);
      for (int i = 0; i < block->tiles; i++) {
        const typename Block::Tile& at = block->tile[i];
        const RowTile<Step, Out> tile{block->in + at.begin, block->out + at.begin, block->out + at.begin + at.rows,
                                      fetch.of(i, at.group->tapCount * a.depth)};
        withRows<tileRows>(at.rows, [&](auto m) {
          if (a.offsets == nullptr) {
            rowTile<Step, Out, decltype(m)::value, false, Finished>(a, *at.group, tile, n);
          } else {
            rowTile<Step, Out, decltype(m)::value, true, Finished>(a, *at.group, tile, n);
          }
        });
      }
    }
    if (a.made.call != nullptr) a.made.call(a.made.receiver, rowsMade, rowsMade + block->rows);
    rowsMade += block->rows;
    std::swap(block, next);
  }
}

template <class Step, class Out>
static void rowProduct(const RowProduct& a, int panelBegin, int panelEnd, int tileBegin, int tileEnd) {
  if (a.finish.scale != nullptr) return rowProductOf<Step, Out, true>(a, {panelBegin, panelEnd}, {tileBegin, tileEnd});
  rowProductOf<Step, Out, false>(a, {panelBegin, panelEnd}, {tileBegin, tileEnd});
}

// (V, V), lane by lane: after the stage of distance s, bits of row and column below 2s have changed places.
static inline void transposeVectors(Vec* r) {
#pragma GCC unroll 4
  for (int s = 1; s < V; s *= 2) {
    Mask low, high;
#pragma GCC unroll 16
    for (int lane = 0; lane < V; lane++) {
      low[lane] = (lane & s) != 0 ? V + lane - s : lane;
      high[lane] = (lane & s) != 0 ? V + lane : lane + s;
    }
#pragma GCC unroll 16
    for (int i = 0; i < V; i++) {
      if ((i & s) != 0) continue;
      const Vec a = r[i], b = r[i + s];
      r[i] = __builtin_shuffle(a, b, low);
      r[i + s] = __builtin_shuffle(a, b, high);
    }
  }
}

static void transposeBlock(const float* from, float* to, int ins, int outs) {
  if (ins < panel || outs < panel) {
    for (int o = 0; o < outs; o++) {
      for (int i = 0; i < panel; i++) to[o * panel + i] = i < ins ? from[i * panel + o] : 0.0f;
    }
    return;
  }
  for (int o = 0; o < panel; o += V) {
    for (int i = 0; i < panel; i += V) {
      Vec r[V];
#pragma GCC unroll 16
      for (int k = 0; k < V; k++) r[k] = load(from + (i + k) * panel + o);
      transposeVectors(r);
#pragma GCC unroll 16
      for (int k = 0; k < V; k++) store(to + (o + k) * panel + i, r[k]);
    }
  }
}

}  // namespace trainql::TRAINQL_ISA
