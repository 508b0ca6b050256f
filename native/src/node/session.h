// The JavaScript face of a Trainer: arguments on the JS thread, work off it, results back on it.
#pragma once

#include <napi.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "node/call_order.h"
#include "trainer.h"

namespace trainql {

class Session final : public Napi::ObjectWrap<Session> {
 public:
  static Napi::Function define(Napi::Env);
  explicit Session(const Napi::CallbackInfo&);
  void Finalize(Napi::Env) override;

 private:
  Napi::Value step(const Napi::CallbackInfo&);
  Napi::Value gradients(const Napi::CallbackInfo&);
  Napi::Value profile(const Napi::CallbackInfo&);
  Napi::Value evaluate(const Napi::CallbackInfo&);
  Napi::Value predict(const Napi::CallbackInfo&);
  Napi::Value readState(const Napi::CallbackInfo&);
  Napi::Value writeState(const Napi::CallbackInfo&);
  Napi::Value readOptimizer(const Napi::CallbackInfo&);
  Napi::Value writeOptimizer(const Napi::CallbackInfo&);
  Napi::Value memoryBytes(const Napi::CallbackInfo&);
  Napi::Value close(const Napi::CallbackInfo&);

  // Queues a call of the trainer behind those made before: see `Work`.
  Napi::Promise queue(const Napi::CallbackInfo&, std::function<void()> compute,
                      std::function<Napi::Value(Napi::Env)> result);

  // Tells V8 how much memory the session holds.
  void holdBytes(Napi::Env, std::int64_t);

  std::int64_t heldBytes_ = 0;  // what V8 was told last
  Napi::ObjectReference progress_;    // the array that the trainer writes into
  // Work under way keeps its own share of both.
  std::shared_ptr<Trainer> trainer_;
  std::shared_ptr<CallOrder> order_ = std::make_shared<CallOrder>();
};

}  // namespace trainql
