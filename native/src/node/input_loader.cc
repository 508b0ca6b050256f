// Loader methods: requests in, promises out, answered from the loader's threads.
#include "node/input_loader.h"

#include <string>
#include <utility>

namespace trainql {

namespace {

int intAt(const Napi::Object& o, const char* key) { return o.Get(key).As<Napi::Number>().Int32Value(); }
double numberAt(const Napi::Object& o, const char* key) { return o.Get(key).As<Napi::Number>().DoubleValue(); }
bool flagAt(const Napi::Object& o, const char* key) { return o.Get(key).As<Napi::Boolean>().Value(); }

template <class Array, class T>
std::vector<T> valuesAt(const Napi::Object& o, const char* key) {
  auto array = o.Get(key).As<Array>();
  return std::vector<T>(array.Data(), array.Data() + array.ElementLength());
}

Augmentation augmentationFrom(const Napi::Object& o) {
  Augmentation a;
  const Napi::Value crop = o.Get("resizedCrop");
  if (crop.IsObject()) {
    const auto rule = crop.As<Napi::Object>();
    a.resizedCrop = true;
    a.minScale = numberAt(rule, "minScale");
    a.maxScale = numberAt(rule, "maxScale");
    a.minRatio = numberAt(rule, "minRatio");
    a.maxRatio = numberAt(rule, "maxRatio");
    a.logMinRatio = numberAt(rule, "logMinRatio");
    a.logMaxRatio = numberAt(rule, "logMaxRatio");
  }
  a.padding = intAt(o, "padding");
  a.flip = flagAt(o, "flip");
  a.cutout = intAt(o, "cutout");
  return a;
}

LoaderSpec specFrom(const Napi::Object& o, std::vector<Napi::ObjectReference>& kept) {
  LoaderSpec spec;
  spec.channels = intAt(o, "channels");
  spec.output = {intAt(o, "height"), intAt(o, "width")};
  spec.levels.table = valuesAt<Napi::Float32Array, float>(o, "levels");
  spec.levels.scale = valuesAt<Napi::Float32Array, float>(o, "scale");
  spec.levels.shift = valuesAt<Napi::Float32Array, float>(o, "shift");
  spec.augmentation = augmentationFrom(o.Get("augmentation").As<Napi::Object>());
  spec.seed = static_cast<std::uint64_t>(o.Get("seed").As<Napi::Number>().Int64Value());
  spec.workers = intAt(o, "workers");
  const auto splits = o.Get("splits").As<Napi::Array>();
  for (std::uint32_t i = 0; i < splits.Length(); i++) {
    const auto split = splits.Get(i).As<Napi::Object>();
    StoredImages::Tables tables;
    auto offsets = split.Get("offsets").As<Napi::Float64Array>();
    tables.offsets.assign(offsets.Data(), offsets.Data() + offsets.ElementLength());
    tables.heights = valuesAt<Napi::Uint32Array, std::uint32_t>(split, "heights");
    tables.widths = valuesAt<Napi::Uint32Array, std::uint32_t>(split, "widths");
    const Napi::Value file = split.Get("file");
    if (file.IsString()) {
      spec.splits.emplace_back(MappedFile(file.As<Napi::String>()), std::move(tables), spec.channels);
    } else {
      auto bytes = split.Get("bytes").As<Napi::Uint8Array>();
      spec.splits.emplace_back(bytes.Data(), bytes.ElementLength(), std::move(tables), spec.channels);
      kept.push_back(Napi::Persistent(bytes.As<Napi::Object>()));
    }
  }
  return spec;
}

// A request under way, made and ended on the JavaScript thread.
struct Answer {
  Napi::Promise::Deferred deferred;
  Napi::ObjectReference images;
  bool filled;
};

void settle(Napi::Env env, Napi::Function, Answer* answer) {
  const std::unique_ptr<Answer> owned(answer);
  if (static_cast<napi_env>(env) == nullptr) return;  // the process is leaving
  const Napi::HandleScope scope(env);
  if (answer->filled) {
    answer->deferred.Resolve(env.Undefined());
  } else {
    answer->deferred.Reject(Napi::Error::New(env, "the loader was closed").Value());
  }
}

}  // namespace

Napi::Function InputLoader::define(Napi::Env env) {
  return DefineClass(env, "InputLoader",
                     {InstanceMethod<&InputLoader::fill>("fill"), InstanceMethod<&InputLoader::close>("close")});
}

InputLoader::InputLoader(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  loader_ = std::make_unique<Loader>(specFrom(info[0].As<Napi::Object>(), kept_));
  const auto nothing = Napi::Function::New(info.Env(), [](const Napi::CallbackInfo&) {});
  toScript_ = Napi::ThreadSafeFunction::New(info.Env(), nothing, "trainql input", 0, 1);
}

InputLoader::~InputLoader() { end(); }

Napi::Value InputLoader::fill(const Napi::CallbackInfo& info) {
  const auto o = info[0].As<Napi::Object>();
  auto images = o.Get("images").As<Napi::Float32Array>();
  if (loader_ == nullptr) throw Napi::Error::New(info.Env(), "the loader was closed");
  const LoaderSpec& spec = loader_->spec();
  FillRequest request;
  request.split = intAt(o, "split");
  request.augmented = flagAt(o, "augmented");
  request.epoch = o.Get("epoch").As<Napi::Number>().Uint32Value();
  request.indices = valuesAt<Napi::Uint32Array, std::uint32_t>(o, "indices");
  request.images = images.Data();
  const std::size_t values = static_cast<std::size_t>(spec.channels) * spec.output.height * spec.output.width;
  if (images.ElementLength() < request.indices.size() * values) {
    throw Napi::Error::New(info.Env(), "the images do not fit into the array");
  }
  auto answer = std::make_unique<Answer>(
      Answer{Napi::Promise::Deferred::New(info.Env()), Napi::Persistent(images.As<Napi::Object>()), false});
  const Napi::Promise promise = answer->deferred.Promise();
  request.done = [this, raw = answer.get()](bool filled) {
    raw->filled = filled;
    (void)toScript_.BlockingCall(raw, settle);
  };
  loader_->fill(std::move(request));
  (void)answer.release();  // settle() owns it now
  return promise;
}

void InputLoader::close(const Napi::CallbackInfo&) { end(); }

void InputLoader::end() {
  if (loader_ == nullptr) return;
  loader_.reset();
  toScript_.Release();
  kept_.clear();
}

}  // namespace trainql
