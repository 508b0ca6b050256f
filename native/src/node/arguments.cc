// Reading the session spec.
#include "node/arguments.h"

#include <stdexcept>
#include <string>

namespace trainql {

int intAt(const Napi::Object& o, const char* key) { return o.Get(key).As<Napi::Number>().Int32Value(); }

Precision precisionNamed(const std::string& name) { return name == "BF16" ? Precision::bf16 : Precision::fp32; }

namespace {

float floatAt(const Napi::Object& o, const char* key) { return o.Get(key).As<Napi::Number>().FloatValue(); }

template <class F>
void eachOf(const Napi::Value& value, F&& f) {
  const auto array = value.As<Napi::Array>();
  for (std::uint32_t i = 0; i < array.Length(); i++) f(array.Get(i));
}

Layer layerFrom(const Napi::Object& o) {
  Layer layer{};
  layer.output = intAt(o, "output");
  const std::string op = o.Get("op").As<Napi::String>();
  if (op == "add") {
    const auto inputs = o.Get("inputs").As<Napi::Array>();
    layer.kind = LayerKind::add;
    layer.input = inputs.Get(0u).As<Napi::Number>().Int32Value();
    layer.secondInput = inputs.Get(1u).As<Napi::Number>().Int32Value();
    return layer;
  }
  layer.input = intAt(o, "input");
  const auto readWindow = [&] {
    layer.kernel = intAt(o, "kernel");
    layer.stride = intAt(o, "stride");
    layer.padding = intAt(o, "padding");
  };
  if (op == "conv") {
    layer.kind = LayerKind::convolution;
    layer.inChannels = intAt(o, "inChannels");
    layer.outChannels = intAt(o, "outChannels");
    readWindow();
  } else if (op == "batchNorm") {
    layer.kind = LayerKind::batchNorm;
    layer.inChannels = layer.outChannels = intAt(o, "channels");
    layer.epsilon = floatAt(o, "epsilon");
    layer.momentum = floatAt(o, "momentum");
  } else if (op == "relu") {
    layer.kind = LayerKind::relu;
  } else if (op == "maxPool") {
    layer.kind = LayerKind::maxPool;
    readWindow();
  } else if (op == "globalAvgPool") {
    layer.kind = LayerKind::globalAveragePool;
  } else if (op == "linear") {
    layer.kind = LayerKind::linear;
    layer.inChannels = intAt(o, "inFeatures");
    layer.outChannels = intAt(o, "outFeatures");
  } else {
    throw std::invalid_argument("unknown layer " + op);
  }
  return layer;
}

Graph graphFrom(const Napi::Object& o) {
  Graph graph;
  graph.classes = intAt(o, "classes");
  graph.logits = intAt(o, "logits");
  eachOf(o.Get("shapes"), [&](const Napi::Value& v) {
    const auto shape = v.As<Napi::Array>();
    const auto at = [&](std::uint32_t i) { return shape.Get(i).As<Napi::Number>().Int32Value(); };
    graph.shapes.push_back({at(0), at(1), at(2)});
  });
  eachOf(o.Get("layers"), [&](const Napi::Value& v) { graph.layers.push_back(layerFrom(v.As<Napi::Object>())); });
  return graph;
}

bool flagAt(const Napi::Object& o, const char* key, bool missing) {
  return o.Has(key) ? o.Get(key).As<Napi::Boolean>().Value() : missing;
}

double numberAt(const Napi::Object& o, const char* key, double missing) {
  return o.Has(key) ? o.Get(key).As<Napi::Number>().DoubleValue() : missing;
}

Optimizer optimizerFrom(const Napi::Object& o) {
  Optimizer optimizer;
  optimizer.weightDecay = floatAt(o, "weightDecay");
  optimizer.decayVectors = flagAt(o, "decayVectors", true);
  const std::string kind = o.Get("kind").As<Napi::String>();
  if (kind == "SGD") {
    optimizer.kind = Optimizer::Kind::sgd;
    optimizer.momentum = floatAt(o, "momentum");
    optimizer.nesterov = flagAt(o, "nesterov", false);
  } else {
    optimizer.kind = kind == "ADAMW" ? Optimizer::Kind::adamW : Optimizer::Kind::adam;
    optimizer.beta1 = floatAt(o, "beta1");
    optimizer.beta2 = floatAt(o, "beta2");
    optimizer.epsilon = floatAt(o, "epsilon");
  }
  return optimizer;
}

PlanLimits limitsFrom(const Napi::Object& o) {
  PlanLimits limits;
  const auto bytesAt = [&](const char* name, std::size_t otherwise) {
    return static_cast<std::size_t>(numberAt(o, name, static_cast<double>(otherwise)));
  };
  limits.mostKeptBytes = bytesAt("mostKeptBytes", limits.mostKeptBytes);
  limits.leastJoinedBytes = bytesAt("leastJoinedBytes", limits.leastJoinedBytes);
  limits.mostDeferredBytes = bytesAt("mostDeferredBytes", limits.mostDeferredBytes);
  limits.leastTurnedWeights = numberAt(o, "leastTurnedWeights", limits.leastTurnedWeights);
  return limits;
}

}  // namespace

TrainerSpec trainerSpecFrom(const Napi::Object& o) {
  TrainerSpec spec;
  spec.graph = graphFrom(o.Get("graph").As<Napi::Object>());
  spec.globalBatch = intAt(o, "globalBatch");
  spec.shards = intAt(o, "shards");
  eachOf(o.Get("deviceCores"), [&](const Napi::Value& device) {
    std::vector<int> cores;
    eachOf(device, [&](const Napi::Value& core) { cores.push_back(core.As<Napi::Number>().Int32Value()); });
    spec.deviceCores.push_back(cores);
  });
  spec.optimizer = optimizerFrom(o.Get("optimizer").As<Napi::Object>());
  if (o.Has("precision")) spec.precision = precisionNamed(o.Get("precision").As<Napi::String>());
  spec.labelSmoothing = numberAt(o, "labelSmoothing", 0);
  spec.clipNorm = numberAt(o, "clipNorm", 0);
  spec.limits = limitsFrom(o);
  if (o.Has("progress")) spec.progress = o.Get("progress").As<Napi::BigInt64Array>().Data();
  spec.syncBatchNorm = flagAt(o, "syncBatchNorm", false);
  return spec;
}

}  // namespace trainql
