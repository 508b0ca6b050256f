// The matrix products of a network: rows x taps x channels, forward, data gradient and weight gradient.
//
// Each output value is one chain of multiply-adds in a fixed order (taps, then depth; for weight gradients
// blocks, then pixels, then images), whatever tile or thread computes it: tiling never changes a result.
#pragma once

#include <algorithm>

namespace trainql::TRAINQL_ISA {

constexpr int tileRows = TRAINQL_TILE_ROWS;

static inline int ceilDiv(int a, int b) { return (a + b - 1) / b; }

// Part `index` of `parts` nearly equal parts of `count`.
static inline int partBegin(int count, int parts, int index) {
  return static_cast<int>(static_cast<std::int64_t>(count) * index / parts);
}

// Calls f with `rows` (1 … Max) as a compile-time constant.
template <int Max, class F>
static inline void withRows(int rows, F&& f) {
  if constexpr (Max > 1) {
    if (rows < Max) return withRows<Max - 1>(rows, f);
  }
  f(std::integral_constant<int, Max>{});
}

struct RowTile {
  const float* in[tileRows];
  float* out[tileRows];
};

template <int M, bool Gather>
static inline void rowTile(const RowProduct& a, const RowGroup& g, const RowTile& tile, int n) {
  Vec acc[M][2];
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) acc[m][0] = acc[m][1] = Vec{};
  const float* row[M];
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) row[m] = tile.in[m];

  const std::ptrdiff_t pixelStride = a.batch * a.inRow;
  for (int t = 0; t < g.tapCount; t++) {
    const float* w = a.weights + g.taps[t].slot * a.slotStride + n * a.panelStride;
    const std::ptrdiff_t delta = g.taps[t].pixelDelta * pixelStride;
    for (int k = 0; k < a.depth; k++) {
      const Vec b0 = load(w), b1 = load(w + V);
      w += panel;
      const std::ptrdiff_t at = Gather ? a.offsets[k] : delta + k;
#pragma GCC unroll 16
      for (int m = 0; m < M; m++) {
        const Vec x = broadcast(row[m][at]);
        acc[m][0] += x * b0;
        acc[m][1] += x * b1;
      }
    }
  }

  Vec bias0{}, bias1{};
  if (a.bias != nullptr) {
    bias0 = load(a.bias + n * panel);
    bias1 = load(a.bias + n * panel + V);
  }
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) {
    float* out = tile.out[m] + n * panel;
    Vec y0 = acc[m][0] + bias0, y1 = acc[m][1] + bias1;
    if (a.accumulate) {
      y0 += load(out);
      y1 += load(out + V);
    }
    store(out, y0);
    store(out + V, y1);
  }
}

static int groupTiles(const RowGroup& g, int batch) { return ceilDiv(g.pixels * batch, tileRows); }

static int rowTiles(const RowProduct& a) {
  int tiles = 0;
  for (int g = 0; g < a.groupCount; g++) tiles += groupTiles(a.groups[g], a.batch);
  return tiles;
}

static void rowProduct(const RowProduct& a, int panelBegin, int panelEnd, int tileBegin, int tileEnd) {
  for (int n = panelBegin; n < panelEnd; n++) {
    int first = 0;
    for (int gi = 0; gi < a.groupCount; gi++) {
      const RowGroup& g = a.groups[gi];
      const int tiles = groupTiles(g, a.batch), rows = g.pixels * a.batch;
      const int from = std::max(tileBegin - first, 0), to = std::min(tileEnd - first, tiles);
      for (int i = from; i < to; i++) {
        const int begin = partBegin(rows, tiles, i), count = partBegin(rows, tiles, i + 1) - begin;
        RowTile tile;
        int pixel = begin / a.batch, image = begin % a.batch;
        for (int m = 0; m < count; m++) {
          tile.in[m] = a.input + (static_cast<std::ptrdiff_t>(g.basePixel[pixel]) * a.batch + image) * a.inRow;
          tile.out[m] = a.output + (static_cast<std::ptrdiff_t>(g.outPixel[pixel]) * a.batch + image) * a.outRow;
          if (++image == a.batch) {
            image = 0;
            pixel++;
          }
        }
        withRows<tileRows>(count, [&](auto m) {
          if (a.offsets == nullptr) {
            rowTile<decltype(m)::value, false>(a, g, tile, n);
          } else {
            rowTile<decltype(m)::value, true>(a, g, tile, n);
          }
        });
      }
      first += tiles;
    }
  }
}

template <int M, bool Gather>
static inline void gradientTile(const WeightGradient& a, const TapPixels& tap, int from, int to, int depthBegin, int n,
                                float* out, bool overwrite) {
  Vec acc[M][2];
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) acc[m][0] = acc[m][1] = Vec{};
  std::ptrdiff_t at[M];
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) at[m] = Gather ? a.offsets[depthBegin + m] : depthBegin + m;

  for (int p = from; p < to; p++) {
    const float* x = a.input + static_cast<std::ptrdiff_t>(tap.inPixel[p]) * a.batch * a.inRow;
    const float* dy = a.outputGradient + static_cast<std::ptrdiff_t>(tap.outPixel[p]) * a.batch * a.outRow + n * panel;
    if (!Gather) x += depthBegin;
    for (int image = 0; image < a.batch; image++) {
      const Vec b0 = load(dy), b1 = load(dy + V);
#pragma GCC unroll 16
      for (int m = 0; m < M; m++) {
        const Vec v = broadcast(Gather ? x[at[m]] : x[m]);
        acc[m][0] += v * b0;
        acc[m][1] += v * b1;
      }
      x += a.inRow;
      dy += a.outRow;
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) {
    float* row = out + m * panel;
    if (overwrite) {
      store(row, acc[m][0]);
      store(row + V, acc[m][1]);
    } else {
      store(row, load(row) + acc[m][0]);
      store(row + V, load(row + V) + acc[m][1]);
    }
  }
}

static int gradientTiles(int depth) { return ceilDiv(depth, tileRows); }

static void weightGradient(const WeightGradient& a, int panelBegin, int panelEnd, int tileBegin, int tileEnd) {
  const int tiles = gradientTiles(a.depth);
  // With one block the sum is finished in registers and may be added at once; else it is finished apart first.
  float* sum = a.add && a.blocks > 1 ? a.scratch : a.gradient;
  const auto place = [&](float* base, int t, int n, int begin) {
    return base + a.taps[t].slot * a.slotStride + n * a.panelStride + static_cast<std::ptrdiff_t>(begin) * panel;
  };
  for (int block = 0; block < a.blocks; block++) {
    const bool overwrite = block == 0 && !(a.add && a.blocks == 1);
    for (int n = panelBegin; n < panelEnd; n++) {
      for (int t = 0; t < a.tapCount; t++) {
        const TapPixels& tap = a.taps[t];
        const int from = tap.blockBegin[block], to = tap.blockBegin[block + 1];
        for (int i = tileBegin; i < tileEnd; i++) {
          const int begin = partBegin(a.depth, tiles, i), count = partBegin(a.depth, tiles, i + 1) - begin;
          float* out = place(sum, t, n, begin);
          withRows<tileRows>(count, [&](auto m) {
            if (a.offsets == nullptr) {
              gradientTile<decltype(m)::value, false>(a, tap, from, to, begin, n, out, overwrite);
            } else {
              gradientTile<decltype(m)::value, true>(a, tap, from, to, begin, n, out, overwrite);
            }
          });
        }
      }
    }
  }
  if (sum == a.gradient) return;
  const int begin = partBegin(a.depth, tiles, tileBegin), end = partBegin(a.depth, tiles, tileEnd);
  for (int n = panelBegin; n < panelEnd; n++) {
    for (int t = 0; t < a.tapCount; t++) {
      const float* from = place(a.scratch, t, n, begin);
      float* to = place(a.gradient, t, n, begin);
      for (std::ptrdiff_t i = 0; i < static_cast<std::ptrdiff_t>(end - begin) * panel; i += V) {
        store(to + i, load(to + i) + load(from + i));
      }
    }
  }
}

// (V, V) block, lane by lane: after the stage of distance s, bits of row and column below 2s have changed places.
static inline void transposeBlock(const float* from, float* to) {
  Vec r[V];
#pragma GCC unroll 16
  for (int i = 0; i < V; i++) r[i] = load(from + i * panel);
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
#pragma GCC unroll 16
  for (int i = 0; i < V; i++) store(to + i * panel, r[i]);
}

static void transposeWeights(const float* from, float* to, int inChannels, int outChannels) {
  const int inPanels = ceilDiv(inChannels, panel), outPanels = ceilDiv(outChannels, panel);
  for (int op = 0; op < outPanels; op++) {
    const float* source = from + static_cast<std::ptrdiff_t>(op) * inChannels * panel;
    const int outs = std::min(panel, outChannels - op * panel);
    for (int ip = 0; ip < inPanels; ip++) {
      float* target = to + (static_cast<std::ptrdiff_t>(ip) * outChannels + op * panel) * panel;
      const int ins = std::min(panel, inChannels - ip * panel);
      const float* block = source + static_cast<std::ptrdiff_t>(ip) * panel * panel;
      if (ins == panel && outs == panel) {
        for (int o = 0; o < panel; o += V) {
          for (int i = 0; i < panel; i += V) transposeBlock(block + i * panel + o, target + o * panel + i);
        }
        continue;
      }
      for (int o = 0; o < outs; o++) {
        for (int i = 0; i < panel; i++) target[o * panel + i] = i < ins ? block[i * panel + o] : 0.0f;
      }
    }
  }
}

}  // namespace trainql::TRAINQL_ISA
