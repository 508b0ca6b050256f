// What the addon exports.
#include <napi.h>

#include <cstdlib>

#include "cpu/kernels.h"
#include "input/normals.h"
#include "node/input_loader.h"
#include "node/session.h"
#include "node/tuning.h"

namespace {

// (seed, stream, substream, deviation, numbers), stream as a number.
void drawNormals(const Napi::CallbackInfo& info) {
  const auto number = [&](int i) { return info[i].As<Napi::Number>(); };
  auto numbers = info[4].As<Napi::Float32Array>();
  const trainql::RandomKey key{static_cast<std::uint64_t>(number(0).Int64Value()),
                               static_cast<trainql::Stream>(number(1).Uint32Value()), number(2).Uint32Value(), 0};
  trainql::drawNormals(key, number(3).DoubleValue(), numbers.Data(), numbers.ElementLength());
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("InputLoader", trainql::InputLoader::define(env));
  exports.Set("Session", trainql::Session::define(env));
  exports.Set("supportsBf16", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return Napi::Boolean::New(info.Env(), trainql::supportsBf16());
              }));
  exports.Set("drawNormals", Napi::Function::New(env, drawNormals));
  exports.Set("endProcess", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                std::_Exit(info[0].As<Napi::Number>().Int32Value());
              }));
  trainql::exportTuning(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(trainql, init)
