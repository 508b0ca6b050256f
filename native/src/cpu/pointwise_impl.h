// Pooling and element-wise passes.
#pragma once

#include <limits>

namespace trainql::TRAINQL_ISA {

// Ties go to the first tap in scan order, as in PyTorch; a NaN wins.
template <class F>
static inline void poolLargest(const MaxPool& a, const void* input, void* output, std::uint8_t* chosen, Part pixels, F&& valueOf) {
  for (int p = pixels.begin; p < pixels.end; p++) {
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
          const Vec v = valueOf(load(elements(input) + (static_cast<std::ptrdiff_t>(window[t]) * a.batch + image) * a.row + c), c);
          const Mask better = (v > best) | (v != v);
          best = better ? v : best;
          at = better ? Mask{} + t : at;
        }
        store(elements(output) + out + c, best);
        if (pick != nullptr) {
          for (int i = 0; i < V; i++) pick[c + i] = static_cast<std::uint8_t>(at[i]);
        }
      }
    }
  }
}

static void maxPoolForward(const MaxPool& a, const void* input, void* output, std::uint8_t* chosen, int pixelBegin,
                           int pixelEnd) {
  const Part pixels{pixelBegin, pixelEnd};
  if (a.finish.scale == nullptr) return poolLargest(a, input, output, chosen, pixels, [](Vec v, int) { return v; });
  withRelu(a.finish, [&](auto relu) {
    poolLargest(a, input, output, chosen, pixels, [&](Vec v, int c) {
      return finished<Added::nothing, decltype(relu)::value>(a.finish, v, c, nullptr);
    });
  });
}

static void maxPoolBackward(const MaxPool& a, const void* outputGradient, const std::uint8_t* chosen,
                            void* inputGradient, bool accumulate, int pixelBegin, int pixelEnd) {
  for (int p = pixelBegin; p < pixelEnd; p++) {
    const std::int32_t* holders = a.windows + static_cast<std::ptrdiff_t>(p) * a.taps;
    for (int image = 0; image < a.batch; image++) {
      Element* dx = elements(inputGradient) + (static_cast<std::ptrdiff_t>(p) * a.batch + image) * a.row;
      for (int c = 0; c < a.channels; c += V) {
        Vec sum = accumulate ? load(dx + c) : Vec{};
        for (int t = 0; t < a.taps; t++) {
          if (holders[t] < 0) continue;
          const std::ptrdiff_t out = static_cast<std::ptrdiff_t>(holders[t]) * a.batch + image;
          const std::uint8_t* pick = chosen + out * a.channels + c;
          Mask at;
          for (int i = 0; i < V; i++) at[i] = pick[i];
          sum += keepWhere(at == t, load(elements(outputGradient) + out * a.row + c));
        }
        store(dx + c, sum);
      }
    }
  }
}

// y[c] = mean over pixels of x[pixel][image][c]
static void averageForward(const MapRows& a, const void* input, void* output, int imageBegin, int imageEnd) {
  const Vec share = broadcast(1.0f / static_cast<float>(a.pixels));
  for (int image = imageBegin; image < imageEnd; image++) {
    for (int c = 0; c < a.channels; c += V) {
      Vec sum{};
      for (int p = 0; p < a.pixels; p++) {
        sum += load(elements(input) + (static_cast<std::ptrdiff_t>(p) * a.batch + image) * a.row + c);
      }
      store(elements(output) + image * a.outputRow + c, sum * share);
    }
  }
}

static void averageBackward(const MapRows& a, const void* outputGradient, void* inputGradient, bool accumulate,
                            int pixelBegin, int pixelEnd) {
  const Vec share = broadcast(1.0f / static_cast<float>(a.pixels));
  for (int p = pixelBegin; p < pixelEnd; p++) {
    for (int image = 0; image < a.batch; image++) {
      const Element* dy = elements(outputGradient) + image * a.outputRow;
      Element* dx = elements(inputGradient) + (static_cast<std::ptrdiff_t>(p) * a.batch + image) * a.row;
      for (int c = 0; c < a.channels; c += V) {
        const Vec v = load(dy + c) * share;
        store(dx + c, accumulate ? load(dx + c) + v : v);
      }
    }
  }
}

static void addRelu(const void* a, const void* b, void* y, std::size_t count, bool asRelu) {
  for (std::size_t i = 0; i < count; i += V) {
    Vec v = load(elements(a) + i);
    if (b != nullptr) v += load(elements(b) + i);
    store(elements(y) + i, asRelu ? relu(v) : v);
  }
}

static void passGradient(const void* dy, const void* mask, void* dx, std::size_t count, bool accumulate) {
  Element* const to = elements(dx);
  for (std::size_t i = 0; i < count; i += V) {
    Vec v = load(elements(dy) + i);
    if (mask != nullptr) v = keepWhere(load(elements(mask) + i) > Vec{}, v);
    store(to + i, accumulate ? load(to + i) + v : v);
  }
}

static void widen(const void* from, float* to, std::size_t count) {
  for (std::size_t i = 0; i < count; i += V) store(to + i, load(elements(from) + i));
}

static void narrow(const float* from, void* to, std::size_t count) {
  for (std::size_t i = 0; i < count; i += V) store(elements(to) + i, load(from + i));
}

static void addTo(float* sum, const float* term, std::size_t count) {
  for (std::size_t i = 0; i < count; i += V) store(sum + i, load(sum + i) + load(term + i));
}

}  // namespace trainql::TRAINQL_ISA
