// The output rows of one product, grouped by the taps that are valid there.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "cpu/kernels.h"

namespace trainql {

// How the groups are cut into pieces for tile registers.
enum class Pieces {
  none,
  rows,       // images of a pixel, and of pixels side by side; or pixels of an image, where that makes fewer
  ofOneImage  // pixels alone: the images lie apart
};

// Owns what the row groups of one product point to.
class RowGroups {
 public:
  // Adds one output pixel: its base, and the taps valid there.
  void add(int outPixel, int basePixel, int kind, const std::vector<Tap>& taps) {
    std::vector<int> key{kind};
    for (const Tap& tap : taps) key.push_back(tap.slot);
    auto [found, isNew] = index_.try_emplace(key, static_cast<int>(members_.size()));
    if (isNew) members_.emplace_back();
    Members& m = members_[found->second];
    if (isNew) m.taps = taps;
    m.base.push_back(basePixel);
    m.out.push_back(outPixel);
  }

  void seal(int images, Pieces pieces) {
    for (Members& m : members_) {
      if (pieces != Pieces::none) m.pieces = piecesOf(m.base, images, pieces == Pieces::ofOneImage);
      groups_.push_back({m.base.data(), m.out.data(), static_cast<int>(m.out.size()), m.taps.data(),
                         static_cast<int>(m.taps.size()), m.pieces.data(), static_cast<int>(m.pieces.size())});
    }
  }

  const std::vector<RowGroup>& groups() const { return groups_; }

  // Whether the product makes its rows from first to last.
  bool makesRowsInOrder() const { return members_.size() == 1 && std::is_sorted(members_[0].out.begin(), members_[0].out.end()); }

 private:
  struct Members {
    std::vector<Tap> taps;
    std::vector<std::int32_t> base, out;
    std::vector<RowPiece> pieces;
  };

  static constexpr int most = 16;  // rows that a register holds
  static int countOf(int rows) { return (rows + most - 1) / most; }

  static std::vector<RowPiece> piecesOf(const std::vector<std::int32_t>& base, int images, bool ofOneImage) {
    std::vector<RowPiece> pieces;
    for (std::size_t begin = 0, end; begin < base.size(); begin = end) {
      // Pixels at one distance from each other.
      const int step = begin + 1 < base.size() ? base[begin + 1] - base[begin] : 1;
      for (end = begin + 1; end < base.size() && base[end] == base[end - 1] + step;) end++;
      const int first = static_cast<int>(begin), pixels = static_cast<int>(end - begin);
      const int along = images * countOf(pixels), across = step == 1 ? countOf(pixels * images) : pixels * countOf(images);
      if (ofOneImage || along < across) {
        for (int image = 0; image < images; image++) {
          for (int p = 0; p < pixels; p += most) pieces.push_back({first + p, image, std::min(most, pixels - p), step});
        }
        continue;
      }
      const int run = step == 1 ? pixels * images : images;
      for (int p = 0; p < pixels; p += run / images) {
        for (int row = 0; row < run; row += most) {
          pieces.push_back({first + p + row / images, row % images, std::min(most, run - row), 0});
        }
      }
    }
    return pieces;
  }

  std::map<std::vector<int>, int> index_;
  std::deque<Members> members_;
  std::vector<RowGroup> groups_;
};

}  // namespace trainql
