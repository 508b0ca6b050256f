// Softmax cross-entropy over the logits of one shard.
#pragma once

#include <cstddef>
#include <cstdint>

namespace trainql {

struct Logits {
  const float* rows;   // (images, row)
  std::ptrdiff_t row;
  int images;          // those that count; later rows are ignored
  int classes;
  int padded;
};

struct LossSum {
  double loss = 0;   // sum over images
  int correct = 0;   // largest logit is the label's
};

LossSum crossEntropy(const Logits&, const std::int32_t* labels);

// d(loss mean over globalBatch)/d logits, (images, row); padding columns become zero.
void crossEntropyGradient(const Logits&, const std::int32_t* labels, int globalBatch, float* gradient);

}  // namespace trainql
