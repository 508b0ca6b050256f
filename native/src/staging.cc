// Both ways that images may lie: with the pixels of all images side by side, or image by image in bfloat16.
#include "staging.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace trainql {

namespace {

// [pixel with border][image][channel]
void stagePixels(const Plan& plan, const float* images, int count, float* input) {
  const TensorLayout& t = plan.tensor(0);
  const ImageWindows& w = plan.imageWindows();
  const std::ptrdiff_t pixelRow = plan.batch() * t.row;
  std::memset(input, 0, sizeof(float) * static_cast<std::size_t>(w.width * w.height * pixelRow));
  for (int y = 0; y < t.height; y++) {
    float* const line = input + (static_cast<std::ptrdiff_t>(y + w.border) * w.width + w.border) * pixelRow;
    for (int image = 0; image < count; image++) {
      for (int c = 0; c < t.channels; c++) {
        const float* const from = images + (static_cast<std::ptrdiff_t>(image) * t.channels + c) * t.pixels() + y * t.width;
        float* const to = line + image * t.row + c;
        for (int x = 0; x < t.width; x++) to[x * pixelRow] = from[x];
      }
    }
  }
}

// [image][pixel with border][channel] in bfloat16
void stageWindows(const Plan& plan, const float* images, int count, float* input) {
  const TensorLayout& t = plan.tensor(0);
  const ImageWindows& w = plan.imageWindows();
  auto* const to = reinterpret_cast<std::uint16_t*>(input);
  const int vector = plan.kernels().vector;
  // Lines are written in whole vectors, each over the rest of the one before; the last over the values behind the batch.
  std::vector<float> line((w.lineValues() + vector - 1) / vector * vector);
  for (int image = 0; image < count; image++) {
    const float* const from = images + static_cast<std::ptrdiff_t>(image) * t.channels * t.pixels();
    for (int y = 0; y < w.height; y++) {
      const int row = y - w.border;
      std::fill(line.begin(), line.end(), 0.0f);
      for (int c = 0; row >= 0 && row < t.height && c < t.channels; c++) {
        const float* const channel = from + static_cast<std::ptrdiff_t>(c) * t.pixels() + row * t.width;
        float* const pixels = line.data() + w.border * t.channels + c;
        for (int x = 0; x < t.width; x++) pixels[x * t.channels] = channel[x];
      }
      plan.kernels().narrow(line.data(), to + image * w.imageStride() + y * w.lineValues(), line.size());
    }
  }
  const std::ptrdiff_t end = count * w.imageStride();
  std::fill(to + end, to + w.values(plan.batch()), std::uint16_t{0});
}

}  // namespace

void stageImages(const Plan& plan, const float* images, int count, float* input) {
  if (plan.imagesInWindows()) {
    stageWindows(plan, images, count, input);
  } else {
    stagePixels(plan, images, count, input);
  }
}

}  // namespace trainql
