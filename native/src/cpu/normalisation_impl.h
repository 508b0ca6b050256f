// Batch norm over rows, fused with the residual add and the ReLU that follow it.
#pragma once

#include <algorithm>

namespace trainql::TRAINQL_ISA {

// Vectors of channels that are summed in registers at once.
constexpr int sumVectors = 2;

// Adds term(row, first channel, vector) over rows to totals (Sums, stride), for channels begin … end. Block by block of
// rows, so that a map is read once from front to back; term(…) is to fetch the rows a block later, since within a block
// the processor sees only strides.
template <int Sums, class F>
static inline void addRows(int rowBegin, int rowEnd, int channelBegin, int channelEnd, const ColumnTotals& totals, F&& term) {
  constexpr int C = sumVectors;
  for (int begin = rowBegin; begin < rowEnd; begin += sumBlock) {
    const int end = std::min(rowEnd, begin + sumBlock);
    for (int c0 = channelBegin; c0 < channelEnd; c0 += C * V) {
      Vec part[Sums][C];
      for (int s = 0; s < Sums; s++) {
        for (int c = 0; c < C; c++) part[s][c] = Vec{};
      }
      for (int r = begin; r < end; r++) {
#pragma GCC unroll 4
        for (int c = 0; c < C; c++) {
          Vec terms[Sums];
          term(r, c0 + c * V, terms);
          for (int s = 0; s < Sums; s++) part[s][c] += terms[s];
        }
      }
      for (int s = 0; s < Sums; s++) {
        double* const total = totals.at + s * totals.stride + c0;
        for (int c = 0; c < C; c++) {
          for (int i = 0; i < V; i++) total[c * V + i] += static_cast<double>(part[s][c][i]);
        }
      }
    }
  }
}

// What addRows reads a block later.
static inline void fetchBlockAhead(const Element* at, std::ptrdiff_t row) { __builtin_prefetch(at + sumBlock * row, 0, 2); }

// Sums shifted by the first row cannot cancel as plain squares do.
static void addMoments(const void* input, std::ptrdiff_t row, int rowBegin, int rowEnd, int channelBegin, int channelEnd,
                       ColumnTotals totals) {
  const Element* const x = elements(input);
  addRows<2>(rowBegin, rowEnd, channelBegin, channelEnd, totals, [&](int r, int c, Vec* out) {
    const Element* const at = x + r * row + c;
    fetchBlockAhead(at, row);
    const Vec d = load(at) - load(x + c);
    out[0] = d;
    out[1] = d * d;
  });
}

static void moments(const void* input, int rows, int channelBegin, int channelEnd, ColumnTotals totals, float* mean,
                    float* variance) {
  for (int c = channelBegin; c < channelEnd; c++) {
    const double shift = totals.at[c] / rows;
    mean[c] = static_cast<float>(load(elements(input) + c - c % V)[c % V] + shift);
    variance[c] = static_cast<float>(std::max(0.0, totals.at[totals.stride + c] / rows - shift * shift));
  }
}

static void columnSums(const void* input, std::ptrdiff_t row, int rows, int channelBegin, int channelEnd,
                       float* sums) {
  constexpr int most = 512;  // channels whose totals are kept side by side
  double total[most];
  for (int first = channelBegin; first < channelEnd; first += most) {
    const int end = std::min(channelEnd, first + most);
    std::fill(total, total + most, 0.0);
    addRows<1>(0, rows, first, end, {total - first, 0},
               [&](int r, int c, Vec* out) { out[0] = load(elements(input) + r * row + c); });
    for (int c = first; c < end; c++) sums[c] = static_cast<float>(total[c - first]);
  }
}

// Values that a pass over whole rows fetches ahead: the processor's own prefetching begins anew at each page.
constexpr int rowsAhead = 4096 / sizeof(Element);

template <Added added, bool Relu>
static void normaliseRows(const BatchNormForward& a, int rowBegin, int rowEnd) {
  for (int r = rowBegin; r < rowEnd; r++) {
    const Element* x = elements(a.input) + r * a.row;
    Element* y = elements(a.output) + r * a.row;
    const Element* skip = added != Added::nothing ? elements(a.finish.skip) + r * a.row : nullptr;
    for (int c = 0; c < a.channels; c += V) {
      __builtin_prefetch(x + c + rowsAhead, 0, 2);
      __builtin_prefetch(y + c + rowsAhead, 1, 2);
      if (added != Added::nothing) __builtin_prefetch(skip + c + rowsAhead, 0, 2);
      store(y + c, finished<added, Relu>(a.finish, load(x + c), c, skip + c));
    }
  }
}

static void batchNormForward(const BatchNormForward& a, int rowBegin, int rowEnd) {
  withFinish(a.finish, [&](auto added, auto relu) {
    normaliseRows<decltype(added)::value, decltype(relu)::value>(a, rowBegin, rowEnd);
  });
}

// The gradient that passes the ReLU, of one vector at `at`, whose channels begin at c; x: the input there.
template <ReluMask::By by>
static inline Vec passed(const ReluMask& mask, Vec dy, Vec x, std::ptrdiff_t at, int c) {
  if constexpr (by == ReluMask::By::none) return dy;
  if constexpr (by == ReluMask::By::output) return keepWhere(load(elements(mask.output) + at) > Vec{}, dy);
  return keepWhere(x * load(mask.scale + c) + load(mask.shift + c) > Vec{}, dy);
}

// Calls f with the kind of mask as a compile-time constant.
template <class F>
static inline void withMask(ReluMask::By by, F&& f) {
  switch (by) {
    case ReluMask::By::none: return f(std::integral_constant<ReluMask::By, ReluMask::By::none>{});
    case ReluMask::By::output: return f(std::integral_constant<ReluMask::By, ReluMask::By::output>{});
    case ReluMask::By::input: return f(std::integral_constant<ReluMask::By, ReluMask::By::input>{});
  }
}

template <ReluMask::By by, bool Skip>
static void reduceRows(const BatchNormReduce& a, int rowBegin, int rowEnd, int channelBegin, int channelEnd,
                       const ColumnTotals& totals) {
  const Element* const dy = elements(a.outputGradient);
  const Element* const input = elements(a.input);
  addRows<2>(rowBegin, rowEnd, channelBegin, channelEnd, totals, [&](int r, int c, Vec* out) {
    const std::ptrdiff_t at = r * a.row + c;
    fetchBlockAhead(dy + at, a.row);
    fetchBlockAhead(input + at, a.row);
    if (by == ReluMask::By::output) fetchBlockAhead(elements(a.mask.output) + at, a.row);
    const Vec x = load(input + at);
    const Vec dz = passed<by>(a.mask, load(dy + at), x, at, c);
    if (Skip) {
      Element* skip = elements(a.skipGradient) + at;
      __builtin_prefetch(skip + sumBlock * a.row, 1, 2);
      store(skip, a.skipAccumulate ? load(skip) + dz : dz);
    }
    out[0] = dz;
    out[1] = dz * (x - load(a.mean + c));
  });
}

static void batchNormReduce(const BatchNormReduce& a, int rowBegin, int rowEnd, int channelBegin, int channelEnd,
                            ColumnTotals totals) {
  withMask(a.mask.by, [&](auto by) {
    if (a.skipGradient != nullptr) {
      reduceRows<decltype(by)::value, true>(a, rowBegin, rowEnd, channelBegin, channelEnd, totals);
    } else {
      reduceRows<decltype(by)::value, false>(a, rowBegin, rowEnd, channelBegin, channelEnd, totals);
    }
  });
}

static void batchNormBackward(const BatchNormBackward& a, int rowBegin, int rowEnd) {
  const Element* const dy = elements(a.outputGradient);
  const Element* const input = elements(a.input);
  Element* const gradient = elements(a.inputGradient);
  withMask(a.mask.by, [&](auto by) {
    for (int r = rowBegin; r < rowEnd; r++) {
      for (int c = 0; c < a.channels; c += V) {
        const std::ptrdiff_t at = r * a.row + c;
        __builtin_prefetch(dy + at + rowsAhead, 0, 2);
        __builtin_prefetch(input + at + rowsAhead, 0, 2);
        __builtin_prefetch(gradient + at + rowsAhead, 1, 2);
        if (decltype(by)::value == ReluMask::By::output) __builtin_prefetch(elements(a.mask.output) + at + rowsAhead, 0, 2);
        const Vec x = load(input + at);
        const Vec dz = passed<decltype(by)::value>(a.mask, load(dy + at), x, at, c);
        Vec dx = load(a.a + c) * dz + load(a.b + c) * (x - load(a.mean + c)) + load(a.c + c);
        if (a.accumulate) dx += load(gradient + at);
        store(gradient + at, dx);
      }
    }
  });
}

}  // namespace trainql::TRAINQL_ISA
