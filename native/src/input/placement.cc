// Draws placements. Every operation is one of +, -, *, / and sqrt on doubles, in the order of placement.ts, and this file is
// compiled without contracting them, so that both give the same numbers.
#include "input/placement.h"

#include <algorithm>
#include <cmath>

#include "input/random.h"

namespace trainql {

namespace {

// e^x after fdlibm's e_exp.c (Sun Microsystems, 1993), as src/trainer/exponential.ts.
double exponential(double x) {
  const double k = std::floor(x * 1.44269504088896338700e+00 + 0.5);
  const double high = x - k * 6.93147180369123816490e-01, low = k * 1.90821492927058770002e-10;
  const double r = high - low, t = r * r;
  const double c =
      r - t * (1.66666666666666019037e-01 +
               t * (-2.77777777770155933842e-03 +
                    t * (6.61375632143793436117e-05 + t * (-1.65339022054652515390e-06 + t * 4.13813679705723846039e-08))));
  double y = 1.0 - ((low - (r * c) / (2.0 - c)) - high);
  for (double i = 0; i < k; i++) y *= 2;
  for (double i = 0; i > k; i--) y /= 2;
  return y;
}

int rounded(double x) { return static_cast<int>(std::nearbyint(x)); }  // halves to even

Box centred(int height, int width, const Size& stored) {
  return {(stored.height - height) / 2, (stored.width - width) / 2, height, width};
}

// torchvision.transforms.RandomResizedCrop.get_params.
Box drawResizedCrop(const Augmentation& a, Random& random, const Size& stored) {
  const double area = static_cast<double>(stored.height) * stored.width;
  for (int attempt = 0; attempt < 10; attempt++) {
    const double target = area * random.between(a.minScale, a.maxScale);
    const double ratio = exponential(random.between(a.logMinRatio, a.logMaxRatio));
    const double width = std::nearbyint(std::sqrt(target * ratio)), height = std::nearbyint(std::sqrt(target / ratio));
    if (!(width > 0 && width <= stored.width && height > 0 && height <= stored.height)) continue;
    const int h = static_cast<int>(height), w = static_cast<int>(width);
    const int top = static_cast<int>(random.below(stored.height - h + 1));
    const int left = static_cast<int>(random.below(stored.width - w + 1));
    return {top, left, h, w};
  }
  const double ratio = static_cast<double>(stored.width) / stored.height;
  if (ratio < a.minRatio) {
    return centred(std::clamp(rounded(stored.width / a.minRatio), 1, stored.height), stored.width, stored);
  }
  if (ratio > a.maxRatio) {
    return centred(stored.height, std::clamp(rounded(stored.height * a.maxRatio), 1, stored.width), stored);
  }
  return {0, 0, stored.height, stored.width};
}

// arXiv:1708.04552: the centre is any pixel, what lies outside the image is cut off.
Box drawCut(int side, Random& random, const Size& output) {
  const int top = static_cast<int>(random.below(output.height)) - side / 2;
  const int left = static_cast<int>(random.below(output.width)) - side / 2;
  const int bottom = std::min(top + side, output.height), right = std::min(left + side, output.width);
  return {std::max(top, 0), std::max(left, 0), bottom - std::max(top, 0), right - std::max(left, 0)};
}

}  // namespace

Placement plainPlacement(const Size& stored, const Size& output) {
  const double scale = std::min(static_cast<double>(stored.height) / output.height,
                                static_cast<double>(stored.width) / output.width);
  const int height = std::clamp(rounded(output.height * scale), 1, stored.height);
  const int width = std::clamp(rounded(output.width * scale), 1, stored.width);
  return {centred(height, width, stored), 0, 0, false, {0, 0, 0, 0}};
}

Placement drawPlacement(const Augmentation& a, const DrawKey& key, const Size& stored, const Size& output) {
  const auto random = [&](Stream stream) { return Random({key.seed, stream, key.index, key.epoch}); };
  Placement placement = plainPlacement(stored, output);
  if (a.resizedCrop) {
    Random r = random(Stream::resizedCrop);
    placement.box = drawResizedCrop(a, r, stored);
  }
  if (a.padding > 0) {
    Random r = random(Stream::crop);
    placement.top = static_cast<int>(r.below(2 * a.padding + 1)) - a.padding;
    placement.left = static_cast<int>(r.below(2 * a.padding + 1)) - a.padding;
  }
  if (a.flip) placement.flipped = random(Stream::flip).below(2) == 1;
  if (a.cutout > 0) {
    Random r = random(Stream::cutout);
    placement.cut = drawCut(a.cutout, r, output);
  }
  return placement;
}

}  // namespace trainql
