// Loss in double precision: it is a few thousand numbers, and everything behind it depends on it.
#include "plan/loss.h"

#include <algorithm>
#include <cmath>

namespace trainql {

namespace {

// log(sum(exp(x))) without overflow.
double logSumExp(const float* x, int classes) {
  const double top = *std::max_element(x, x + classes);
  double sum = 0;
  for (int c = 0; c < classes; c++) sum += std::exp(x[c] - top);
  return top + std::log(sum);
}

}  // namespace

LossSum crossEntropy(const Logits& l, const std::int32_t* labels) {
  LossSum sum;
  for (int image = 0; image < l.images; image++) {
    const float* x = l.rows + image * l.row;
    sum.loss += logSumExp(x, l.classes) - x[labels[image]];
    if (std::max_element(x, x + l.classes) - x == labels[image]) sum.correct++;
  }
  return sum;
}

void crossEntropyGradient(const Logits& l, const std::int32_t* labels, int globalBatch, float* gradient) {
  const double share = 1.0 / globalBatch;
  for (int image = 0; image < l.images; image++) {
    const float* x = l.rows + image * l.row;
    float* dx = gradient + image * l.row;
    const double norm = logSumExp(x, l.classes);
    for (int c = 0; c < l.classes; c++) {
      dx[c] = static_cast<float>((std::exp(x[c] - norm) - (c == labels[image] ? 1.0 : 0.0)) * share);
    }
    std::fill(dx + l.classes, dx + l.padded, 0.0f);
  }
}

}  // namespace trainql
