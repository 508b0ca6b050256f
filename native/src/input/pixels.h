// Turns stored uint8 images into normalised floats as a placement says.
#pragma once

#include <cstdint>
#include <vector>

#include "input/placement.h"

namespace trainql {

// Normalisation of one byte: a table for bytes as they are, a line for what lies between them. By channel.
struct Levels {
  std::vector<float> table;         // (channels, 256)
  std::vector<float> scale, shift;  // value * scale + shift
};

// The scratch memory of one thread that places images.
class Placer {
 public:
  Placer(int channels, const Size& output, const Levels& levels);

  // `image` is (C, stored height, stored width), `out` (C, height, width).
  void place(const std::uint8_t* image, const Size& stored, const Placement&, float* out);

 private:
  // Which positions of the box each output position lies between; outside begin … end it is black.
  struct Axis {
    int begin, end;
    std::vector<int> low;
    std::vector<float> weight;  // of low + 1
  };
  struct Span {
    int box, from;
    bool flipped;
  };

  static void measure(Axis&, int length, const Span&);
  void copy(const std::uint8_t* image, const Size& stored, const Placement&, float* out) const;
  void scale(const std::uint8_t* image, const Size& stored, const Placement&, float* out);
  void cut(const Box&, float* out) const;

  const int channels_;
  const Size output_;
  const Levels& levels_;
  Axis rows_, columns_;
  std::vector<float> blended_;
};

}  // namespace trainql
