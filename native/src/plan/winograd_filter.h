// The weights of a convolution in Winograd's transform, for one direction.
#pragma once

#include <vector>

#include "plan/op.h"
#include "plan/parameters.h"

namespace trainql {

// Floats from one of 36 planes to the next: one line more than whole pages, since a tile writes all planes at once, each
// into other cache sets.
inline std::ptrdiff_t spreadPlane(std::ptrdiff_t floats) { return (floats + 1023) / 1024 * 1024 + 16; }

// Transformed as a whole, once before the shards of a device, or, where they would outgrow the caches, in parts that stay in
// L2 until they are multiplied.
class WinogradFilter {
 public:
  // Tile rows at least that a part is multiplied with: it is made anew for others.
  static constexpr int leastRowsOfPart = 128;

  // Forward, or as a data gradient sees the filter: by 180 degrees, and from output to input channels.
  enum class Side { forward, turned };

  // Some rows (input channels) of some panels (of output channels): [plane][panel][row][panel width]; the other way round
  // where the filter is transposed.
  struct Part {
    int pairBegin, pairEnd;
    int panelBegin, panels;
    int rowBegin, rows;
    bool resume;  // goes on with sums that the part before it began

    int planes() const { return (pairEnd - pairBegin) * winogradPairPlanes; }
  };

  // `isShared`: by several shards.
  WinogradFilter(const WeightLayout&, int tileRows, Side, bool isShared);

  bool whole() const { return parts_.size() == 1; }
  // Whether a turned filter is not transposed, so that what it is multiplied with must be.
  bool turnsRows() const { return side_ == Side::turned && !transposed_; }
  std::ptrdiff_t plane() const { return plane_; }  // from one of a part to the next
  std::size_t floats() const;

  void prepare(const Workspace&) const;
  // Calls use(part, ahead) with each part in `Workspace::weights`; ahead(i) is what the product of its i-th plane may fetch
  // of the weights that the next part is made of.
  template <class Use>
  void eachPart(const Workspace& w, Use&& use) const {
    for (std::size_t i = 0; i < parts_.size(); i++) {
      if (!whole()) transform(w, parts_[i]);
      const Part* const next = i + 1 < parts_.size() ? &parts_[i + 1] : nullptr;
      use(parts_[i], [&, next](int plane) { return next == nullptr ? Ahead{} : weightsOf(w, *next, plane); });
    }
  }

 private:
  const float* tap(const Workspace&, int) const;
  Ahead weightsOf(const Workspace&, const Part&, int plane) const;
  void transform(const Workspace&, const Part&) const;
  void transformTransposed(const Workspace&, const Part&, int inPanel, int outPanel) const;

  const WeightLayout& weight_;
  const Side side_;
  bool transposed_;
  std::vector<Part> parts_;
  std::ptrdiff_t plane_;
};

}  // namespace trainql
