// Which passes of batch norms over memory other steps take over.
#include <algorithm>

#include "plan/convolution_step.h"
#include "plan/plan.h"
#include "plan/steps.h"

namespace trainql {

// A pass of a batch norm goes to the convolution that makes the rows it reads, where that does so in order: the one that
// makes its input, or the one behind it if that is the last to add to the gradient of its output.
void Plan::shareRows() {
  const auto consumers = consumersOf(graph_);
  const auto give = [](BatchNormStep& norm, ConvolutionStep* convolution, RowPass pass) {
    if (convolution == nullptr || !convolution->canTake(pass)) return;
    norm.leave(pass);
    convolution->take(pass, norm);
  };
  for (std::size_t i = 0; i < ops_.size(); i++) {
    BatchNormStep* const norm = ops_[i]->batchNorm();
    if (norm == nullptr) continue;
    const int input = graph_.layers[norm->layer].input;
    for (std::size_t maker = 0; maker < i && consumers[input].size() == 1; maker++) {
      if (graph_.layers[ops_[maker]->layer].output == input) give(*norm, ops_[maker]->convolution(), RowPass::measure);
    }
    if (i + 1 == ops_.size() || ops_[i + 1]->gradientTargets != std::vector<int>{norm->output()}) continue;
    give(*norm, ops_[i + 1]->convolution(), RowPass::reduce);
  }
}

// Where all that read a batch norm's output can norm its input as they read, that is not in memory in training.
void Plan::leaveNorms() {
  const auto consumers = consumersOf(graph_);
  isAbsent_.assign(buffers_.size(), 0);
  for (const auto& op : ops_) {
    BatchNormStep* const norm = op->batchNorm();
    if (norm == nullptr || norm->output() == graph_.logits) continue;
    std::vector<Op*> readers;
    for (const auto& reader : ops_) {
      if (reader->canNorm(*norm)) readers.push_back(reader.get());
    }
    if (readers.size() != consumers[norm->output()].size()) continue;
    norm->leaveToReaders();
    for (Op* const reader : readers) reader->norm(*norm);
    isAbsent_[tensors_[norm->output()].activation] = isAbsent_[tensors_[norm->output()].kept] = 1;
  }
}

}  // namespace trainql
