// Products of bfloat16 on AMX: C (16, 16) of fp32 += A (16, 32) x B (32, 16), all three in tile registers.
//
// Each output is computed in blocks of 2 x 2 registers, so that every register loaded is multiplied twice. A sum is one
// chain along the depth (taps, then channels; for weight gradients lines, then pixels, then images), whatever block or
// thread it is in. The instruction rounds to nearest, ties to even, and takes subnormal numbers as zero.
#pragma once

#include <cstring>

namespace trainql::TRAINQL_ISA {

#ifdef TRAINQL_AMX

// Rows of A and C, and pairs along the depth, that a register holds.
constexpr int registerRows = 16, registerPairs = 16;
constexpr int blockRows = 2 * registerRows;
static_assert(depthStep == registerPairs, "weight copies are filled up to whole registers");
static_assert(panel == 2 * registerRows, "a panel is two registers wide");

// The tile registers of this thread: C in 0 … 3, A in 4 and 5, B in 6 and 7. Given back at the end: a thread that holds
// some pays for them at every switch.
class TileRegisters {
 public:
  TileRegisters() = default;
  ~TileRegisters() { _tile_release(); }
  TileRegisters(const TileRegisters&) = delete;
  TileRegisters& operator=(const TileRegisters&) = delete;

  // Rows of the upper and lower registers of A and C.
  void shape(int upper, int lower) {
    if (upper == upper_ && lower == lower_) return;
    upper_ = upper;
    lower_ = lower;
    struct alignas(64) {
      std::uint8_t palette = 1, startRow = 0, reserved[14] = {};
      std::uint16_t rowBytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      std::uint8_t rows[16];
    } config;
    const int rows[] = {upper, upper, lower, lower, upper, lower, registerPairs, registerPairs};
    std::memset(config.rows, 0, sizeof config.rows);
    for (int i = 0; i < 8; i++) config.rows[i] = static_cast<std::uint8_t>(rows[i]);
    settle();
    _tile_loadconfig(&config);
  }

  // The intrinsics that read memory do not say so to the compiler.
  static void settle() { asm volatile("" ::: "memory"); }

 private:
  int upper_ = 0, lower_ = 0;
};

// C as it is stored: (blockRows, panel).
typedef float BlockSums[blockRows * panel];

template <bool Lower>
static inline void zeroSums() {
  _tile_zero(0);
  _tile_zero(1);
  if (!Lower) return;
  _tile_zero(2);
  _tile_zero(3);
}

template <bool Lower>
static inline void storeSums(float* sums) {
  constexpr int rowBytes = panel * sizeof(float);
  _tile_stored(0, sums, rowBytes);
  _tile_stored(1, sums + registerRows, rowBytes);
  if (!Lower) return;
  _tile_stored(2, sums + registerRows * panel, rowBytes);
  _tile_stored(3, sums + registerRows * panel + registerRows, rowBytes);
}

// 16 rows of A.
struct Rows {
  const Element* at;
  std::ptrdiff_t rowBytes;
};

// One step of the depth, `k` values from where the rows begin; `b` is (pairs, channels) of one panel.
template <bool Lower>
static inline void multiply(const Rows& upper, const Rows& lower, std::ptrdiff_t k, const std::uint32_t* b,
                            std::ptrdiff_t pairBytes) {
  _tile_loadd(4, upper.at + k, upper.rowBytes);
  _tile_loadd(6, b, pairBytes);
  _tile_loadd(7, b + registerRows, pairBytes);
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(1, 4, 7);
  if (!Lower) return;
  _tile_loadd(5, lower.at + k, lower.rowBytes);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

static inline void storeRow(Element* p, Vec low, Vec high) {
  _mm512_storeu_si512(p, reinterpret_cast<__m512i>(
                             _mm512_cvtne2ps_pbh(reinterpret_cast<__m512>(high), reinterpret_cast<__m512>(low))));
}

static int groupBlocks(const RowGroup& g) { return ceilDiv(g.pieceCount, 2); }

static int rowBlocks(const RowProduct& a) {
  int blocks = 0;
  for (int g = 0; g < a.groupCount; g++) blocks += groupBlocks(a.groups[g]);
  return blocks;
}

static inline Rows pieceInput(const RowProduct& a, const RowGroup& g, const RowPiece& piece) {
  const std::ptrdiff_t apart = piece.step == 0 ? a.inImage : piece.step * a.inPixel;
  return {elements(a.input) + g.basePixel[piece.pixel] * a.inPixel + piece.image * a.inImage,
          apart * static_cast<std::ptrdiff_t>(sizeof(Element))};
}

template <bool Lower>
static inline void sumPieces(const RowProduct& a, const RowGroup& g, const RowPiece* pieces, int n, float* sums) {
  const Rows upper = pieceInput(a, g, pieces[0]), lower = Lower ? pieceInput(a, g, pieces[1]) : upper;
  zeroSums<Lower>();
  for (int t = 0; t < g.tapCount; t++) {
    const auto* w = static_cast<const std::uint32_t*>(a.weights) + g.taps[t].slot * a.slotStride + n * a.panelStride;
    const std::ptrdiff_t delta = g.taps[t].pixelDelta * a.inPixel;
    for (int k = 0; k < a.depth; k += depthStep, w += depthStep * panel) {
      multiply<Lower>(upper, lower, delta + 2 * k, w, panel * sizeof(*w));
    }
  }
  storeSums<Lower>(sums);
}

// Stores the rows of one piece; `value(low, high, out)` makes of two vectors of sums what is stored at `out`.
template <class F>
static inline void storePiece(const RowProduct& a, const RowGroup& g, const RowPiece& piece, int n, const float* sums,
                              F&& value) {
  int pixel = piece.pixel, image = piece.image;
  for (int r = 0; r < piece.rows; r++, sums += panel) {
    Element* const out = elements(a.output) +
                         (static_cast<std::ptrdiff_t>(g.outPixel[pixel]) * a.batch + image) * a.outRow + n * panel;
    Vec low = load(sums), high = load(sums + V);
    value(low, high, out);
    storeRow(out, low, high);
    if (piece.step > 0) {
      pixel++;
    } else if (++image == a.batch) {
      image = 0;
      pixel++;
    }
  }
}

template <bool Finished>
static inline void storeBlock(const RowProduct& a, const RowGroup& g, const RowPiece* pieces, int count, int n,
                              const float* sums) {
  const int c = n * panel;
  Vec bias[2] = {}, scale[2] = {}, shift[2] = {};
  for (int h = 0; h < 2; h++) {
    if (a.bias != nullptr) bias[h] = load(a.bias + c + h * V);
    if (!Finished) continue;
    scale[h] = load(a.finish.scale + c + h * V);
    shift[h] = load(a.finish.shift + c + h * V);
  }
  const std::ptrdiff_t toSkip = Finished && a.finish.skip != nullptr ? elements(a.finish.skip) - elements(a.output) : 0;
  for (int i = 0; i < count; i++) {
    storePiece(a, g, pieces[i], n, sums + i * registerRows * panel, [&](Vec& low, Vec& high, const Element* out) {
      low += bias[0];
      high += bias[1];
      if constexpr (Finished) {
        low = low * scale[0] + shift[0];
        high = high * scale[1] + shift[1];
        if (a.finish.skip != nullptr) {
          low += load(out + toSkip);
          high += load(out + toSkip + V);
        }
        if (a.finish.relu) {
          low = relu(low);
          high = relu(high);
        }
      } else if (a.accumulate) {
        low += load(out);
        high += load(out + V);
      }
    });
  }
}

// Calls f(group, block of it) for each of the blocks begin … end of all groups.
template <class F>
static inline void eachBlock(const RowProduct& a, int begin, int end, F&& f) {
  for (int gi = 0, first = 0; gi < a.groupCount && first < end; gi++) {
    const int blocks = groupBlocks(a.groups[gi]);
    for (int i = std::max(begin - first, 0); i < std::min(end - first, blocks); i++) f(a.groups[gi], i);
    first += blocks;
  }
}

// Bytes of input rows that are worked through panel by panel before the next ones. They stay in L2, which is 2 MiB wherever
// there are tile registers; the weights of a panel beside them.
constexpr std::ptrdiff_t nearBytes = 768 * 1024;

template <bool Finished>
static void blockProductOf(const RowProduct& a, int panelBegin, int panelEnd, int blockBegin, int blockEnd) {
  const std::ptrdiff_t blockBytes = blockRows * a.inRow * static_cast<std::ptrdiff_t>(sizeof(Element));
  const int near = static_cast<int>(std::max<std::ptrdiff_t>(1, nearBytes / blockBytes));
  TileRegisters registers;
  alignas(64) BlockSums sums;
  for (int begin = blockBegin; begin < blockEnd; begin += near) {
    for (int n = panelBegin; n < panelEnd; n++) {
      eachBlock(a, begin, std::min(blockEnd, begin + near), [&](const RowGroup& g, int i) {
        const RowPiece* const pieces = g.pieces + 2 * i;
        if (2 * i + 1 < g.pieceCount) {
          registers.shape(pieces[0].rows, pieces[1].rows);
          sumPieces<true>(a, g, pieces, n, sums);
          storeBlock<Finished>(a, g, pieces, 2, n, sums);
        } else {
          registers.shape(pieces[0].rows, pieces[0].rows);
          sumPieces<false>(a, g, pieces, n, sums);
          storeBlock<Finished>(a, g, pieces, 1, n, sums);
        }
      });
    }
  }
}

static void blockProduct(const RowProduct& a, int panelBegin, int panelEnd, int blockBegin, int blockEnd) {
  if (a.finish.scale != nullptr) return blockProductOf<true>(a, panelBegin, panelEnd, blockBegin, blockEnd);
  blockProductOf<false>(a, panelBegin, panelEnd, blockBegin, blockEnd);
}

static int linedParts(const LinedGradient& a) { return a.panels * a.tapCount * ceilDiv(a.depth, blockRows); }

template <bool Lower>
static inline void sumLines(const LinedGradient& a, const TapLines& tap, int n, int depthBegin, float* sums) {
  const int begin = std::max(a.lineBegin, tap.lineBegin), end = std::min(a.lineEnd, tap.lineEnd);
  const std::ptrdiff_t channelBytes = a.inChannel * static_cast<std::ptrdiff_t>(sizeof(*a.input));
  zeroSums<Lower>();
  for (int y = begin; y < end; y++) {
    const std::uint32_t* const x =
        a.input + (y * a.stride + tap.inLine - a.firstInLine) * a.inLine + depthBegin * a.inChannel + tap.inPair;
    const Rows upper{elements(x), channelBytes}, lower{elements(x + registerRows * a.inChannel), channelBytes};
    const std::uint32_t* dy = a.outputGradient + (y - a.lineBegin) * a.outLine + tap.outPair * a.outPair + n * panel;
    for (int s = 0; s < tap.steps; s++, dy += registerPairs * a.outPair) {
      multiply<Lower>(upper, lower, 2 * s * registerPairs, dy, a.outPair * sizeof(*dy));
    }
  }
  storeSums<Lower>(sums);
}

static void linedGradient(const LinedGradient& a, int partBegin, int partEnd) {
  const int depthBlocks = ceilDiv(a.depth, blockRows);
  TileRegisters registers;
  registers.shape(registerRows, registerRows);
  alignas(64) BlockSums sums;
  for (int part = partBegin; part < partEnd; part++) {
    const int depthBegin = part % depthBlocks * blockRows, count = std::min(blockRows, a.depth - depthBegin);
    const TapLines& tap = a.taps[part / depthBlocks % a.tapCount];
    const int n = part / depthBlocks / a.tapCount;
    float* const out = a.gradient + tap.slot * a.slotStride + n * a.panelStride + static_cast<std::ptrdiff_t>(depthBegin) * panel;
    // Other cores may still hold these lines, which they read to update weights: they come while the sums are made.
    for (int i = 0; i < count * panel; i += 16) __builtin_prefetch(out + i, 1);
    if (count > registerRows) {
      sumLines<true>(a, tap, n, depthBegin, sums);
    } else {
      sumLines<false>(a, tap, n, depthBegin, sums);
    }
    for (int i = 0; i < count * panel; i += V) store(out + i, a.add ? load(out + i) + load(sums + i) : load(sums + i));
  }
}

static inline __m512i rowOrZeros(const Element* line, std::int32_t row, int c) {
  return row < 0 ? _mm512_setzero_si512() : _mm512_loadu_si512(line + row + c);
}

// Of 32 channels of two rows, lane by lane of 128 bits: pairs of channels 0 … 3, 8 … 11, … and of 4 … 7, 12 … 15, ….
struct Interleaved {
  __m512i low, high;
};
static inline Interleaved interleaved(const Element* line, RowPair pair, int c) {
  const __m512i first = rowOrZeros(line, pair.first, c), second = rowOrZeros(line, pair.second, c);
  return {_mm512_unpacklo_epi16(first, second), _mm512_unpackhi_epi16(first, second)};
}

static inline const Element* packedLine(const PackedLines& a, int line) {
  return elements(a.map) + line * a.line;
}

// [pair][channel]
static void packDeep(const PackedLines& a, int lineBegin, int lineEnd) {
  const __m512i front = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), back = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  for (int y = lineBegin; y < lineEnd; y++) {
    const Element* const line = packedLine(a, y);
    std::uint32_t* to = a.packed + (y - a.firstLine) * a.lineStride;
    for (int p = 0; p < a.pairCount; p++, to += a.rowStride) {
      for (int c = 0; c < a.channels; c += panel) {
        const Interleaved v = interleaved(line, a.pairs[p], c);
        _mm512_storeu_si512(to + c, _mm512_permutex2var_epi64(v.low, front, v.high));
        _mm512_storeu_si512(to + c + V, _mm512_permutex2var_epi64(v.low, back, v.high));
      }
    }
  }
}

// [channel][pair]
static void packAcross(const PackedLines& a, int lineBegin, int lineEnd) {
  for (int y = lineBegin; y < lineEnd; y++) {
    const Element* const line = packedLine(a, y);
    std::uint32_t* const to = a.packed + (y - a.firstLine) * a.lineStride;
    for (int p = 0; p < a.pairCount; p += registerPairs) {
      for (int c = 0; c < a.channels; c += panel) {
        Vec low[V], high[V];
#pragma GCC unroll 16
        for (int i = 0; i < V; i++) {
          const Interleaved v = interleaved(line, a.pairs[p + i], c);
          low[i] = reinterpret_cast<Vec>(v.low);
          high[i] = reinterpret_cast<Vec>(v.high);
        }
        transposeVectors(low);
        transposeVectors(high);
        for (int i = 0; i < V; i++) {
          float* const out = reinterpret_cast<float*>(to + (c + i / 4 * 8 + i % 4) * a.rowStride + p);
          store(out, low[i]);
          store(out + 4 * a.rowStride, high[i]);
        }
      }
    }
  }
}

constexpr auto elementTiles = rowBlocks;
constexpr auto elementProduct = blockProduct;
constexpr decltype(Kernels::weightGradient) elementGradient = nullptr;
constexpr auto linedPartsOrNull = linedParts;
constexpr auto linedGradientOrNull = linedGradient;
constexpr auto packDeepOrNull = packDeep;
constexpr auto packAcrossOrNull = packAcross;

#else

constexpr auto elementTiles = rowTiles;
constexpr auto elementProduct = rowProduct<ElementStep, Element>;
constexpr auto elementGradient = weightGradient<ElementStep, ElementRows>;
constexpr decltype(Kernels::linedParts) linedPartsOrNull = nullptr;
constexpr decltype(Kernels::linedGradient) linedGradientOrNull = nullptr;
constexpr decltype(Kernels::packDeep) packDeepOrNull = nullptr;
constexpr decltype(Kernels::packAcross) packAcrossOrNull = nullptr;

#endif

}  // namespace trainql::TRAINQL_ISA
