// Copying, bilinear scaling and holes. src/trainer/input/pixels.ts is the oracle, equal in every bit: single-precision
// operations in the same order, none contracted.
#include "input/pixels.h"

#include <algorithm>
#include <cstddef>

namespace trainql {

Placer::Placer(int channels, const Size& output, const Levels& levels)
    : channels_(channels), output_(output), levels_(levels) {}

void Placer::place(const std::uint8_t* image, const Size& stored, const Placement& p, float* out) {
  if (p.box.height == output_.height && p.box.width == output_.width) {
    copy(image, stored, p, out);
  } else {
    scale(image, stored, p, out);
  }
  if (p.cut.height > 0) cut(p.cut, out);
}

void Placer::copy(const std::uint8_t* image, const Size& stored, const Placement& p, float* out) const {
  const int height = output_.height, width = output_.width;
  // Columns begin … end of the unmirrored row show the image.
  const int begin = std::clamp(-p.left, 0, width), end = std::clamp(width - p.left, begin, width);
  for (int c = 0; c < channels_; c++) {
    const float* table = levels_.table.data() + c * 256;
    const std::uint8_t* plane = image + static_cast<std::size_t>(c) * stored.height * stored.width;
    for (int y = 0; y < height; y++, out += width) {
      const int row = y + p.top;
      if (row < 0 || row >= height) {
        std::fill_n(out, width, table[0]);
        continue;
      }
      // May lie left of the plane; with x it does not.
      const std::ptrdiff_t from = static_cast<std::ptrdiff_t>(row + p.box.top) * stored.width + p.box.left + p.left;
      if (p.flipped) {
        std::fill_n(out, width - end, table[0]);
        for (int x = begin; x < end; x++) out[width - 1 - x] = table[plane[from + x]];
        std::fill_n(out + width - begin, begin, table[0]);
      } else {
        std::fill_n(out, begin, table[0]);
        for (int x = begin; x < end; x++) out[x] = table[plane[from + x]];
        std::fill_n(out + end, width - end, table[0]);
      }
    }
  }
}

// torch.nn.functional.interpolate(mode='bilinear', align_corners=False, antialias=False) along one axis.
void Placer::measure(Axis& axis, int length, const Span& span) {
  axis.low.resize(length);
  axis.weight.resize(length);
  axis.begin = length;
  axis.end = 0;
  const double scale = static_cast<double>(span.box) / length;
  for (int i = 0; i < length; i++) {
    const int at = (span.flipped ? length - 1 - i : i) + span.from;
    if (at < 0 || at >= length) continue;
    const double position = std::clamp((at + 0.5) * scale - 0.5, 0.0, span.box - 1.0);
    axis.low[i] = static_cast<int>(position);
    axis.weight[i] = static_cast<float>(position - axis.low[i]);
    axis.begin = std::min(axis.begin, i);
    axis.end = i + 1;
  }
}

void Placer::scale(const std::uint8_t* image, const Size& stored, const Placement& p, float* out) {
  const int width = output_.width, box = p.box.width;
  measure(rows_, output_.height, {p.box.height, p.top, false});
  measure(columns_, width, {box, p.left, p.flipped});
  blended_.resize(box + 1);
  float* const blended = blended_.data();
  for (int c = 0; c < channels_; c++) {
    const float black = levels_.table[c * 256], factor = levels_.scale[c], shift = levels_.shift[c];
    const std::uint8_t* plane = image + static_cast<std::size_t>(c) * stored.height * stored.width +
                                static_cast<std::size_t>(p.box.top) * stored.width + p.box.left;
    for (int y = 0; y < output_.height; y++, out += width) {
      if (y < rows_.begin || y >= rows_.end) {
        std::fill_n(out, width, black);
        continue;
      }
      const std::uint8_t* upper = plane + static_cast<std::size_t>(rows_.low[y]) * stored.width;
      const std::uint8_t* lower = rows_.low[y] + 1 < p.box.height ? upper + stored.width : upper;
      const float down = rows_.weight[y];
      for (int x = 0; x < box; x++) {
        const float above = upper[x], below = lower[x];
        blended[x] = above + (below - above) * down;
      }
      blended[box] = blended[box - 1];
      std::fill_n(out, columns_.begin, black);
      const int* const low = columns_.low.data();
      const float* const weight = columns_.weight.data();
      for (int x = columns_.begin; x < columns_.end; x++) {
        const float left = blended[low[x]], right = blended[low[x] + 1];
        out[x] = (left + (right - left) * weight[x]) * factor + shift;
      }
      if (columns_.end < width) std::fill_n(out + columns_.end, width - columns_.end, black);
    }
  }
}

void Placer::cut(const Box& box, float* out) const {
  for (int c = 0; c < channels_; c++) {
    for (int y = box.top; y < box.top + box.height; y++) {
      std::fill_n(out + (static_cast<std::size_t>(c) * output_.height + y) * output_.width + box.left, box.width, 0.0f);
    }
  }
}

}  // namespace trainql
