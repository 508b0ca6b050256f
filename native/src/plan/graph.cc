// Who reads which tensor.
#include "plan/graph.h"

namespace trainql {

std::vector<std::vector<int>> consumersOf(const Graph& graph) {
  std::vector<std::vector<int>> consumers(graph.shapes.size());
  for (std::size_t i = 0; i < graph.layers.size(); i++) {
    consumers[graph.layers[i].input].push_back(static_cast<int>(i));
    if (graph.layers[i].secondInput >= 0) consumers[graph.layers[i].secondInput].push_back(static_cast<int>(i));
  }
  return consumers;
}

}  // namespace trainql
