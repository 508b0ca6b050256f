// A data gradient over rows that are few beside the weights: the rows are turned, not the weights.
#pragma once

#include "plan/op.h"
#include "plan/plan.h"
#include "plan/row_groups.h"

namespace trainql {

class TurnedGradient {
 public:
  // Whether the layer has less to turn so, in whole registers.
  static bool pays(const Plan&, int layer);

  // `rows`: those of the data gradient, sealed; they outlive this.
  TurnedGradient(Plan&, int layer, const RowGroups& rows);

  // The same bits as the product over transposed weights.
  void compute(const Workspace&, bool accumulate, const RowsMade&) const;

 private:
  std::ptrdiff_t pixelStride(const TensorLayout& t) const { return static_cast<std::ptrdiff_t>(t.padded) * images_; }

  const WeightLayout& weight_;
  const TensorLayout in_, out_;
  const RowGroups& rows_;
  const int batch_;
  const int images_;  // filled up to whole panels
};

}  // namespace trainql
