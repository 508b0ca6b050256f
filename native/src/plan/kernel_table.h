// Which algorithm computes a convolution, in each direction: a table that the tuning command writes, and a rule where
// it has no entry. Both see the kernels and the shape of one shard, never a clock or the number of devices.
#pragma once

#include <string>
#include <vector>

#include "cpu/kernels.h"
#include "plan/graph.h"

namespace trainql {

enum class Algorithm { direct, winograd };
constexpr Algorithm everyAlgorithm[] = {Algorithm::direct, Algorithm::winograd};
const char* nameOf(Algorithm);

struct Algorithms {
  Algorithm forward, dataGradient, weightGradient;
};

struct ConvolutionShape {
  int inChannels, outChannels;
  int kernel, stride, padding;
  int height, width;  // of the input
  int batch;          // images of one shard
};
ConvolutionShape shapeOf(const Graph&, const Layer&, int batch);

struct KernelTableEntry {
  const char* kernels;  // `Kernels::name`: instruction set, and with it the number format
  ConvolutionShape shape;
  Algorithms algorithms;
};
const std::vector<KernelTableEntry>& kernelTable();
// A digest of table and rule: they choose alike where it is the same.
std::string kernelTableVersion();

// Whether the algorithm can compute this convolution, in any direction. Not asked where it reads the image batch, which
// is always direct.
bool accepts(Algorithm, const ConvolutionShape&);
Algorithms algorithmsByRule(const Kernels&, const ConvolutionShape&);
// The table's choice, else the rule's.
Algorithms chooseAlgorithms(const Kernels&, const ConvolutionShape&);

}  // namespace trainql
