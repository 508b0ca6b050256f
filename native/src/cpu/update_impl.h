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
    for (std::size_t i = begin; i < end; i += V) f(i, scale * sumAt(i));
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

template <bool Nesterov>
static void sgdRange(const SgdUpdate& a, std::size_t begin, std::size_t end) {
  const Vec lr = broadcast(a.learningRate), momentum = broadcast(a.momentum), decay = broadcast(a.weightDecay);
  forEachGradient(a.gradient, begin, end, [&](std::size_t i, Vec g) {
    const Vec p = load(a.parameters + i);
    g += decay * p;
    const Vec buffer = momentum * load(a.momentumBuffer + i) + g;
    store(a.momentumBuffer + i, buffer);
    store(a.parameters + i, p - lr * (Nesterov ? g + momentum * buffer : buffer));
  });
}

// torch.optim.SGD: g += weightDecay * p; buffer = momentum * buffer + g; p -= lr * (buffer, or g + momentum * buffer).
static void sgd(const SgdUpdate& a, std::size_t begin, std::size_t end) {
  a.nesterov ? sgdRange<true>(a, begin, end) : sgdRange<false>(a, begin, end);
}

// torch.optim.Adam (Kingma & Ba 2015, arXiv:1412.6980) and AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101).
static void adam(const AdamUpdate& a, std::size_t begin, std::size_t end) {
  const Vec step = broadcast(a.stepSize), root = broadcast(a.rootCorrection), epsilon = broadcast(a.epsilon);
  const Vec beta1 = broadcast(a.beta1), beta2 = broadcast(a.beta2);
  const Vec decay = broadcast(a.weightDecay), keep = broadcast(a.keep);
  const Vec rest1 = broadcast(static_cast<float>(1.0 - static_cast<double>(a.beta1)));
  const Vec rest2 = broadcast(static_cast<float>(1.0 - static_cast<double>(a.beta2)));
  forEachGradient(a.gradient, begin, end, [&](std::size_t i, Vec g) {
    const Vec p = load(a.parameters + i);
    g += decay * p;
    const Vec m = beta1 * load(a.average + i) + rest1 * g;
    const Vec v = beta2 * load(a.squareAverage + i) + rest2 * (g * g);
    store(a.average + i, m);
    store(a.squareAverage + i, v);
    store(a.parameters + i, keep * p - step * m / (squareRoot(v) * root + epsilon));
  });
}

}  // namespace trainql::TRAINQL_ISA
