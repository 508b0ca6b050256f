// Turns the output's gradient, multiplies it with the parameters as they lie, and turns the input's gradient back.
#include "plan/turned_gradient.h"

namespace trainql {

bool TurnedGradient::pays(const Plan& plan, int layerIndex) {
  const Layer& layer = plan.graph().layers[layerIndex];
  const TensorLayout &in = plan.tensor(layer.input), &out = plan.tensor(layer.output);
  const WeightLayout& weight = plan.parameters().of(layerIndex).weight;
  const Kernels& kernels = plan.kernels();
  const bool whole = in.channels % kernels.panel == 0 && out.channels % kernels.panel == 0 && plan.batch() % kernels.vector == 0;
  if (layer.input == 0 || kernels.elementBytes != sizeof(float) || !whole) return false;
  const double values = static_cast<double>(in.pixels() * in.padded + out.pixels() * out.padded) * plan.batch();
  return static_cast<double>(weight.liveSize()) >= plan.limits().leastTurnedWeights * values;
}

TurnedGradient::TurnedGradient(Plan& plan, int layer, const RowGroups& rows)
    : weight_(plan.parameters().of(layer).weight),
      in_(plan.tensor(plan.graph().layers[layer].input)),
      out_(plan.tensor(plan.graph().layers[layer].output)),
      rows_(rows),
      batch_(plan.batch()),
      images_(paddedChannels(plan.batch(), plan.kernels())) {
  plan.needScratch(static_cast<std::size_t>(out_.pixels() * pixelStride(out_) + in_.pixels() * pixelStride(in_)));
}

void TurnedGradient::compute(const Workspace& w, bool accumulate, const RowsMade& made) const {
  const int panel = w.kernels.panel;
  float* const outputGradient = w.scratch;
  float* const inputGradient = outputGradient + out_.pixels() * pixelStride(out_);
  w.team.split(out_.pixels(), [&](int begin, int end) {
    for (int pixel = begin; pixel < end; pixel++) {
      w.kernels.turnPlane({batch_, out_.padded, w.at(out_.gradient) + pixel * batch_ * out_.row, out_.row, out_.padded, 0,
                           outputGradient + pixel * pixelStride(out_), panel, panel, static_cast<std::ptrdiff_t>(out_.padded) * panel});
    }
  });
  TurnedProduct a{};
  a.groups = rows_.groups().data();
  a.groupCount = static_cast<int>(rows_.groups().size());
  a.batch = batch_;
  a.channels = in_.padded;
  a.depth = out_.padded;
  a.weights = w.parameters + weight_.live;
  a.slotStride = static_cast<std::ptrdiff_t>(weight_.slotStride());
  a.panelStride = static_cast<std::ptrdiff_t>(weight_.panelStride());
  a.outputGradient = outputGradient;
  a.inputGradient = inputGradient;
  a.outPixelStride = pixelStride(out_);
  a.inPixelStride = pixelStride(in_);
  w.team.split(w.kernels.turnedTiles(a), [&](int begin, int end) { w.kernels.turnedProduct(a, begin, end); });
  w.team.split(in_.pixels(), [&](int begin, int end) {
    for (int pixel = begin; pixel < end; pixel++) {
      w.kernels.turnPlane({in_.padded, batch_, inputGradient + pixel * pixelStride(in_), panel, panel, static_cast<std::ptrdiff_t>(in_.padded) * panel,
                           w.at(in_.gradient) + pixel * batch_ * in_.row, in_.row, in_.padded, 0, accumulate});
    }
  });
  if (made.call != nullptr) made.call(made.receiver, 0, in_.pixels() * batch_);
}

}  // namespace trainql
