// How the image batch lies for products in tile registers: [image][pixel][channel] in bfloat16, with a zero border. What a
// line of a filter sees is then one run of values, which may be read as a row of a whole panel or more: what follows it
// meets weights that are zero.
#pragma once

#include <cstddef>

namespace trainql {

struct ImageWindows {
  int channels = 0;
  int width = 0, height = 0;  // with the border
  int border = 0;

  static constexpr int panel = 32;  // values that are read at once, from anywhere in a line
  std::ptrdiff_t lineValues() const { return static_cast<std::ptrdiff_t>(width) * channels; }
  std::ptrdiff_t imageStride() const { return lineValues() * height; }
  std::size_t values(int batch) const { return static_cast<std::size_t>(imageStride()) * batch + panel; }
};

}  // namespace trainql
