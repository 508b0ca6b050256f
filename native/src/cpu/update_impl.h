// The optimiser steps, fused with the last additions of the gradient tree.
#pragma once

namespace trainql::TRAINQL_ISA {

template <int Count>
static inline Vec treeSum(const float* const* leaves, std::size_t i) {
  if constexpr (Count == 1) {
    return load(leaves[0] + i);
  } else {
    return treeSum<Count / 2>(leaves, i) + treeSum<Count / 2>(leaves + Count / 2, i);
  }
}

static Vec anyTreeSum(const float* const* leaves, int count, std::size_t i) {
  if (count == 1) return load(leaves[0] + i);
  return anyTreeSum(leaves, count / 2, i) + anyTreeSum(leaves + count / 2, count / 2, i);
}

// Calls f(i, gradient at i) for each vector of [begin, end).
template <class F>
static inline void forEachGradient(const GradientLeaves& g, std::size_t begin, std::size_t end, F&& f) {
  const Vec scale = broadcast(g.scale);
  const auto each = [&](auto&& sumAt) {
    for (std::size_t i = begin; i < end; i += V) f(i, pinned(scale * sumAt(i - g.origin)));
  };
  switch (g.count) {
    case 0: return each([](std::size_t) { return Vec{}; });
    case 1: return each([&](std::size_t i) { return treeSum<1>(g.leaves, i); });
    case 2: return each([&](std::size_t i) { return treeSum<2>(g.leaves, i); });
    case 4: return each([&](std::size_t i) { return treeSum<4>(g.leaves, i); });
    default: return each([&](std::size_t i) { return anyTreeSum(g.leaves, g.count, i); });
  }
}

static void sumLeaves(GradientLeaves g, std::size_t begin, std::size_t end, float* sum) {
  forEachGradient(g, begin, end, [&](std::size_t i, Vec v) { store(sum + i, v); });
}

static double sumSquares(GradientLeaves g, std::size_t begin, std::size_t end) {
  double lanes[V] = {};
  forEachGradient(g, begin, end, [&](std::size_t, Vec v) {
    for (int l = 0; l < V; l++) lanes[l] += static_cast<double>(v[l]) * static_cast<double>(v[l]);
  });
  double sum = 0;
  for (int l = 0; l < V; l++) sum += lanes[l];
  return sum;
}

// torch.optim.SGD: g += weightDecay * p; buffer = momentum * buffer + g; p -= lr * (buffer, or g + momentum * buffer).
template <bool Nesterov>
static inline void sgdStep(const SgdUpdate& a, Vec g, Vec& p, Vec& buffer) {
  const Vec lr = broadcast(a.learningRate), momentum = broadcast(a.momentum), decay = broadcast(a.weightDecay);
  g += decay * p;
  buffer = momentum * buffer + g;
  p -= lr * (Nesterov ? g + momentum * buffer : buffer);
}

template <bool Nesterov, bool Past>
static void sgdRange(const SgdUpdate& a, std::size_t begin, std::size_t end) {
  forEachGradient(a.gradient, begin, end, [&](std::size_t i, Vec g) {
    Vec p = load(a.parameters + i), buffer = load(a.momentumBuffer + i);
    sgdStep<Nesterov>(a, g, p, buffer);
    if constexpr (Past) {
      storePast(a.momentumBuffer + i, buffer);
    } else {
      store(a.momentumBuffer + i, buffer);
    }
    store(a.parameters + i, p);
  });
  if constexpr (Past) fence();
}

static void sgd(const SgdUpdate& a, std::size_t begin, std::size_t end) {
  if (a.momentumPastCaches) return a.nesterov ? sgdRange<true, true>(a, begin, end) : sgdRange<false, true>(a, begin, end);
  a.nesterov ? sgdRange<true, false>(a, begin, end) : sgdRange<false, false>(a, begin, end);
}

// Calls f(vectors, i) on all vectors of [begin, end), `Most` of them at a time. Several steps of one vector wait for each
// other: several vectors fill that time.
template <int Most, class F>
static inline void severalVectors(std::size_t begin, std::size_t end, F&& f) {
  for (; begin + Most * V <= end; begin += Most * V) f(std::integral_constant<int, Most>{}, begin);
  for (; begin < end; begin += V) f(std::integral_constant<int, 1>{}, begin);
}

// Several steps of N vectors of parameters whose gradient is zero, in one pass over them.
template <bool Nesterov, int N>
static inline void sgdIdleVectors(const SgdUpdate* steps, int count, std::size_t at) {
  Vec p[N], buffer[N];
#pragma GCC unroll 8
  for (int n = 0; n < N; n++) {
    p[n] = load(steps->parameters + at + n * V);
    buffer[n] = load(steps->momentumBuffer + at + n * V);
  }
  for (int s = 0; s < count; s++) {
#pragma GCC unroll 8
    for (int n = 0; n < N; n++) sgdStep<Nesterov>(steps[s], pinned(Vec{}), p[n], buffer[n]);
  }
#pragma GCC unroll 8
  for (int n = 0; n < N; n++) {
    store(steps->momentumBuffer + at + n * V, buffer[n]);
    store(steps->parameters + at + n * V, p[n]);
  }
}

template <bool Nesterov>
static void sgdIdleRange(const SgdUpdate* steps, int count, std::size_t begin, std::size_t end) {
  severalVectors<8>(begin, end, [&](auto n, std::size_t at) { sgdIdleVectors<Nesterov, decltype(n)::value>(steps, count, at); });
}

static void sgdIdle(const SgdUpdate* steps, int count, std::size_t begin, std::size_t end) {
  steps->nesterov ? sgdIdleRange<true>(steps, count, begin, end) : sgdIdleRange<false>(steps, count, begin, end);
}

// torch.optim.Adam (Kingma & Ba 2015, arXiv:1412.6980) and AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101).
static inline void adamStep(const AdamUpdate& a, Vec g, Vec& p, Vec& average, Vec& squareAverage) {
  const Vec rest1 = broadcast(static_cast<float>(1.0 - static_cast<double>(a.beta1)));
  const Vec rest2 = broadcast(static_cast<float>(1.0 - static_cast<double>(a.beta2)));
  g += broadcast(a.weightDecay) * p;
  average = broadcast(a.beta1) * average + pinned(rest1 * g);
  squareAverage = broadcast(a.beta2) * squareAverage + pinned(rest2 * (g * g));
  p = broadcast(a.keep) * p - broadcast(a.stepSize) * average /
                                  (squareRoot(squareAverage) * broadcast(a.rootCorrection) + broadcast(a.epsilon));
}

static void adam(const AdamUpdate& a, std::size_t begin, std::size_t end) {
  forEachGradient(a.gradient, begin, end, [&](std::size_t i, Vec g) {
    Vec p = load(a.parameters + i), average = load(a.average + i), squareAverage = load(a.squareAverage + i);
    adamStep(a, g, p, average, squareAverage);
    store(a.average + i, average);
    store(a.squareAverage + i, squareAverage);
    store(a.parameters + i, p);
  });
}

template <int N>
static inline void adamIdleVectors(const AdamUpdate* steps, int count, std::size_t at) {
  Vec p[N], average[N], squareAverage[N];
#pragma GCC unroll 8
  for (int n = 0; n < N; n++) {
    p[n] = load(steps->parameters + at + n * V);
    average[n] = load(steps->average + at + n * V);
    squareAverage[n] = load(steps->squareAverage + at + n * V);
  }
  for (int s = 0; s < count; s++) {
#pragma GCC unroll 8
    for (int n = 0; n < N; n++) adamStep(steps[s], pinned(Vec{}), p[n], average[n], squareAverage[n]);
  }
#pragma GCC unroll 8
  for (int n = 0; n < N; n++) {
    store(steps->average + at + n * V, average[n]);
    store(steps->squareAverage + at + n * V, squareAverage[n]);
    store(steps->parameters + at + n * V, p[n]);
  }
}

static void adamIdle(const AdamUpdate* steps, int count, std::size_t begin, std::size_t end) {
  severalVectors<4>(begin, end, [&](auto n, std::size_t at) { adamIdleVectors<decltype(n)::value>(steps, count, at); });
}

}  // namespace trainql::TRAINQL_ISA
