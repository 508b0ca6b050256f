// The matrix products inside Winograd's transform, one of its 36 planes at a time, in fp32.
//
// The rows of a tile lie at one distance from each other. From three addresses, multiples of it reach all of them: one
// pointer for each would not fit the processor's registers. Each output value is one chain of multiply-adds along the depth.
#pragma once

namespace trainql::TRAINQL_ISA {

// Steps of the depth that a panel of the right factor is read for at once: it stays in L1 for all rows.
constexpr int planeSteps = 256;

// The addresses of M rows, step by step along the depth.
template <int M>
struct PlaneRows {
  const float *low, *middle, *high;  // of rows 0, 5 and 10
  std::ptrdiff_t row, three;

  PlaneRows(const float* first, std::ptrdiff_t stride)
      : low(first), middle(first + 5 * stride), high(first + 10 * stride), row(stride), three(3 * stride) {}

  float value(int m) const {
    const float* const from = m < 5 ? low : m < 10 ? middle : high;
    const int i = m % 5;
    return from[i == 3 ? three : i * row];
  }
  void move(std::ptrdiff_t by) {
    low += by;
    middle += by;
    high += by;
  }
  // Keeps the compiler from making a pointer of each row again.
  void keep() {
    asm("" : "+r"(low));
    if (M > 5) asm("" : "+r"(middle));
    if (M > 10) asm("" : "+r"(high));
  }
};

// Steps begin … end of the depth; `a` and `b` are where they begin.
template <int M, int N>
static inline void planeTile(const PlaneProduct& p, const float* a, const float* b, float* out, int begin, int end,
                             Fetch fetch) {
  Vec acc[M][N];
  const bool resume = p.resume || begin > 0;
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) {
#pragma GCC unroll 2
    for (int h = 0; h < N; h++) acc[m][h] = resume ? load(out + m * p.outRow + h * p.outVector) : Vec{};
  }
  PlaneRows<M> rows(a, p.leftRow);
  const std::ptrdiff_t rightStep = p.rightStep, rightVector = p.rightVector;
  const auto step = [&]() __attribute__((always_inline)) {
    rows.keep();
    fetch.next();
    Vec columns[N];
#pragma GCC unroll 2
    for (int h = 0; h < N; h++) columns[h] = load(b + h * rightVector);
#pragma GCC unroll 16
    for (int m = 0; m < M; m++) {
      const Vec value = broadcast(rows.value(m));
#pragma GCC unroll 2
      for (int h = 0; h < N; h++) acc[m][h] += value * columns[h];
    }
    rows.move(1);
    b += rightStep;
  };
  for (int k = begin; k < end;) {
    const int stop = std::min(end, k + p.depthBlock), first = k;
    // The lines that the tile will write are there by the time it does, a row of them asked for with each step.
    if (k == begin) {
      const float* line = out;
      for (const int last = std::min(stop, k + M); k < last; k++) {
        __builtin_prefetch(line, 1, 3);
        if (N > 1) __builtin_prefetch(line + p.outVector, 1, 3);
        line += p.outRow;
        step();
      }
    }
    for (; k < stop; k++) step();
    rows.move(p.leftBlock - (k - first));
  }
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) {
#pragma GCC unroll 2
    for (int h = 0; h < N; h++) store(out + m * p.outRow + h * p.outVector, acc[m][h]);
  }
}

static void planeProduct(const PlaneProduct& p) {
  const int tiles = ceilDiv(p.rows, tileRows), parts = tiles * ceilDiv(p.vectors, 2);
  for (int v = 0; v < p.vectors; v += 2) {
    for (int k = 0; k < p.depth; k += planeSteps) {
      const float* const a = p.left + k / p.depthBlock * p.leftBlock + k % p.depthBlock;
      const float* const b = p.right + v / 2 * p.rightPanel + k * p.rightStep;
      const int end = std::min(p.depth, k + planeSteps);
      for (int i = 0; i < tiles; i++) {
        const int first = partBegin(p.rows, tiles, i), count = partBegin(p.rows, tiles, i + 1) - first;
        const Fetch fetch = fetchOf(p.next, {}, p.right, v / 2 * tiles + i, parts, p.depth);
        float* const out = p.out + v / 2 * p.outPanel + first * p.outRow;
        withRows<tileRows>(count, [&](auto m) {
          if (v + 1 < p.vectors) {
            planeTile<decltype(m)::value, 2>(p, a + first * p.leftRow, b, out, k, end, fetch);
          } else {
            planeTile<decltype(m)::value, 1>(p, a + first * p.leftRow, b, out, k, end, fetch);
          }
        });
      }
    }
  }
}

// (V, V) by (V, V).
static void turnPlane(const TurnedPlane& t) {
  for (int row = 0; row < t.rows; row += V) {
    for (int column = 0; column < t.columns; column += V) {
      Vec r[V];
#pragma GCC unroll 16
      for (int k = 0; k < V; k++) {
        r[k] = row + k < t.rows ? load(t.from + (row + k) * t.fromRow + column / t.fromWidth * t.fromBlock + column % t.fromWidth) : Vec{};
      }
      transposeVectors(r);
#pragma GCC unroll 16
      for (int k = 0; k < V; k++) {
        if (column + k >= t.columns) continue;
        float* const to = t.to + (column + k) * t.toRow + row / t.toWidth * t.toBlock + row % t.toWidth;
        store(to, t.add ? r[k] + load(to) : r[k]);
      }
    }
  }
}

}  // namespace trainql::TRAINQL_ISA
