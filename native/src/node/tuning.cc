// Kernel table and trials.
#include "node/tuning.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "convolution_trial.h"
#include "node/arguments.h"
#include "plan/kernel_table.h"

namespace trainql {

namespace {

Algorithm algorithmAt(const Napi::Object& o, const char* key) {
  const std::string name = o.Get(key).As<Napi::String>();
  for (const Algorithm a : everyAlgorithm) {
    if (name == nameOf(a)) return a;
  }
  throw std::invalid_argument("unknown algorithm " + name);
}

ConvolutionShape shapeFrom(const Napi::Object& o) {
  return {intAt(o, "inChannels"), intAt(o, "outChannels"), intAt(o, "kernel"), intAt(o, "stride"),
          intAt(o, "padding"),    intAt(o, "height"),      intAt(o, "width"),  intAt(o, "shardBatch")};
}

ConvolutionTrialSpec trialFrom(const Napi::Object& o) {
  const auto algorithms = o.Get("algorithms").As<Napi::Object>();
  ConvolutionTrialSpec spec;
  spec.shape = shapeFrom(o.Get("shape").As<Napi::Object>());
  spec.precision = precisionNamed(o.Get("precision").As<Napi::String>());
  spec.algorithms = {algorithmAt(algorithms, "forward"), algorithmAt(algorithms, "dataGradient"),
                     algorithmAt(algorithms, "weightGradient")};
  spec.core = intAt(o, "core");
  spec.repetitions = intAt(o, "repetitions");
  return spec;
}

Napi::Object objectFrom(Napi::Env env, const ConvolutionShape& s) {
  auto o = Napi::Object::New(env);
  o.Set("inChannels", s.inChannels);
  o.Set("outChannels", s.outChannels);
  o.Set("kernel", s.kernel);
  o.Set("stride", s.stride);
  o.Set("padding", s.padding);
  o.Set("height", s.height);
  o.Set("width", s.width);
  o.Set("shardBatch", s.batch);
  return o;
}

Napi::Object objectFrom(Napi::Env env, const Algorithms& a) {
  auto o = Napi::Object::New(env);
  o.Set("forward", nameOf(a.forward));
  o.Set("dataGradient", nameOf(a.dataGradient));
  o.Set("weightGradient", nameOf(a.weightGradient));
  return o;
}

template <class Array, class T>
Array arrayFrom(Napi::Env env, const std::vector<T>& values) {
  auto array = Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

Napi::Value table(const Napi::CallbackInfo& info) {
  const auto& entries = kernelTable();
  auto array = Napi::Array::New(info.Env(), entries.size());
  for (std::size_t i = 0; i < entries.size(); i++) {
    auto entry = Napi::Object::New(info.Env());
    entry.Set("kernels", entries[i].kernels);
    entry.Set("shape", objectFrom(info.Env(), entries[i].shape));
    entry.Set("algorithms", objectFrom(info.Env(), entries[i].algorithms));
    array.Set(static_cast<std::uint32_t>(i), entry);
  }
  return array;
}

Napi::Value accepted(const Napi::CallbackInfo& info) {
  const ConvolutionShape shape = shapeFrom(info[0].As<Napi::Object>());
  auto names = Napi::Array::New(info.Env());
  for (const Algorithm a : everyAlgorithm) {
    if (accepts(a, shape)) names.Set(names.Length(), nameOf(a));
  }
  return names;
}

// (precision, shape)
template <Algorithms (*choose)(const Kernels&, const ConvolutionShape&)>
Napi::Value choice(const Napi::CallbackInfo& info) {
  const Kernels& kernels = bestKernels(precisionNamed(info[0].As<Napi::String>()));
  return objectFrom(info.Env(), choose(kernels, shapeFrom(info[1].As<Napi::Object>())));
}

Napi::Value timeConvolution(const Napi::CallbackInfo& info) {
  const ConvolutionTimes times = ConvolutionTrial(trialFrom(info[0].As<Napi::Object>())).time();
  auto o = Napi::Object::New(info.Env());
  o.Set("forward", arrayFrom<Napi::Float64Array>(info.Env(), times.forward));
  o.Set("dataGradient", arrayFrom<Napi::Float64Array>(info.Env(), times.dataGradient));
  o.Set("weightGradient", arrayFrom<Napi::Float64Array>(info.Env(), times.weightGradient));
  o.Set("weightCopies", arrayFrom<Napi::Float64Array>(info.Env(), times.weightCopies));
  return o;
}

Napi::Value computeConvolution(const Napi::CallbackInfo& info) {
  const ConvolutionResults results = ConvolutionTrial(trialFrom(info[0].As<Napi::Object>())).compute();
  auto o = Napi::Object::New(info.Env());
  o.Set("output", arrayFrom<Napi::Float32Array>(info.Env(), results.output));
  o.Set("inputGradient", arrayFrom<Napi::Float32Array>(info.Env(), results.inputGradient));
  o.Set("weightGradient", arrayFrom<Napi::Float32Array>(info.Env(), results.weightGradient));
  return o;
}

}  // namespace

void exportTuning(Napi::Env env, Napi::Object exports) {
  exports.Set("kernelTableVersion", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return Napi::String::New(info.Env(), kernelTableVersion());
              }));
  exports.Set("kernelsName", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return Napi::String::New(info.Env(), bestKernels(precisionNamed(info[0].As<Napi::String>())).name);
              }));
  exports.Set("kernelTable", Napi::Function::New(env, table));
  exports.Set("acceptedAlgorithms", Napi::Function::New(env, accepted));
  exports.Set("algorithmsByRule", Napi::Function::New(env, choice<algorithmsByRule>));
  exports.Set("chosenAlgorithms", Napi::Function::New(env, choice<chooseAlgorithms>));
  exports.Set("timeConvolution", Napi::Function::New(env, timeConvolution));
  exports.Set("computeConvolution", Napi::Function::New(env, computeConvolution));
}

}  // namespace trainql
