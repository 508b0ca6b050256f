// Batch norm over rows, fused with the residual add and the ReLU that follow it.
#pragma once

#include <algorithm>

namespace trainql::TRAINQL_ISA {

// Rows summed in single precision before they join the double-precision total.
constexpr int sumBlock = 32;

// Sums f(row, channel vector) over rows for C vectors of channels at once.
template <int C, int Sums, class F>
static inline void sumRows(int rows, double (*total)[C * V], F&& term) {
  for (int s = 0; s < Sums; s++) std::fill(total[s], total[s] + C * V, 0.0);
  for (int begin = 0; begin < rows; begin += sumBlock) {
    const int end = std::min(rows, begin + sumBlock);
    Vec part[Sums][C];
    for (int s = 0; s < Sums; s++) {
      for (int c = 0; c < C; c++) part[s][c] = Vec{};
    }
    for (int r = begin; r < end; r++) {
#pragma GCC unroll 4
      for (int c = 0; c < C; c++) {
        Vec terms[Sums];
        term(r, c, terms);
        for (int s = 0; s < Sums; s++) part[s][c] += terms[s];
      }
    }
    for (int s = 0; s < Sums; s++) {
      for (int c = 0; c < C; c++) {
        for (int i = 0; i < V; i++) total[s][c * V + i] += static_cast<double>(part[s][c][i]);
      }
    }
  }
}

// Mean and biased variance by shifted sums (shift: the first row), which cannot cancel as plain squares do.
static void statistics(const void* input, std::ptrdiff_t row, int rows, int channelBegin, int channelEnd, float* mean,
                       float* variance) {
  constexpr int C = 2;
  for (int c0 = channelBegin; c0 < channelEnd; c0 += C * V) {
    const Element* x = elements(input) + c0;
    const Vec first[C] = {load(x), load(x + V)};
    double total[2][C * V];
    sumRows<C, 2>(rows, total, [&](int r, int c, Vec* out) {
      const Vec d = load(x + r * row + c * V) - first[c];
      out[0] = d;
      out[1] = d * d;
    });
    for (int i = 0; i < C * V; i++) {
      const double shift = total[0][i] / rows;
      mean[c0 + i] = static_cast<float>(first[i / V][i % V] + shift);
      variance[c0 + i] = static_cast<float>(std::max(0.0, total[1][i] / rows - shift * shift));
    }
  }
}

static void columnSums(const void* input, std::ptrdiff_t row, int rows, int channelBegin, int channelEnd,
                       float* sums) {
  constexpr int C = 2;
  for (int c0 = channelBegin; c0 < channelEnd; c0 += C * V) {
    double total[1][C * V];
    sumRows<C, 1>(rows, total, [&](int r, int c, Vec* out) { out[0] = load(elements(input) + r * row + c0 + c * V); });
    for (int i = 0; i < C * V; i++) sums[c0 + i] = static_cast<float>(total[0][i]);
  }
}

template <bool Skip, bool Relu>
static void normaliseRows(const BatchNormForward& a, int rowBegin, int rowEnd) {
  for (int r = rowBegin; r < rowEnd; r++) {
    const Element* x = elements(a.input) + r * a.row;
    Element* y = elements(a.output) + r * a.row;
    const Element* skip = Skip ? elements(a.finish.skip) + r * a.row : nullptr;
    for (int c = 0; c < a.channels; c += V) store(y + c, finished<Skip, Relu>(a.finish, load(x + c), c, skip + c));
  }
}

static void batchNormForward(const BatchNormForward& a, int rowBegin, int rowEnd) {
  withFinish(a.finish, [&](auto skip, auto relu) {
    normaliseRows<decltype(skip)::value, decltype(relu)::value>(a, rowBegin, rowEnd);
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
static void reduceRows(const BatchNormReduce& a, int rows, int channelBegin, int channelEnd) {
  constexpr int C = 2;
  for (int c0 = channelBegin; c0 < channelEnd; c0 += C * V) {
    double total[2][C * V];
    const Vec mean[C] = {load(a.mean + c0), load(a.mean + c0 + V)};
    sumRows<C, 2>(rows, total, [&](int r, int c, Vec* out) {
      const std::ptrdiff_t at = r * a.row + c0 + c * V;
      const Vec x = load(elements(a.input) + at);
      const Vec dz = passed<by>(a.mask, load(elements(a.outputGradient) + at), x, at, c0 + c * V);
      if (Skip) {
        Element* skip = elements(a.skipGradient) + at;
        store(skip, a.skipAccumulate ? load(skip) + dz : dz);
      }
      out[0] = dz;
      out[1] = dz * (x - mean[c]);
    });
    for (int i = 0; i < C * V; i++) {
      a.sum[c0 + i] = static_cast<float>(total[0][i]);
      a.sumCentered[c0 + i] = static_cast<float>(total[1][i]);
    }
  }
}

static void batchNormReduce(const BatchNormReduce& a, int rows, int channelBegin, int channelEnd) {
  withMask(a.mask.by, [&](auto by) {
    if (a.skipGradient != nullptr) {
      reduceRows<decltype(by)::value, true>(a, rows, channelBegin, channelEnd);
    } else {
      reduceRows<decltype(by)::value, false>(a, rows, channelBegin, channelEnd);
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
