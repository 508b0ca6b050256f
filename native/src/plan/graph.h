// A model graph as the engine reads it: plain data, already validated by the caller.
#pragma once

#include <vector>

namespace trainql {

enum class LayerKind { convolution, batchNorm, relu, add, maxPool, globalAveragePool, linear };

struct Layer {
  LayerKind kind;
  int input = 0;
  int secondInput = -1;  // add only
  int output = 0;
  int inChannels = 0, outChannels = 0;
  int kernel = 1, stride = 1, padding = 0;
  float epsilon = 0, momentum = 0;
};

struct Shape {
  int channels, height, width;
  int pixels() const { return height * width; }
};

struct Graph {
  int classes = 0;
  int logits = 0;  // tensor; tensor 0 is the image batch
  std::vector<Shape> shapes;
  std::vector<Layer> layers;
};

// By tensor, the indices of the layers that read it.
std::vector<std::vector<int>> consumersOf(const Graph&);

}  // namespace trainql
