// How one stored image becomes one image of a batch: which part of it, where, mirrored or not, with which hole.
#pragma once

#include <cstdint>

namespace trainql {

struct Size {
  int height, width;
};

struct Box {
  int top, left, height, width;
};

// Settings of the random changes; what is zero or false does not happen. Meant as in src/trainer/input/placement.ts,
// which is the oracle of this file.
struct Augmentation {
  bool resizedCrop = false;
  double minScale = 0, maxScale = 0;        // share of the area
  double minRatio = 0, maxRatio = 0;        // width / height
  double logMinRatio = 0, logMaxRatio = 0;  // their natural logarithms, taken where the spec is read
  int padding = 0;
  bool flip = false;
  int cutout = 0;
};

struct Placement {
  Box box;           // of the stored image; scaled to the output's size
  int top, left;     // where in the scaled image the output begins; outside of it everything is black
  bool flipped;
  Box cut;           // of the output, set to zero; of height 0 where there is none
};

// The part of the image that an unchanged output shows: the largest of the output's shape, from the middle.
Placement plainPlacement(const Size& stored, const Size& output);

// A pure function of (seed, epoch, index).
struct DrawKey {
  std::uint64_t seed;
  std::uint32_t epoch, index;
};
Placement drawPlacement(const Augmentation&, const DrawKey&, const Size& stored, const Size& output);

}  // namespace trainql
