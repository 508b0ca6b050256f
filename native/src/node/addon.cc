// What the addon exports.
#include <napi.h>

#include <cstdlib>

#include "cpu/kernels.h"
#include "node/input_loader.h"
#include "node/session.h"
#include "node/tuning.h"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("InputLoader", trainql::InputLoader::define(env));
  exports.Set("Session", trainql::Session::define(env));
  exports.Set("supportsBf16", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return Napi::Boolean::New(info.Env(), trainql::supportsBf16());
              }));
  exports.Set("endProcess", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                std::_Exit(info[0].As<Napi::Number>().Int32Value());
              }));
  trainql::exportTuning(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(trainql, init)
