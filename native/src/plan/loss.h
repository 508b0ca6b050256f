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
  int correct5 = 0;  // among the five largest
};

// Targets are 1 - smoothing at the label plus smoothing / classes everywhere (Szegedy et al. 2016, arXiv:1512.00567).
double crossEntropy(const Logits&, const std::int32_t* labels, double smoothing);

// d(loss mean over globalBatch)/d logits, (images, row); padding columns become zero.
void crossEntropyGradient(const Logits&, const std::int32_t* labels, double smoothing, int globalBatch,
                          float* gradient);

// Loss without smoothing, accuracy, and the predicted class of each image. Among equal logits the first class wins;
// where a logit is NaN the prediction is -1 and counts as wrong.
LossSum score(const Logits&, const std::int32_t* labels, std::int32_t* predicted);

}  // namespace trainql
