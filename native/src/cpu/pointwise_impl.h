// Pooling and element-wise passes.
#pragma once

#include <limits>

namespace trainql::TRAINQL_ISA {

// Ties go to the first tap in scan order, as in PyTorch; a NaN wins.
static void maxPoolForward(const MaxPool& a, const float* input, float* output, std::uint8_t* chosen, int pixelBegin,
                           int pixelEnd) {
  for (int p = pixelBegin; p < pixelEnd; p++) {
    const std::int32_t* window = a.windows + static_cast<std::ptrdiff_t>(p) * a.taps;
    for (int image = 0; image < a.batch; image++) {
      const std::ptrdiff_t out = (static_cast<std::ptrdiff_t>(p) * a.batch + image) * a.row;
      std::uint8_t* pick = chosen == nullptr ? nullptr
                                             : chosen + (static_cast<std::ptrdiff_t>(p) * a.batch + image) * a.channels;
      for (int c = 0; c < a.channels; c += V) {
        Vec best = broadcast(-std::numeric_limits<float>::infinity());
        Mask at{};
        for (int t = 0; t < a.taps; t++) {
          if (window[t] < 0) continue;
          const Vec v = load(input + (static_cast<std::ptrdiff_t>(window[t]) * a.batch + image) * a.row + c);
          const Mask better = (v > best) | (v != v);
          best = better ? v : best;
          at = better ? Mask{} + t : at;
        }
        store(output + out + c, best);
        if (pick != nullptr) {
          for (int i = 0; i < V; i++) pick[c + i] = static_cast<std::uint8_t>(at[i]);
        }
      }
    }
  }
}

static void maxPoolBackward(const MaxPool& a, const float* outputGradient, const std::uint8_t* chosen,
                            float* inputGradient, bool accumulate, int pixelBegin, int pixelEnd) {
  for (int p = pixelBegin; p < pixelEnd; p++) {
    const std::int32_t* holders = a.windows + static_cast<std::ptrdiff_t>(p) * a.taps;
    for (int image = 0; image < a.batch; image++) {
      float* dx = inputGradient + (static_cast<std::ptrdiff_t>(p) * a.batch + image) * a.row;
      for (int c = 0; c < a.channels; c += V) {
        Vec sum = accumulate ? load(dx + c) : Vec{};
        for (int t = 0; t < a.taps; t++) {
          if (holders[t] < 0) continue;
          const std::ptrdiff_t out = static_cast<std::ptrdiff_t>(holders[t]) * a.batch + image;
          const std::uint8_t* pick = chosen + out * a.channels + c;
          Mask at;
          for (int i = 0; i < V; i++) at[i] = pick[i];
          sum += keepWhere(at == t, load(outputGradient + out * a.row + c));
        }
        store(dx + c, sum);
      }
    }
  }
}

static void addRelu(const float* a, const float* b, float* y, std::size_t count, bool asRelu) {
  for (std::size_t i = 0; i < count; i += V) {
    Vec v = load(a + i);
    if (b != nullptr) v += load(b + i);
    store(y + i, asRelu ? relu(v) : v);
  }
}

static void passGradient(const float* dy, const float* mask, float* dx, std::size_t count, bool accumulate) {
  for (std::size_t i = 0; i < count; i += V) {
    Vec v = load(dy + i);
    if (mask != nullptr) v = keepWhere(load(mask + i) > Vec{}, v);
    store(dx + i, accumulate ? load(dx + i) + v : v);
  }
}

static void addTo(float* sum, const float* term, std::size_t count) {
  for (std::size_t i = 0; i < count; i += V) store(sum + i, load(sum + i) + load(term + i));
}

}  // namespace trainql::TRAINQL_ISA
