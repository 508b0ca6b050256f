// What the matrix products of a network are made of: steps along the depth, and what is fetched while they are taken.
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

constexpr int line = 64;  // bytes of a cache

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
  const int firstLines = ceilDiv(static_cast<int>(first.bytes), line), lines = firstLines + ceilDiv(static_cast<int>(second.bytes), line);
  const int at = part % lines;
  return at < firstLines ? Fetch{static_cast<const char*>(first.at) + at * line, first.row}
                         : Fetch{static_cast<const char*>(second.at) + (at - firstLines) * line, second.row};
}

}  // namespace trainql::TRAINQL_ISA
