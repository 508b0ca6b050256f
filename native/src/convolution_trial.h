// One convolution alone, with algorithms of the caller's choice: for the tuning command and the tests that compare them.
#pragma once

#include <vector>

#include "cpu/memory.h"
#include "plan/plan.h"

namespace trainql {

struct ConvolutionTrialSpec {
  ConvolutionShape shape{};
  Precision precision = Precision::fp32;
  Algorithms algorithms{};
  int core = 0;
  int repetitions = 0;
};

// Seconds of each repetition on one core. As between the other steps of a training step, the caches hold what the step
// before has just written, and nothing else of it: neither weights nor, in a weight gradient, the input.
struct ConvolutionTimes {
  std::vector<double> forward, dataGradient, weightGradient;
  std::vector<double> weightCopies;  // of what both directions read besides the parameters
};

// What the algorithms make of generated values.
struct ConvolutionResults {
  std::vector<float> output;          // (pixels, images, channels)
  std::vector<float> inputGradient;   // likewise
  std::vector<float> weightGradient;  // (out, in, taps)
};

class ConvolutionTrial {
 public:
  // @throws std::invalid_argument where an algorithm cannot compute the convolution.
  explicit ConvolutionTrial(const ConvolutionTrialSpec&);

  // Both block, and work on a thread of their own.
  ConvolutionTimes time();
  ConvolutionResults compute();

 private:
  Workspace workspace(Team&);
  void generate();
  void fill(const TensorLayout&, int buffer, unsigned seed);
  std::vector<float> read(const TensorLayout&, int buffer) const;

  const ConvolutionTrialSpec spec_;
  const Plan plan_;
  Buffer parameters_, weights_, gradient_, arena_, scratch_;
};

}  // namespace trainql
