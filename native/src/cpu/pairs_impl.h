// Pairs of bfloat16 as the dot-product instruction wants them: rows of two images for weight gradients, and weights
// along their depth. Without bfloat16 there is nothing to pair.
#pragma once

namespace trainql::TRAINQL_ISA {

#ifdef TRAINQL_BF16

static inline __m512i sideBySide(__m512i low, __m512i high) {
  return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

#ifdef TRAINQL_AMX
// Pairs that one step takes along the depth.
constexpr int depthStep = 16;
#else
constexpr int depthStep = 1;
#endif

static void pairRows(const PairedRows& a, int pixelBegin, int pixelEnd) {
  const int pairs = (a.batch + 1) / 2;
  for (int p = pixelBegin; p < pixelEnd; p++) {
    const Element* from = elements(a.map) + static_cast<std::ptrdiff_t>(p) * a.batch * a.row;
    std::uint32_t* to = a.paired + static_cast<std::ptrdiff_t>(p - a.firstPixel) * pairs * a.pairedRow;
    for (int pair = 0; pair < pairs; pair++, from += 2 * a.row, to += a.pairedRow) {
      const bool whole = 2 * pair + 1 < a.batch;
      for (int c = 0; c < a.channels; c += V) {
        const __m512i high = whole ? halves(from + a.row + c) : _mm512_setzero_si512();
        _mm512_storeu_si512(to + c, sideBySide(halves(from + c), high));
      }
    }
  }
}

static void pairWeights(const float* from, std::uint32_t* to, int inChannels) {
  for (int in = 0; in < inChannels; in += 2, from += 2 * panel, to += panel) {
    const bool whole = in + 1 < inChannels;
    for (int c = 0; c < panel; c += V) {
      const Vec second = whole ? load(from + panel + c) : Vec{};
      _mm512_storeu_si512(to + c, sideBySide(_mm512_cvtepu16_epi32(rounded(load(from + c))),
                                             _mm512_cvtepu16_epi32(rounded(second))));
    }
  }
  const int pairs = (inChannels + 1) / 2, filled = ceilDiv(pairs, depthStep) * depthStep;
  std::fill_n(to, static_cast<std::size_t>(filled - pairs) * panel, 0u);
}

// Two vectors of 32 output channels' weights as 16 pairs.
static inline Vec pairsAlongOut(const float* row) {
  const __m512i pairs = _mm512_inserti64x4(_mm512_castsi256_si512(rounded(load(row))), rounded(load(row + V)), 1);
  return reinterpret_cast<Vec>(pairs);
}

static void pairTransposedBlock(const float* from, std::uint32_t* to, int ins, int outs) {
  static_assert(panel == 2 * V, "a panel row is one vector of pairs");
  for (int half = 0; half < panel; half += V) {
    Vec block[V];
#pragma GCC unroll 16
    for (int i = 0; i < V; i++) block[i] = half + i < ins ? pairsAlongOut(from + (half + i) * panel) : Vec{};
    transposeVectors(block);
    const int pairs = ceilDiv((outs + 1) / 2, depthStep) * depthStep;
    for (int o = 0; o < pairs; o++) store(reinterpret_cast<float*>(to + o * panel + half), block[o]);
  }
}

constexpr auto pairRowsOrNull = pairRows;
constexpr auto pairWeightsOrNull = pairWeights;
constexpr auto pairTransposedBlockOrNull = pairTransposedBlock;

#else

constexpr int depthStep = 1;
constexpr decltype(Kernels::pairRows) pairRowsOrNull = nullptr;
constexpr decltype(Kernels::pairWeights) pairWeightsOrNull = nullptr;
constexpr decltype(Kernels::pairTransposedBlock) pairTransposedBlockOrNull = nullptr;

#endif

}  // namespace trainql::TRAINQL_ISA
