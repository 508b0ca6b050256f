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

double crossEntropy(const Logits& l, const std::int32_t* labels, double smoothing) {
  double loss = 0;
  for (int image = 0; image < l.images; image++) {
    const float* x = l.rows + image * l.row;
    const double norm = logSumExp(x, l.classes);
    loss += (1 - smoothing) * (norm - x[labels[image]]);
    if (smoothing == 0) continue;
    double sum = 0;
    for (int c = 0; c < l.classes; c++) sum += x[c];
    loss += smoothing * (norm - sum / l.classes);
  }
  return loss;
}

void crossEntropyGradient(const Logits& l, const std::int32_t* labels, double smoothing, int globalBatch,
                          float* gradient) {
  const double share = 1.0 / globalBatch, spread = smoothing / l.classes;
  for (int image = 0; image < l.images; image++) {
    const float* x = l.rows + image * l.row;
    float* dx = gradient + image * l.row;
    const double norm = logSumExp(x, l.classes);
    for (int c = 0; c < l.classes; c++) {
      const double target = spread + (c == labels[image] ? 1 - smoothing : 0.0);
      dx[c] = static_cast<float>((std::exp(x[c] - norm) - target) * share);
    }
    std::fill(dx + l.classes, dx + l.padded, 0.0f);
  }
}

LossSum score(const Logits& l, const std::int32_t* labels, std::int32_t* predicted) {
  LossSum sum;
  sum.loss = crossEntropy(l, labels, 0);
  for (int image = 0; image < l.images; image++) {
    const float* x = l.rows + image * l.row;
    const std::int32_t label = labels[image];
    predicted[image] = -1;
    if (std::any_of(x, x + l.classes, [](float logit) { return std::isnan(logit); })) continue;
    predicted[image] = static_cast<std::int32_t>(std::max_element(x, x + l.classes) - x);
    int ahead = 0;
    for (int c = 0; c < l.classes; c++) ahead += x[c] > x[label] || (x[c] == x[label] && c < label);
    if (predicted[image] == label) sum.correct++;
    if (ahead < 5) sum.correct5++;
  }
  return sum;
}

}  // namespace trainql
