// Session methods.
#include "node/session.h"

#include <functional>
#include <utility>
#include <vector>

#include "node/arguments.h"

namespace trainql {

namespace {

// Runs `compute` on a pool thread when it is its turn, where the next one then waits already: between the two no turn of
// JavaScript is needed. Resolves with what `result` makes of it on the JS thread. Keeps the argument arrays and the
// session alive meanwhile.
class Work final : public Napi::AsyncWorker {
 public:
  using Compute = std::function<void(CallOrder::Turn&)>;
  using Result = std::function<Napi::Value(Napi::Env)>;

  static Napi::Promise queue(const Napi::CallbackInfo& info, std::shared_ptr<CallOrder> order, Compute compute,
                             Result result) {
    auto* work = new Work(info, std::move(order), std::move(compute), std::move(result));
    const Napi::Promise promise = work->deferred_.Promise();
    work->place_ = work->order_->next();
    work->Queue();
    return promise;
  }

 private:
  Work(const Napi::CallbackInfo& info, std::shared_ptr<CallOrder> order, Compute compute, Result result)
      : AsyncWorker(info.Env()),
        deferred_(info.Env()),
        order_(std::move(order)),
        compute_(std::move(compute)),
        result_(std::move(result)) {
    kept_.push_back(Napi::Persistent(info.This().As<Napi::Object>()));
    for (std::size_t i = 0; i < info.Length(); i++) {
      if (info[i].IsObject()) kept_.push_back(Napi::Persistent(info[i].As<Napi::Object>()));
    }
  }

  void Execute() override {
    CallOrder::Turn turn(*order_, place_);
    try {
      compute_(turn);
    } catch (const ReplicaFailure& failure) {
      failedReplica_ = failure.replica;
      throw;
    }
  }
  void OnOK() override {
    const Napi::HandleScope scope(Env());
    deferred_.Resolve(result_(Env()));
  }
  void OnError(const Napi::Error& error) override {
    const Napi::HandleScope scope(Env());
    if (failedReplica_ >= 0) error.Set("replica", Napi::Number::New(Env(), failedReplica_));
    deferred_.Reject(error.Value());
  }

  Napi::Promise::Deferred deferred_;
  const std::shared_ptr<CallOrder> order_;
  unsigned place_ = 0;
  Compute compute_;
  Result result_;
  int failedReplica_ = -1;  // none
  std::vector<Napi::ObjectReference> kept_;
};

Napi::Float32Array arrayFrom(Napi::Env env, const std::vector<float>& values) {
  auto array = Napi::Float32Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

// Where the values of an array of tensors lie: read or filled in place, since a copy of a model is as large as the model.
std::vector<float*> tensorsFrom(const Napi::Value& value) {
  const auto arrays = value.As<Napi::Array>();
  std::vector<float*> tensors;
  for (std::uint32_t i = 0; i < arrays.Length(); i++) {
    tensors.push_back(arrays.Get(i).As<Napi::Float32Array>().Data());
  }
  return tensors;
}

Trainer::Slots slotsFrom(const Napi::Value& value) {
  const auto arrays = value.As<Napi::Array>();
  Trainer::Slots slots;
  for (std::uint32_t i = 0; i < arrays.Length(); i++) slots.push_back(tensorsFrom(arrays.Get(i)));
  return slots;
}

ImageBatch batchFrom(const Napi::CallbackInfo& info, const Trainer& trainer) {
  const auto images = info[0].As<Napi::Float32Array>();
  const Shape shape = trainer.graph().shapes[0];
  ImageBatch batch;
  batch.images = images.Data();
  batch.count = static_cast<int>(images.ElementLength() / (static_cast<std::size_t>(shape.channels) * shape.pixels()));
  if (info.Length() > 1 && info[1].IsTypedArray()) batch.labels = info[1].As<Napi::Int32Array>().Data();
  return batch;
}

}  // namespace

Napi::Function Session::define(Napi::Env env) {
  return DefineClass(env, "Session",
                     {InstanceMethod<&Session::step>("step"), InstanceMethod<&Session::gradients>("gradients"),
                      InstanceMethod<&Session::profile>("profile"), InstanceMethod<&Session::evaluate>("evaluate"), InstanceMethod<&Session::predict>("predict"),
                      InstanceMethod<&Session::readState>("readState"),
                      InstanceMethod<&Session::writeState>("writeState"),
                      InstanceMethod<&Session::readOptimizer>("readOptimizer"),
                      InstanceMethod<&Session::writeOptimizer>("writeOptimizer"),
                      InstanceMethod<&Session::memoryBytes>("memoryBytes"), InstanceMethod<&Session::close>("close")});
}

Session::Session(const Napi::CallbackInfo& info)
    : ObjectWrap(info), trainer_(std::make_shared<Trainer>(trainerSpecFrom(info[0].As<Napi::Object>()))) {
  const auto spec = info[0].As<Napi::Object>();
  if (spec.Has("progress")) progress_ = Napi::Persistent(spec.Get("progress").As<Napi::Object>());
}

Napi::Promise Session::queue(const Napi::CallbackInfo& info, std::function<void()> compute,
                             std::function<Napi::Value(Napi::Env)> result) {
  return Work::queue(
      info, order_,
      [compute = std::move(compute)](CallOrder::Turn& turn) {
        turn.beAlone();
        compute();
      },
      std::move(result));
}

Napi::Value Session::step(const Napi::CallbackInfo& info) {
  // The first step is the first to touch what the session holds. Told of it, V8 collects what starting has left behind,
  // the initial weights above all, before the two are in memory at once.
  if (heldBytes_ == 0) holdBytes(info.Env(), static_cast<std::int64_t>(trainer_->memoryBytes()));
  const auto trainer = trainer_;
  const auto steps = std::make_shared<std::vector<Step>>(1);
  steps->front().batch = batchFrom(info, *trainer);
  steps->front().learningRate = info[2].As<Napi::Number>().DoubleValue();
  return Work::queue(
      info, order_, [=](CallOrder::Turn& turn) { trainer->train(*steps, [&] { turn.letIn(); }); },
      [=](Napi::Env env) { return Napi::Number::New(env, steps->front().loss); });
}

Napi::Value Session::gradients(const Napi::CallbackInfo& info) {
  const auto trainer = trainer_;
  const ImageBatch batch = batchFrom(info, *trainer);
  const auto tensors = tensorsFrom(info[2]);
  const auto loss = std::make_shared<double>();
  return queue(
      info, [=] { *loss = trainer->gradients(batch, tensors.data()); },
      [=](Napi::Env env) { return Napi::Number::New(env, *loss); });
}

Napi::Value Session::profile(const Napi::CallbackInfo& info) {
  const auto trainer = trainer_;
  const ImageBatch batch = batchFrom(info, *trainer);
  const int repetitions = info[2].As<Napi::Number>().Int32Value();
  const auto profile = std::make_shared<Profile>();
  return queue(
      info, [=] { *profile = trainer->profile(batch, repetitions); },
      [=](Napi::Env env) {
        auto steps = Napi::Array::New(env, profile->steps.size());
        for (std::size_t i = 0; i < profile->steps.size(); i++) {
          const Profile::PlanStep& p = profile->steps[i];
          auto step = Napi::Object::New(env);
          step.Set("layer", p.layer);
          step.Set("kind", p.kind);
          step.Set("forwardSeconds", p.forwardSeconds);
          step.Set("backwardSeconds", p.backwardSeconds);
          step.Set("forwardProducts", p.forwardProducts);
          step.Set("backwardProducts", p.backwardProducts);
          steps.Set(static_cast<std::uint32_t>(i), step);
        }
        auto result = Napi::Object::New(env);
        result.Set("stepSeconds", profile->stepSeconds);
        result.Set("gradientSeconds", profile->parts.gradients);
        result.Set("waitingSeconds", profile->parts.waiting);
        result.Set("updateSeconds", profile->parts.update);
        result.Set("weightCopySeconds", profile->parts.weightCopies);
        result.Set("steps", steps);
        return result;
      });
}

Napi::Value Session::evaluate(const Napi::CallbackInfo& info) {
  const auto trainer = trainer_;
  const ImageBatch batch = batchFrom(info, *trainer);
  const auto sum = std::make_shared<LossSum>();
  const auto predicted = std::make_shared<std::vector<std::int32_t>>(batch.count);
  return queue(
      info, [=] { *sum = trainer->evaluate(batch, predicted->data()); },
      [=](Napi::Env env) {
        auto result = Napi::Object::New(env);
        auto classes = Napi::Int32Array::New(env, predicted->size());
        std::copy(predicted->begin(), predicted->end(), classes.Data());
        result.Set("lossSum", sum->loss);
        result.Set("correct", sum->correct);
        result.Set("correct5", sum->correct5);
        result.Set("predicted", classes);
        return result;
      });
}

Napi::Value Session::predict(const Napi::CallbackInfo& info) {
  const auto trainer = trainer_;
  const ImageBatch batch = batchFrom(info, *trainer);
  const auto logits =
      std::make_shared<std::vector<float>>(static_cast<std::size_t>(batch.count) * trainer->graph().classes);
  return queue(
      info, [=] { trainer->predict(batch, logits->data()); },
      [=](Napi::Env env) { return arrayFrom(env, *logits); });
}

Napi::Value Session::readState(const Napi::CallbackInfo& info) {
  const auto trainer = trainer_;
  const auto tensors = tensorsFrom(info[0]);
  return queue(
      info, [=] { trainer->readState(tensors.data()); }, [](Napi::Env env) { return env.Undefined(); });
}

Napi::Value Session::writeState(const Napi::CallbackInfo& info) {
  const auto trainer = trainer_;
  const auto tensors = tensorsFrom(info[0]);
  return queue(
      info, [=] { trainer->writeState(tensors.data()); }, [](Napi::Env env) { return env.Undefined(); });
}

Napi::Value Session::readOptimizer(const Napi::CallbackInfo& info) {
  const auto trainer = trainer_;
  const auto slots = slotsFrom(info[0]);
  const auto step = std::make_shared<double>();
  return queue(
      info, [=] { *step = trainer->readOptimizer(slots); },
      [=](Napi::Env env) { return Napi::Number::New(env, *step); });
}

Napi::Value Session::writeOptimizer(const Napi::CallbackInfo& info) {
  const auto trainer = trainer_;
  const double step = info[0].As<Napi::Number>().DoubleValue();
  const auto slots = slotsFrom(info[1]);
  return queue(
      info, [=] { trainer->writeOptimizer(step, slots); }, [](Napi::Env env) { return env.Undefined(); });
}

Napi::Value Session::memoryBytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(trainer_->memoryBytes()));
}

void Session::holdBytes(Napi::Env env, std::int64_t bytes) {
  Napi::MemoryManagement::AdjustExternalMemory(env, bytes - heldBytes_);
  heldBytes_ = bytes;
}

void Session::Finalize(Napi::Env env) { holdBytes(env, 0); }

Napi::Value Session::close(const Napi::CallbackInfo& info) {
  holdBytes(info.Env(), 0);
  trainer_.reset();
  return info.Env().Undefined();
}

}  // namespace trainql
