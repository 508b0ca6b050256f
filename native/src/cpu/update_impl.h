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
  const auto each = [&](auto&& gradientAt) {
    for (std::size_t i = begin; i < end; i += V) f(i, gradientAt(i));
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

// torch.optim.SGD: g += weightDecay * p; buffer = momentum * buffer + g; p -= lr * buffer.
static void sgd(const SgdUpdate& a, std::size_t begin, std::size_t end) {
  const Vec lr = broadcast(a.learningRate), momentum = broadcast(a.momentum), decay = broadcast(a.weightDecay);
  forEachGradient(a.gradient, begin, end, [&](std::size_t i, Vec g) {
    const Vec p = load(a.parameters + i);
    const Vec buffer = momentum * load(a.momentumBuffer + i) + (g + decay * p);
    store(a.momentumBuffer + i, buffer);
    store(a.parameters + i, p - lr * buffer);
  });
}

// torch.optim.Adam (Kingma & Ba 2015, arXiv:1412.6980), weight decay added to the gradient.
static void adam(const AdamUpdate& a, std::size_t begin, std::size_t end) {
  const Vec step = broadcast(a.stepSize), root = broadcast(a.rootCorrection), epsilon = broadcast(a.epsilon);
  const Vec beta1 = broadcast(a.beta1), beta2 = broadcast(a.beta2), decay = broadcast(a.weightDecay);
  const Vec rest1 = broadcast(static_cast<float>(1.0 - static_cast<double>(a.beta1)));
  const Vec rest2 = broadcast(static_cast<float>(1.0 - static_cast<double>(a.beta2)));
  forEachGradient(a.gradient, begin, end, [&](std::size_t i, Vec g) {
    const Vec p = load(a.parameters + i);
    g += decay * p;
    const Vec m = beta1 * load(a.average + i) + rest1 * g;
    const Vec v = beta2 * load(a.squareAverage + i) + rest2 * (g * g);
    store(a.average + i, m);
    store(a.squareAverage + i, v);
    store(a.parameters + i, p - step * m / (squareRoot(v) * root + epsilon));
  });
}

}  // namespace trainql::TRAINQL_ISA
