// Where pairs of rows lie in a packed line, and which of them each tap of the filter connects.
//
// A register takes 16 pairs at once, so what a tap connects of a line is rounded up to whole registers. Behind it lie,
// in the input or in the output gradient, zeros: each line, and with a stride the input pixels of each remainder, ends in
// enough of them.
#include "plan/lined_gradient.h"

#include <algorithm>

namespace trainql {

namespace {

constexpr int registerPairs = 16;

int roundUp(int count) { return (count + registerPairs - 1) / registerPairs * registerPairs; }

std::size_t wordsOf(std::ptrdiff_t lineStride, int lines) { return static_cast<std::size_t>(lineStride * lines); }

}  // namespace

LinedWeightGradient::LinedWeightGradient(const Plan& plan, int layer, std::ptrdiff_t blockBytes)
    : layer_(plan.graph().layers[layer]),
      weight_(plan.parameters().of(layer).weight),
      in_(plan.tensor(layer_.input)),
      out_(plan.tensor(layer_.output)),
      batch_(plan.batch()) {
  planOutput();
  if (weight_.flat) {
    planImages(plan);
  } else {
    planInput();
    for (int t = 0; t < weight_.taps; t++) {
      if (weight_.slotOfTap[t] < weight_.liveSlots) planTap(t);
    }
  }
  const int perBlock = static_cast<int>(std::max<std::ptrdiff_t>(1, blockBytes / lineBytes()));
  blocks_ = (out_.height + perBlock - 1) / perBlock;
}

void LinedWeightGradient::appendPixel(std::vector<RowPair>& pairs, std::ptrdiff_t pixel, std::ptrdiff_t image) const {
  const auto at = [&](int i) { return i < batch_ ? static_cast<std::int32_t>(pixel + i * image) : -1; };
  for (int i = 0; i < batch_; i += 2) pairs.push_back({at(i), at(i + 1)});
}

// A tap may begin at any pixel: where pixels are not whole registers, it may read all but one of a register's pairs more.
int LinedWeightGradient::filledUp(int pairs) const {
  return roundUp(pairs + (imagePairs() % registerPairs == 0 ? 0 : registerPairs - 1));
}

void LinedWeightGradient::fillUp(std::vector<RowPair>& pairs) const {
  pairs.resize(filledUp(static_cast<int>(pairs.size())), {-1, -1});
}

int LinedWeightGradient::phaseBegin(int phase) const {
  int begin = 0;
  for (int i = 0; i < phase; i++) {
    const int pixels = (in_.width - i + layer_.stride - 1) / layer_.stride;
    begin += filledUp(pixels * imagePairs());
  }
  return begin;
}

void LinedWeightGradient::planInput() {
  for (int phase = 0; phase < layer_.stride; phase++) {
    std::vector<RowPair> pairs;
    for (int x = phase; x < in_.width; x += layer_.stride) appendPixel(pairs, x * batch_ * in_.row, in_.row);
    fillUp(pairs);
    input_.pairs.insert(input_.pairs.end(), pairs.begin(), pairs.end());
  }
  input_.rowStride = rowStride(static_cast<int>(input_.pairs.size()), sizeof(std::uint32_t));
  input_.lineStride = input_.rowStride * in_.padded;
  input_.channels = in_.padded;
  input_.line = in_.width * batch_ * in_.row;
  depth_ = weight_.depth();
  slotStride_ = static_cast<std::ptrdiff_t>(weight_.slotStride());
  inHeight_ = in_.height;
}

// A row is what one line of the filter sees of the images, and what lies behind it up to a whole panel. They have a border,
// so every line meets every tap.
void LinedWeightGradient::planImages(const Plan& plan) {
  const ImageWindows& images = plan.imageWindows();
  depth_ = layer_.kernel * in_.channels;
  slotStride_ = static_cast<std::ptrdiff_t>(depth_) * weight_.panel;
  inHeight_ = images.height;
  const int inset = images.border - layer_.padding;
  for (int x = 0; x < out_.width; x++) {
    appendPixel(input_.pairs, (x * layer_.stride + inset) * in_.channels, images.imageStride());
  }
  fillUp(input_.pairs);
  input_.channels = (depth_ + weight_.panel - 1) / weight_.panel * weight_.panel;
  input_.line = static_cast<std::ptrdiff_t>(images.width) * in_.channels;
  input_.rowStride = rowStride(static_cast<int>(input_.pairs.size()), sizeof(std::uint32_t));
  input_.lineStride = input_.rowStride * input_.channels;
  for (int ky = 0; ky < layer_.kernel; ky++) {
    TapLines lines{};
    lines.slot = ky;
    lines.lineEnd = out_.height;
    lines.inLine = ky + inset;
    lines.steps = roundUp(out_.width * imagePairs()) / registerPairs;
    taps_.push_back(lines);
  }
}

void LinedWeightGradient::planOutput() {
  for (int x = 0; x < out_.width; x++) appendPixel(output_.pairs, x * batch_ * out_.row, out_.row);
  fillUp(output_.pairs);
  output_.rowStride = rowStride(out_.padded, sizeof(std::uint32_t));
  output_.lineStride = output_.rowStride * static_cast<std::ptrdiff_t>(output_.pairs.size());
  output_.channels = out_.padded;
  output_.line = out_.width * batch_ * out_.row;
}

void LinedWeightGradient::planTap(int tap) {
  const int s = layer_.stride, ky = tap / layer_.kernel - layer_.padding, kx = tap % layer_.kernel - layer_.padding;
  const auto first = [&](int shift) { return shift < 0 ? (-shift + s - 1) / s : 0; };
  const auto end = [&](int shift, int in, int out) { return std::min(out, (in - shift + s - 1) / s); };
  const int x = first(kx), inX = x * s + kx;
  TapLines lines{};
  lines.slot = weight_.slotOfTap[tap];
  lines.lineBegin = first(ky);
  lines.lineEnd = end(ky, in_.height, out_.height);
  lines.inLine = ky;
  lines.inPair = phaseBegin(inX % s) + inX / s * imagePairs();
  lines.outPair = x * imagePairs();
  lines.steps = roundUp((end(kx, in_.width, out_.width) - x) * imagePairs()) / registerPairs;
  taps_.push_back(lines);
}

LinedWeightGradient::LineRange LinedWeightGradient::outLines(int block) const {
  const auto at = [&](int b) { return static_cast<int>(static_cast<std::int64_t>(out_.height) * b / blocks_); };
  return {at(block), at(block + 1) - at(block)};
}

// Input lines that any tap reads in a block.
LinedWeightGradient::LineRange LinedWeightGradient::inLines(int block) const {
  const LineRange out = outLines(block);
  int first = inHeight_, end = 0;
  for (const TapLines& tap : taps_) {
    const int begin = std::max(out.first, tap.lineBegin), last = std::min(out.first + out.count, tap.lineEnd) - 1;
    if (begin > last) continue;
    first = std::min(first, begin * layer_.stride + tap.inLine);
    end = std::max(end, last * layer_.stride + tap.inLine + 1);
  }
  return first < end ? LineRange{first, end - first} : LineRange{0, 0};
}

std::size_t LinedWeightGradient::scratchFloats() const {
  std::size_t most = 0;
  for (int b = 0; b < blocks_; b++) {
    most = std::max(most, wordsOf(input_.lineStride, inLines(b).count) + wordsOf(output_.lineStride, outLines(b).count));
  }
  return most;
}

PackedLines LinedWeightGradient::lines(const Packing& packing, const void* map) {
  PackedLines a{};
  a.map = map;
  a.line = packing.line;
  a.channels = packing.channels;
  a.pairs = packing.pairs.data();
  a.pairCount = static_cast<int>(packing.pairs.size());
  a.lineStride = packing.lineStride;
  a.rowStride = packing.rowStride;
  return a;
}

void LinedWeightGradient::sum(const Workspace& w, int block, const LinedSum& to, float* scratch) const {
  const LineRange in = inLines(block), out = outLines(block);
  PackedLines x = lines(input_, w.at(in_.kept)), dy = lines(output_, w.at(out_.gradient));
  x.packed = reinterpret_cast<std::uint32_t*>(scratch);
  x.firstLine = in.first;
  dy.packed = x.packed + wordsOf(input_.lineStride, in.count);
  dy.firstLine = out.first;
  w.team.split(in.count, [&](int b, int e) { w.kernels.packAcross(x, in.first + b, in.first + e); });
  w.team.split(out.count, [&](int b, int e) { w.kernels.packDeep(dy, out.first + b, out.first + e); });

  LinedGradient a{};
  a.taps = taps_.data();
  a.tapCount = static_cast<int>(taps_.size());
  a.panels = weight_.panels;
  a.lineBegin = out.first;
  a.lineEnd = out.first + out.count;
  a.stride = layer_.stride;
  a.depth = depth_;
  a.input = x.packed;
  a.firstInLine = in.first;
  a.inLine = input_.lineStride;
  a.inChannel = input_.rowStride;
  a.outputGradient = dy.packed;
  a.outLine = output_.lineStride;
  a.outPair = output_.rowStride;
  a.gradient = to.gradient;
  a.slotStride = slotStride_;
  a.panelStride = static_cast<std::ptrdiff_t>(weight_.panelStride());
  a.add = to.add;
  w.team.split(w.kernels.linedParts(a), [&](int b, int e) { w.kernels.linedGradient(a, b, e); });
}

}  // namespace trainql
