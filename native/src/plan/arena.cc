// Greedy placement by size (Pisarchyk & Lee 2020, arXiv:2001.03288).
#include "plan/arena.h"

#include <algorithm>
#include <numeric>

namespace trainql {

namespace {

// Cache lines, so that two buffers never share one.
constexpr std::size_t grain = 16;

bool overlap(const Lifetime& a, const Lifetime& b) { return a.first <= b.last && b.first <= a.last; }

}  // namespace

ArenaPlan planArena(const std::vector<Lifetime>& buffers) {
  ArenaPlan plan;
  plan.offsets.assign(buffers.size(), 0);
  std::vector<std::size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return buffers[a].floats > buffers[b].floats; });
  std::vector<std::size_t> placed;  // ascending offset
  for (std::size_t i : order) {
    if (buffers[i].first < 0) continue;
    const std::size_t size = (buffers[i].floats + grain - 1) / grain * grain;
    std::size_t at = 0;
    for (std::size_t j : placed) {
      if (!overlap(buffers[i], buffers[j])) continue;
      if (at + size <= plan.offsets[j]) break;
      at = std::max(at, plan.offsets[j] + (buffers[j].floats + grain - 1) / grain * grain);
    }
    plan.offsets[i] = at;
    plan.floats = std::max(plan.floats, at + size);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), i,
                                   [&](std::size_t a, std::size_t b) { return plan.offsets[a] < plan.offsets[b]; }),
                  i);
  }
  return plan;
}

}  // namespace trainql
