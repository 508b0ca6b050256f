// The matrix products of a network: rows x taps x channels, forward, data gradient and weight gradient.
//
// Each output value is one chain of multiply-adds in a fixed order (taps, then depth; for weight gradients
// blocks, then pixels, then images), whatever tile or thread computes it: tiling never changes a result. A step of a
// chain takes one fp32 value, or two bfloat16 values at once.
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

// A step of a product's depth: one fp32 value of a row against a vector of channels.
struct Single {
  typedef float Value;   // of inputs
  typedef float Weight;
  static Vec weights(const float* p) { return load(p); }
  static Vec add(Vec sum, Vec x, Vec w) { return sum + x * w; }
  static Vec value(float x) { return broadcast(x); }
};

#ifdef TRAINQL_BF16
// Two bfloat16 values of a row against pairs of a vector of channels, summed in fp32.
struct Pair {
  typedef std::uint32_t Value;
  typedef std::uint32_t Weight;
  static __m512i weights(const std::uint32_t* p) { return _mm512_loadu_si512(p); }
  static __m512i value(std::uint32_t x) { return _mm512_set1_epi32(static_cast<int>(x)); }
  static Vec add(Vec sum, __m512i x, __m512i w) {
    return reinterpret_cast<Vec>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(sum), reinterpret_cast<__m512bh>(x),
                                                  reinterpret_cast<__m512bh>(w)));
  }
};
typedef Pair ElementStep;
#else
typedef Single ElementStep;
#endif

// A row's stride in what a step reads of it.
template <class Step>
static inline std::ptrdiff_t inputRow(std::ptrdiff_t row) {
  return std::is_same_v<Step, Single> ? row : row / 2;
}

// What a weight gradient multiplies: a vector of channels of one row, or of two rows side by side.
static inline Vec rowValues(const float* p) { return load(p); }
#ifdef TRAINQL_BF16
static inline Vec rowValues(const Element* p) { return load(p); }
static inline __m512i rowValues(const std::uint32_t* p) { return Pair::weights(p); }
typedef std::uint32_t ElementRows;
#else
typedef float ElementRows;
#endif

// Walks over what is to be fetched in as many strides as there are steps of a computation.
struct Fetch {
  const char* at;
  std::ptrdiff_t stride;
  inline void next() {
    __builtin_prefetch(at, 0, 2);  // may run past the end by less than a stride: it never faults
    at += stride;
  }
};

// What one of `parts` equal parts of a computation fetches, in `steps` steps: of what lies in rows, one line of each. With
// nothing to fetch it stays at `near`, which is in cache: fetching from address 0 walks the page table each time.
static inline Fetch fetchOf(const Ahead& first, const Ahead& second, const void* near, int part, int parts, int steps) {
  if (first.bytes + second.bytes == 0) return {static_cast<const char*>(near), 0};
  if (first.row + second.row == 0) {
    const std::ptrdiff_t each = (first.bytes + second.bytes) / parts, from = each * part;
    const char* const at = from < first.bytes ? static_cast<const char*>(first.at) + from
                                              : static_cast<const char*>(second.at) + (from - first.bytes);
    return {at, each / std::max(1, steps)};
  }
  constexpr int line = 64;
  const int firstLines = ceilDiv(static_cast<int>(first.bytes), line), lines = firstLines + ceilDiv(static_cast<int>(second.bytes), line);
  const int at = part % lines;
  return at < firstLines ? Fetch{static_cast<const char*>(first.at) + at * line, first.row}
                         : Fetch{static_cast<const char*>(second.at) + (at - firstLines) * line, second.row};
}

template <class Step, class Out>
struct RowTile {
  const typename Step::Value* in[tileRows];
  Out* out[tileRows];
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
static inline void rowTile(const RowProduct& a, const RowGroup& g, const RowTile<Step, Out>& tile, int n, Fetch fetch) {
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

  constexpr int lines = std::max<int>(1, panel * sizeof(Out) / 64);  // of a row's panel
  const std::ptrdiff_t pixelStride = a.batch * inputRow<Step>(a.inRow);
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
    // The lines that the tile will write are owned by the time it does, one asked for with each step.
    if (t == 0) {
      for (const int end = std::min(a.depth, M * lines); k < end; k++) {
        __builtin_prefetch(tile.out[k / lines] + n * panel + k % lines * (panel / lines), 1, 3);
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

static int groupTiles(const RowGroup& g, int batch) { return ceilDiv(g.pixels * batch, tileRows); }

static int rowTiles(const RowProduct& a) {
  int tiles = 0;
  for (int g = 0; g < a.groupCount; g++) tiles += groupTiles(a.groups[g], a.batch);
  return tiles;
}

// Bytes of input rows that are worked through panel by panel before the next ones: they stay in L2. Weights that do not are
// read once for each block, which is larger for them.
constexpr std::ptrdiff_t rowBlockBytes = 256 * 1024, rowBlockBytesOfMany = 640 * 1024;
constexpr std::ptrdiff_t manyWeightBytes = 1536 * 1024;

template <class Step, class Out, bool Finished>
static void tileProduct(const RowProduct& a, const RowGroup& g, int index, int tiles, int n, Fetch fetch) {
  const auto* const input = static_cast<const typename Step::Value*>(a.input);
  Out* const output = static_cast<Out*>(a.output);
  const std::ptrdiff_t inRow = inputRow<Step>(a.inRow);
  const int rows = g.pixels * a.batch;
  const int begin = partBegin(rows, tiles, index), count = partBegin(rows, tiles, index + 1) - begin;
  RowTile<Step, Out> tile;
  int pixel = begin / a.batch, image = begin % a.batch;
  for (int m = 0; m < count; m++) {
    tile.in[m] = input + (static_cast<std::ptrdiff_t>(g.basePixel[pixel]) * a.batch + image) * inRow;
    tile.out[m] = output + (static_cast<std::ptrdiff_t>(g.outPixel[pixel]) * a.batch + image) * a.outRow;
    if (++image == a.batch) {
      image = 0;
      pixel++;
    }
  }
  withRows<tileRows>(count, [&](auto m) {
    if (a.offsets == nullptr) {
      rowTile<Step, Out, decltype(m)::value, false, Finished>(a, g, tile, n, fetch);
    } else {
      rowTile<Step, Out, decltype(m)::value, true, Finished>(a, g, tile, n, fetch);
    }
  });
}

// The input of a group's tiles begin … end, where it lies in one piece.
template <class Step>
static Ahead inputOf(const RowProduct& a, const RowGroup& g, int tiles, int begin, int end) {
  const int rows = g.pixels * a.batch, first = partBegin(rows, tiles, begin), count = partBegin(rows, tiles, end) - first;
  if (count == 0 || a.offsets != nullptr) return {};
  const int pixel = first / a.batch, last = (first + count - 1) / a.batch;
  if (g.basePixel[last] - g.basePixel[pixel] != last - pixel) return {};
  const std::ptrdiff_t rowBytes = inputRow<Step>(a.inRow) * static_cast<std::ptrdiff_t>(sizeof(typename Step::Value));
  const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(g.basePixel[pixel]) * a.batch + first % a.batch;
  return {static_cast<const char*>(a.input) + at * rowBytes, count * rowBytes};
}

template <class Step, class Out, bool Finished>
static void rowProductOf(const RowProduct& a, int panelBegin, int panelEnd, int tileBegin, int tileEnd) {
  const std::ptrdiff_t tileBytes = tileRows * inputRow<Step>(a.inRow) * static_cast<std::ptrdiff_t>(sizeof(typename Step::Value));
  const std::ptrdiff_t tapWeights = (panelEnd - panelBegin) * static_cast<std::ptrdiff_t>(a.depth) * panel;
  int first = 0;
  for (int gi = 0; gi < a.groupCount; gi++) {
    const RowGroup& g = a.groups[gi];
    const int tiles = groupTiles(g, a.batch);
    const int from = std::max(tileBegin - first, 0), to = std::min(tileEnd - first, tiles);
    const bool many = g.tapCount * tapWeights * static_cast<std::ptrdiff_t>(sizeof(typename Step::Weight)) >= manyWeightBytes;
    const int most = static_cast<int>(std::max<std::ptrdiff_t>(1, (many ? rowBlockBytesOfMany : rowBlockBytes) / tileBytes));
    const int blocks = std::max(1, ceilDiv(to - from, most)), block = ceilDiv(std::max(1, to - from), blocks);
    for (int begin = from; begin < to; begin += block) {
      const int end = std::min(to, begin + block);
      // Each tile of a block fetches its part of the next one, which else the first panel would wait for.
      const Ahead next = inputOf<Step>(a, g, tiles, end, std::min(to, end + block));
      const int parts = (panelEnd - panelBegin) * (end - begin);
      for (int n = panelBegin; n < panelEnd; n++) {
        for (int i = begin; i < end; i++) {
          const int part = (n - panelBegin) * (end - begin) + i - begin;
          tileProduct<Step, Out, Finished>(a, g, i, tiles, n, fetchOf(next, {}, a.weights, part, parts, g.tapCount * a.depth));
        }
      }
    }
    first += tiles;
  }
}

template <class Step, class Out>
static void rowProduct(const RowProduct& a, int panelBegin, int panelEnd, int tileBegin, int tileEnd) {
  if constexpr (std::is_same_v<Out, Element>) {
    if (a.finish.scale != nullptr) return rowProductOf<Step, Out, true>(a, panelBegin, panelEnd, tileBegin, tileEnd);
  }
  rowProductOf<Step, Out, false>(a, panelBegin, panelEnd, tileBegin, tileEnd);
}

// Rows whose output gradients stay near while the depth is worked through.
constexpr int spanRows = 256;

static int gradientSpans(int pixels, int batch) { return std::max(1, std::min(pixels, pixels * batch / spanRows)); }

struct PixelSpan {
  int begin, end;
  bool add;
};

template <class Step, class Dy, int M, bool Gather>
static inline void gradientTile(const WeightGradient& a, const TapPixels& tap, PixelSpan span, int depthBegin, int n,
                                Fetch fetch, float* out) {
  Vec acc[M][2];
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) acc[m][0] = acc[m][1] = Vec{};
  std::ptrdiff_t at[M];
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) at[m] = Gather ? a.offsets[depthBegin + m] : depthBegin + m;

  for (int p = span.begin; p < span.end; p++) {
    const auto* x = static_cast<const typename Step::Value*>(a.input) +
                    static_cast<std::ptrdiff_t>(tap.inPixel[p]) * a.batch * a.inRow;
    const Dy* dy = static_cast<const Dy*>(a.outputGradient) +
                   static_cast<std::ptrdiff_t>(tap.outPixel[p]) * a.batch * a.outRow + n * panel;
    if (!Gather) x += depthBegin;
    for (int image = 0; image < a.batch; image++) {
      fetch.next();
      const auto b0 = rowValues(dy), b1 = rowValues(dy + V);
#pragma GCC unroll 16
      for (int m = 0; m < M; m++) {
        const auto v = Step::value(Gather ? x[at[m]] : x[m]);
        acc[m][0] = Step::add(acc[m][0], v, b0);
        acc[m][1] = Step::add(acc[m][1], v, b1);
      }
      x += a.inRow;
      dy += a.outRow;
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) {
    float* row = out + m * panel;
    if (span.add) {
      store(row, load(row) + acc[m][0]);
      store(row + V, load(row + V) + acc[m][1]);
    } else {
      store(row, acc[m][0]);
      store(row + V, acc[m][1]);
    }
  }
}

static int gradientTiles(int depth) { return ceilDiv(depth, tileRows); }
static int gradientTileBegin(int depth, int tile) { return partBegin(depth, gradientTiles(depth), tile); }

template <class Step, class Dy>
static void weightGradient(const WeightGradient& a, int panelBegin, int panelEnd, int tileBegin, int tileEnd) {
  const int tiles = gradientTiles(a.depth), parts = (panelEnd - panelBegin) * a.tapCount;
  for (int n = panelBegin; n < panelEnd; n++) {
    for (int t = 0; t < a.tapCount; t++) {
      const TapPixels& tap = a.taps[t];
      float* const panelGradient = a.gradient + tap.slot * a.slotStride + n * a.panelStride;
      const int from = tap.blockBegin[a.block], to = tap.blockBegin[a.block + 1];
      const int spans = gradientSpans(to - from, a.batch);
      for (int s = 0; s < spans; s++) {
        const PixelSpan span{from + partBegin(to - from, spans, s), from + partBegin(to - from, spans, s + 1),
                             a.add || s > 0};
        for (int i = tileBegin; i < tileEnd; i++) {
          const int part = (((n - panelBegin) * a.tapCount + t) * spans + s) * (tileEnd - tileBegin) + i - tileBegin;
          const Fetch fetch = fetchOf(a.nextOutputGradient, a.nextInput, a.outputGradient, part,
                                      parts * spans * (tileEnd - tileBegin), (span.end - span.begin) * a.batch);
          const int begin = partBegin(a.depth, tiles, i), count = partBegin(a.depth, tiles, i + 1) - begin;
          float* out = panelGradient + static_cast<std::ptrdiff_t>(begin) * panel;
          withRows<tileRows>(count, [&](auto m) {
            if (a.offsets == nullptr) {
              gradientTile<Step, Dy, decltype(m)::value, false>(a, tap, span, begin, n, fetch, out);
            } else {
              gradientTile<Step, Dy, decltype(m)::value, true>(a, tap, span, begin, n, fetch, out);
            }
          });
        }
      }
    }
  }
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
