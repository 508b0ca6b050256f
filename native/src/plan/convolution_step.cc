// Which algorithms a convolution uses, and what it works on.
#include "plan/convolution_step.h"

#include "plan/steps.h"

namespace trainql {

ConvolutionStep::ConvolutionStep(Plan& plan, int layerIndex)
    : plan_(plan), chosen_(plan.algorithms(layerIndex)), readsImages_(plan.graph().layers[layerIndex].input == 0) {
  const Layer& l = plan.graph().layers[layerIndex];
  const TensorLayout &in = plan.tensor(l.input), &out = plan.tensor(l.output);
  for (const Algorithm a : {chosen_.forward, chosen_.dataGradient, chosen_.weightGradient}) {
    if (a == Algorithm::direct && direct_ == nullptr) direct_ = makeDirect(plan, layerIndex);
    if (a == Algorithm::winograd && winograd_ == nullptr) winograd_ = makeWinograd(plan, layerIndex);
    names_ += (names_.empty() ? "" : "/") + std::string(nameOf(a));
  }
  layer = layerIndex;
  // One word where one algorithm does all, else forward/data gradient/weight gradient.
  const bool alike = direct_ == nullptr || winograd_ == nullptr;
  kind = l.kind == LayerKind::linear ? "linear" : alike ? nameOf(chosen_.forward) : names_.c_str();
  forwardBuffers = {in.activation, out.activation};
  backwardBuffers = weightGradientBuffers_ = {in.kept, out.gradient};
  backwardReads = {l.input};
  forwardProducts = by(chosen_.forward).products();
  backwardProducts = weightGradientProducts();
  if (readsImages_) return;
  gradientTargets = {l.input};
  backwardBuffers.push_back(in.gradient);
  backwardProducts += by(chosen_.dataGradient).products();
}

ConvolutionAlgorithm& ConvolutionStep::by(Algorithm algorithm) const {
  return algorithm == Algorithm::direct ? *direct_ : *winograd_;
}

ConvolutionAlgorithm& ConvolutionStep::before(RowPass pass) const {
  return by(pass == RowPass::measure ? chosen_.forward : chosen_.dataGradient);
}

bool ConvolutionStep::canNorm(const BatchNormStep& before) const {
  const ConvolutionAlgorithm &forward = by(chosen_.forward), &weightGradient = by(chosen_.weightGradient);
  return before.output() == plan_.graph().layers[layer].input && before.skip() < 0 && forward.canNorm() && weightGradient.canNorm();
}

void ConvolutionStep::norm(const BatchNormStep& before) {
  by(chosen_.forward).norm(before);
  by(chosen_.weightGradient).norm(before);
  const std::vector<int> buffers = before.normedBuffers();
  for (std::vector<int>* const readers : {&takenForward, &takenBackward, &weightGradientBuffers_}) {
    readers->insert(readers->end(), buffers.begin(), buffers.end());
  }
}

bool ConvolutionStep::canTake(RowPass pass) const { return before(pass).canTake(pass); }

void ConvolutionStep::take(RowPass pass, const BatchNormStep& norm) {
  before(pass).take(pass, norm);
  std::vector<int>& taken = pass == RowPass::measure ? takenForward : takenBackward;
  for (const int buffer : norm.passBuffers(pass)) taken.push_back(buffer);
  for (const InPlace& place : norm.passInPlace(pass)) inPlace.push_back(place);
}

void ConvolutionStep::prepareForward(const Workspace& w) const { by(chosen_.forward).prepareForward(w); }

void ConvolutionStep::prepareBackward(const Workspace& w) const {
  if (!readsImages_) by(chosen_.dataGradient).prepareDataGradient(w);
}

void ConvolutionStep::forward(const Workspace& w) const {
  by(chosen_.forward).forward(w, {w.at(plan_.tensor(plan_.graph().layers[layer].output).activation), {}});
}

void ConvolutionStep::forwardNormalised(const Workspace& w, const BatchNormStep& norm) const {
  by(chosen_.forward).forward(w, {w.at(plan_.tensor(norm.output()).activation), norm.finish(w)});
}

void ConvolutionStep::backward(const Workspace& w) const {
  if (!isDeferred_) weightGradient(w);
  if (!readsImages_) dataGradient(w);
}

double ConvolutionStep::weightGradientProducts() const { return by(chosen_.weightGradient).products(); }

void ConvolutionStep::weightGradient(const Workspace& w) const { by(chosen_.weightGradient).weightGradient(w); }

void ConvolutionStep::dataGradient(const Workspace& w) const {
  by(chosen_.dataGradient).dataGradient(w, accumulate[0] != 0);
}

std::unique_ptr<Op> makeConvolution(Plan& plan, int layer) { return std::make_unique<ConvolutionStep>(plan, layer); }

}  // namespace trainql
