// A plan of three steps: a 1x1 convolution of the images, the convolution on trial, a pool.
#include "convolution_trial.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "plan/convolution_step.h"

namespace trainql {

namespace {

constexpr int inputTensor = 1, outputTensor = 2, pooledTensor = 3;
constexpr int trialLayer = 1;
// Twice the last-level cache of a large processor's share.
constexpr std::size_t evictionFloats = 16 * 1024 * 1024;

Graph graphOf(const ConvolutionShape& s) {
  const auto across = [&](int size) { return (size + 2 * s.padding - s.kernel) / s.stride + 1; };
  Graph graph;
  graph.classes = s.outChannels;
  graph.logits = pooledTensor;
  graph.shapes = {{1, s.height, s.width},
                  {s.inChannels, s.height, s.width},
                  {s.outChannels, across(s.height), across(s.width)},
                  {s.outChannels, 1, 1}};
  Layer images{};
  images.kind = LayerKind::convolution;
  images.output = inputTensor;
  images.inChannels = 1;
  images.outChannels = s.inChannels;
  images.stride = 1;
  Layer trial{};
  trial.kind = LayerKind::convolution;
  trial.input = inputTensor;
  trial.output = outputTensor;
  trial.inChannels = s.inChannels;
  trial.outChannels = s.outChannels;
  trial.kernel = s.kernel;
  trial.stride = s.stride;
  trial.padding = s.padding;
  Layer pool{};
  pool.kind = LayerKind::globalAveragePool;
  pool.input = outputTensor;
  pool.output = pooledTensor;
  graph.layers = {images, trial, pool};
  return graph;
}

// Uniform in [-1, 1): a linear congruential generator (Knuth's MMIX).
class Values {
 public:
  explicit Values(unsigned seed) : state_(seed) {}
  float next() {
    state_ = state_ * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<float>(static_cast<std::int32_t>(state_ >> 32)) / 2147483648.0f;
  }

 private:
  std::uint64_t state_;
};

// One direction at a time: nothing is left for the end.
PlanLimits limits() {
  PlanLimits limits;
  limits.mostDeferredBytes = 0;
  return limits;
}

void evict(Buffer& buffer) {
  for (std::size_t i = 0; i < buffer.size(); i += 16) buffer[i] += 1.0f;
}

template <class F>
double secondsOf(F&& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

ConvolutionTrial::ConvolutionTrial(const ConvolutionTrialSpec& spec)
    : spec_(spec),
      plan_(graphOf(spec.shape), spec.shape.batch, bestKernels(spec.precision), limits(), &spec_.algorithms),
      parameters_(plan_.parameters().size()),
      weights_(plan_.weightsFloats()),
      gradient_(plan_.parameters().liveSize()),
      arena_(plan_.arenaFloats()),
      scratch_(plan_.scratchFloats()) {}

Workspace ConvolutionTrial::workspace(Team& team) {
  return {plan_.kernels(), team, Phase::training, arena_.data(), plan_.offsets(Phase::training), parameters_.data(),
          weights_.data(), nullptr, {}, {}, 1,
          gradient_.data() + plan_.parameters().of(trialLayer).weight.live, nullptr, false, scratch_.data(), nullptr};
}

// Padding stays zero, as kernels expect.
void ConvolutionTrial::fill(const TensorLayout& t, int buffer, unsigned seed) {
  Values values(seed);
  const std::size_t rows = static_cast<std::size_t>(t.pixels()) * plan_.batch();
  std::vector<float> row(static_cast<std::size_t>(t.row));
  float* const at = arena_.data() + plan_.offsets(Phase::training)[buffer];
  for (std::size_t r = 0; r < rows; r++) {
    for (int c = 0; c < t.channels; c++) row[c] = values.next();
    const std::size_t bytes = static_cast<std::size_t>(t.row) * plan_.kernels().elementBytes;
    plan_.kernels().narrow(row.data(), reinterpret_cast<char*>(at) + r * bytes, row.size());
  }
}

void ConvolutionTrial::generate() {
  const ConvolutionShape& s = spec_.shape;
  std::vector<float> images(s.inChannels);
  std::vector<float> trial(static_cast<std::size_t>(s.outChannels) * s.inChannels * s.kernel * s.kernel);
  Values values(1);
  for (float& v : images) v = values.next();
  for (float& v : trial) v = values.next();
  const float* const tensors[] = {images.data(), trial.data()};
  plan_.parameters().importParameters(tensors, parameters_.data());
  fill(plan_.tensor(inputTensor), plan_.tensor(inputTensor).activation, 2);
}

ConvolutionTimes ConvolutionTrial::time() {
  ConvolutionTimes times;
  std::thread([&] {
    Team team({spec_.core});
    const Workspace w = workspace(team);
    const auto& step = static_cast<const ConvolutionStep&>(*plan_.steps()[trialLayer]);
    const TensorLayout &in = plan_.tensor(inputTensor), &out = plan_.tensor(outputTensor);
    Buffer others(evictionFloats);
    const auto measure = [&](std::vector<double>& seconds, auto&& prepare, auto&& work) {
      // The first time touches memory that the system has not given yet.
      for (int r = 0; r <= spec_.repetitions; r++) {
        evict(others);
        prepare();
        const double one = secondsOf(work);
        if (r > 0) seconds.push_back(one);
      }
    };
    // The output's gradient may lie where the output does: it comes after the forward trials.
    const auto fillInput = [&] { fill(in, in.activation, 2); };
    const auto fillGradient = [&] { fill(out, out.gradient, 3); };
    generate();
    measure(times.weightCopies, [] {}, [&] {
      step.prepareForward(w);
      step.prepareBackward(w);
    });
    measure(times.forward, [&] {
      fillInput();
      step.prepareForward(w);
    }, [&] { step.forward(w); });
    measure(times.weightGradient, fillGradient, [&] { step.weightGradient(w); });
    measure(times.dataGradient, [&] {
      fillGradient();
      step.prepareBackward(w);
    }, [&] { step.dataGradient(w); });
  }).join();
  return times;
}

// Real channels alone, widened.
std::vector<float> ConvolutionTrial::read(const TensorLayout& t, int buffer) const {
  const std::size_t rows = static_cast<std::size_t>(t.pixels()) * plan_.batch();
  std::vector<float> all(rows * t.row), values;
  plan_.kernels().widen(arena_.data() + plan_.offsets(Phase::training)[buffer], all.data(), all.size());
  values.reserve(rows * t.channels);
  for (std::size_t r = 0; r < rows; r++) {
    values.insert(values.end(), all.begin() + r * t.row, all.begin() + r * t.row + t.channels);
  }
  return values;
}

ConvolutionResults ConvolutionTrial::compute() {
  ConvolutionResults results;
  std::thread([&] {
    Team team({spec_.core});
    const Workspace w = workspace(team);
    const auto& step = static_cast<const ConvolutionStep&>(*plan_.steps()[trialLayer]);
    const TensorLayout &in = plan_.tensor(inputTensor), &out = plan_.tensor(outputTensor);
    generate();
    step.prepareForward(w);
    step.forward(w);
    results.output = read(out, out.activation);
    fill(out, out.gradient, 3);
    step.weightGradient(w);
    step.prepareBackward(w);
    step.dataGradient(w);
    results.inputGradient = read(in, in.gradient);
    const ConvolutionShape& s = spec_.shape;
    std::vector<float> images(s.inChannels);
    results.weightGradient.resize(static_cast<std::size_t>(s.outChannels) * s.inChannels * s.kernel * s.kernel);
    float* const tensors[] = {images.data(), results.weightGradient.data()};
    plan_.parameters().exportParameters(gradient_.data(), gradient_.size(), tensors);
  }).join();
  return results;
}

}  // namespace trainql
