// Winograd F(4x4, 3x3): 36 products where a direct 3x3 convolution of 4x4 outputs takes 144 (Lavin & Gray 2015,
// arXiv:1509.09308). Interpolation points 0, ±5/8, ±3/2, infinity, which lose about half the bits that 0, ±1, ±2 do.
//
// A tile row is (tile, image); transformed data is [36][tile row][channel], so each of the 36 is a plain product.
#pragma once

#include <algorithm>

namespace trainql::TRAINQL_ISA {

namespace winograd {

constexpr float a = 0.625f, b = 1.5f;
constexpr float a2 = a * a, b2 = b * b, a3 = a2 * a, b3 = b2 * b;
constexpr float n0 = 1.0f / (a2 * b2), na = 1.0f / (2 * a2 * (a2 - b2)), nb = 1.0f / (2 * b2 * (b2 - a2));

// B^T d, (6) -> (6)
static inline void toInput(const Vec* d, Vec* v) {
  v[0] = a2 * b2 * d[0] - (a2 + b2) * d[2] + d[4];
  const Vec ta = d[4] - b2 * d[2], sa = a * (d[3] - b2 * d[1]);
  v[1] = ta + sa;
  v[2] = ta - sa;
  const Vec tb = d[4] - a2 * d[2], sb = b * (d[3] - a2 * d[1]);
  v[3] = tb + sb;
  v[4] = tb - sb;
  v[5] = a2 * b2 * d[1] - (a2 + b2) * d[3] + d[5];
}

// A^T m, (6) -> (4)
static inline void toOutput(const Vec* m, Vec* y) {
  const Vec pa = m[1] + m[2], qa = m[1] - m[2], pb = m[3] + m[4], qb = m[3] - m[4];
  y[0] = m[0] + pa + pb;
  y[1] = a * qa + b * qb;
  y[2] = a2 * pa + b2 * pb;
  y[3] = a3 * qa + b3 * qb + m[5];
}

// A y, (4) -> (6): the adjoint of toOutput
static inline void fromOutput(const Vec* y, Vec* m) {
  m[0] = y[0];
  const Vec ea = y[0] + a2 * y[2], oa = a * y[1] + a3 * y[3];
  m[1] = ea + oa;
  m[2] = ea - oa;
  const Vec eb = y[0] + b2 * y[2], ob = b * y[1] + b3 * y[3];
  m[3] = eb + ob;
  m[4] = eb - ob;
  m[5] = y[3];
}

// Two of the six of G g, (3) -> (2): those of `winogradLines[pair]`.
template <int pair>
static inline void toWeightPair(const Vec* g, Vec* u) {
  if constexpr (pair == 0) {
    u[0] = n0 * g[0];
    u[1] = g[2];
  } else {
    constexpr float n = pair == 1 ? na : nb, point = pair == 1 ? a : b;
    const Vec even = n * (g[0] + point * point * g[2]), odd = (n * point) * g[1];
    u[0] = even + odd;
    u[1] = even - odd;
  }
}

// G g, (3) -> (6)
static inline void toWeight(const Vec* g, Vec* u) {
  toWeightPair<0>(g, u);
  u[5] = u[1];
  toWeightPair<1>(g, u + 1);
  toWeightPair<2>(g, u + 3);
}

// G^T u, (6) -> (3): the adjoint of toWeight
static inline void fromWeight(const Vec* u, Vec* g) {
  const Vec pa = na * (u[1] + u[2]), qa = (na * a) * (u[1] - u[2]);
  const Vec pb = nb * (u[3] + u[4]), qb = (nb * b) * (u[3] - u[4]);
  g[0] = n0 * u[0] + pa + pb;
  g[1] = qa + qb;
  g[2] = a2 * pa + b2 * pb + u[5];
}

// Applies a 1-D transform to the columns and then to the rows of an (In, In) square that `get(row, column)` reads;
// `put(row, column, value)` takes the (Out, Out) result. Column by column, so that little is live at once.
template <int In, int Out, void (*transform)(const Vec*, Vec*), class Get, class Put>
static inline void both(Get&& get, Put&& put) {
  Vec half[Out][In];
#pragma GCC unroll 6
  for (int c = 0; c < In; c++) {
    Vec column[In], result[Out];
#pragma GCC unroll 6
    for (int r = 0; r < In; r++) column[r] = get(r, c);
    transform(column, result);
#pragma GCC unroll 6
    for (int r = 0; r < Out; r++) half[r][c] = result[r];
  }
#pragma GCC unroll 6
  for (int r = 0; r < Out; r++) {
    Vec result[Out];
    transform(half[r], result);
#pragma GCC unroll 6
    for (int c = 0; c < Out; c++) put(r, c, result[c]);
  }
}

// What a pixel outside the map reads as.
alignas(64) static const Element zeros[winogradMostChannels] = {};

// Where one tile row begins.
struct Place {
  int y, x, image;
};

static inline Place placeOf(const WinogradTiles& t, int tileRow) {
  const int tile = tileRow / t.batch;
  return {tile / t.across * 4, tile % t.across * 4, tileRow % t.batch};
}

// Where a pixel of a place's tile lies; outside the map it may be anywhere.
static inline std::ptrdiff_t elementAt(const WinogradTiles& t, const Place& at, int i, int j) {
  return (static_cast<std::ptrdiff_t>((at.y + i) * t.width + at.x + j) * t.batch + at.image) * t.row;
}

}  // namespace winograd

// Reads each tile's (Size, Size) pixels from `shift` pixels before it; outside the map they are zero. Fetches those of the
// next tile row meanwhile: pixels lie too far apart for the processor to see where this goes. `value(v, c)` makes what is
// transformed of the values v of channels from c on; with `Masked` it would not be zero of zero.
template <int Size, int shift, void (*transform)(const Vec*, Vec*), bool Masked, class F>
static inline void tilesIn(const WinogradTiles& t, const Element* map, float* transformed, int begin, int end, F&& value) {
  const std::ptrdiff_t plane = t.plane;
  for (int r = begin; r < end; r++) {
    const winograd::Place at = winograd::placeOf(t, t.firstRow + r), next = winograd::placeOf(t, t.firstRow + r + 1);
    const Element* const ahead = map + winograd::elementAt(t, next, -shift, -shift);
    const Element* pixel[Size][Size];
    std::int32_t inside[Size][Size];  // all bits or none
    for (int i = 0; i < Size; i++) {
      for (int j = 0; j < Size; j++) {
        const int y = at.y + i - shift, x = at.x + j - shift;
        inside[i][j] = y >= 0 && y < t.height && x >= 0 && x < t.width ? -1 : 0;
        pixel[i][j] = inside[i][j] != 0 ? map + (static_cast<std::ptrdiff_t>(y * t.width + x) * t.batch + at.image) * t.row
                                        : winograd::zeros;
      }
    }
    for (int c = 0; c < t.channels; c += V) {
      float* const out = transformed + r * t.transformedRow + c;
      winograd::both<Size, 6, transform>([&](int i, int j) {
                                           __builtin_prefetch(ahead + (i * t.width + j) * t.batch * t.row + c, 0, 3);
                                           const Vec v = value(load(pixel[i][j] + c), c);
                                           return Masked ? keepWhere(Mask{} + inside[i][j], v) : v;
                                         },
                                         [&](int i, int j, Vec v) { store(out + (i * 6 + j) * plane, v); });
    }
  }
}

static void winogradInput(const WinogradTiles& t, const void* map, const Finish& finish, float* transformed, int begin,
                          int end) {
  const auto as = [&](auto masked, auto&& value) {
    tilesIn<6, 1, winograd::toInput, decltype(masked)::value>(t, elements(map), transformed, begin, end, value);
  };
  if (finish.scale == nullptr) return as(std::false_type{}, [](Vec v, int) { return v; });
  withRelu(finish, [&](auto relu) {
    as(std::true_type{}, [&](Vec v, int c) { return finished<Added::nothing, decltype(relu)::value>(finish, v, c, nullptr); });
  });
}

static void winogradOutputGradient(const WinogradTiles& t, const void* map, float* transformed, int begin, int end) {
  tilesIn<4, 0, winograd::fromOutput, false>(t, elements(map), transformed, begin, end, [](Vec v, int) { return v; });
}

// `value(v, c, at)`: what is stored of the values v of channels from c on, `at` elements into the map.
template <class F>
static inline void tilesOut(const WinogradTiles& t, const float* transformed, Element* map, int begin, int end,
                            F&& value) {
  const std::ptrdiff_t plane = t.plane;
  for (int r = begin; r < end; r++) {
    const winograd::Place at = winograd::placeOf(t, t.firstRow + r);
    const int high = std::min(4, t.height - at.y), wide = std::min(4, t.width - at.x);
    for (int c = 0; c < t.channels; c += V) {
      const float* const in = transformed + r * t.transformedRow + c;
      winograd::both<6, 4, winograd::toOutput>(
          [&](int i, int j) { return load(in + (i * 6 + j) * plane); },
          [&](int i, int j, Vec v) {
            if (i >= high || j >= wide) return;
            const std::ptrdiff_t to =
                (static_cast<std::ptrdiff_t>((at.y + i) * t.width + at.x + j) * t.batch + at.image) * t.row + c;
            store(map + to, value(v, c, to));
          });
    }
  }
}

static void winogradOutput(const WinogradTiles& t, const float* transformed, void* map, bool accumulate,
                           const Finish& finish, int begin, int end) {
  Element* const out = elements(map);
  if (finish.scale == nullptr) {
    return tilesOut(t, transformed, out, begin, end,
                    [&](Vec v, int, std::ptrdiff_t at) { return accumulate ? load(out + at) + v : v; });
  }
  withFinish(finish, [&](auto added, auto relu) {
    tilesOut(t, transformed, out, begin, end, [&](Vec v, int c, std::ptrdiff_t at) {
      return finished<decltype(added)::value, decltype(relu)::value>(finish, v, c, elements(finish.skip) + at);
    });
  });
}

template <int pair>
static void winogradWeightPair(const float* const* taps, const WinogradWeights& a, std::size_t begin, std::size_t end) {
  if (pair < a.pairBegin || pair >= a.pairEnd) return;
  float* const transformed = a.transformed + (pair - a.pairBegin) * winogradPairPlanes * a.plane;
  for (std::size_t k = begin; k < end; k += V) {
    Vec lines[2][3];
#pragma GCC unroll 3
    for (int c = 0; c < 3; c++) {
      const Vec column[3] = {load(taps[c] + k), load(taps[3 + c] + k), load(taps[6 + c] + k)};
      Vec two[2];
      winograd::toWeightPair<pair>(column, two);
      lines[0][c] = two[0];
      lines[1][c] = two[1];
    }
#pragma GCC unroll 2
    for (int line = 0; line < 2; line++) {
      Vec u[6];
      winograd::toWeight(lines[line], u);
#pragma GCC unroll 6
      for (int j = 0; j < 6; j++) store(transformed + (line * 6 + j) * a.plane + k, u[j]);
    }
  }
}

static void winogradWeights(const float* const* taps, const WinogradWeights& a, std::size_t begin, std::size_t end) {
  winogradWeightPair<0>(taps, a, begin, end);
  winogradWeightPair<1>(taps, a, begin, end);
  winogradWeightPair<2>(taps, a, begin, end);
}

static void winogradWeightGradient(const float* transformed, std::ptrdiff_t plane, float* const* taps, bool add,
                                   std::size_t begin, std::size_t end) {
  for (std::size_t k = begin; k < end; k += V) {
    winograd::both<6, 3, winograd::fromWeight>(
        [&](int i, int j) { return load(transformed + (i * 6 + j) * plane + k); },
        [&](int i, int j, Vec v) {
          float* const out = taps[i * 3 + j] + k;
          __builtin_prefetch(out + 8 * V, 1, 3);
          store(out, add ? load(out) + v : v);
        });
  }
}

}  // namespace trainql::TRAINQL_ISA
