// The table, the rule, and their version.
#include "plan/kernel_table.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <tuple>

namespace trainql {

namespace {

// Raise it with every change of `algorithmsByRule`, and of the order in which an algorithm sums.
constexpr int ruleRevision = 2;

auto fieldsOf(const ConvolutionShape& s) {
  return std::tie(s.inChannels, s.outChannels, s.kernel, s.stride, s.padding, s.height, s.width, s.batch);
}

// FNV-1a (Fowler, Noll & Vo), 32 bits.
std::uint32_t digest(const std::string& text) {
  std::uint32_t hash = 2166136261u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash;
}

}  // namespace

const char* nameOf(Algorithm algorithm) { return algorithm == Algorithm::direct ? "direct" : "winograd"; }

ConvolutionShape shapeOf(const Graph& graph, const Layer& layer, int batch) {
  const Shape in = graph.shapes[layer.input];
  return {layer.inChannels, layer.outChannels, layer.kernel, layer.stride, layer.padding, in.height, in.width, batch};
}

const std::vector<KernelTableEntry>& kernelTable() {
  constexpr Algorithm direct = Algorithm::direct, winograd = Algorithm::winograd;
  (void)direct;
  (void)winograd;
  static const std::vector<KernelTableEntry> table = {
#include "plan/kernel_table.inc"
  };
  return table;
}

std::string kernelTableVersion() {
  std::string text = "rule " + std::to_string(ruleRevision) + "\n";
  for (const KernelTableEntry& e : kernelTable()) {
    text += e.kernels;
    std::apply([&](auto... field) { ((text += ' ' + std::to_string(field)), ...); }, fieldsOf(e.shape));
    const Algorithms& a = e.algorithms;
    for (const Algorithm one : {a.forward, a.dataGradient, a.weightGradient}) text += std::string(" ") + nameOf(one);
    text += '\n';
  }
  char hex[9];
  std::snprintf(hex, sizeof hex, "%08x", digest(text));
  return hex;
}

bool accepts(Algorithm algorithm, const ConvolutionShape& s) {
  if (algorithm == Algorithm::direct) return true;
  // From 2x2 maps up every tap meets some pixel, which Winograd's transform of the weights takes for granted.
  return s.kernel == 3 && s.stride == 1 && s.padding == 1 && s.height >= 2 && s.width >= 2 &&
         std::max(s.inChannels, s.outChannels) <= winogradMostChannels;
}

// In fp32 Winograd, from 3x3 maps up: below, the direct product leaves out more taps than Winograd saves. With
// bfloat16 the direct product does twice the work an instruction, and Winograd, which multiplies in fp32, does not.
Algorithms algorithmsByRule(const Kernels& kernels, const ConvolutionShape& s) {
  const bool winograd =
      kernels.elementBytes == 4 && s.height >= 3 && s.width >= 3 && accepts(Algorithm::winograd, s);
  const Algorithm one = winograd ? Algorithm::winograd : Algorithm::direct;
  return {one, one, one};
}

Algorithms chooseAlgorithms(const Kernels& kernels, const ConvolutionShape& shape) {
  for (const KernelTableEntry& entry : kernelTable()) {
    if (entry.kernels == std::string(kernels.name) && fieldsOf(entry.shape) == fieldsOf(shape)) return entry.algorithms;
  }
  return algorithmsByRule(kernels, shape);
}

}  // namespace trainql
