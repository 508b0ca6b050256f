// The JavaScript face of a Loader.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "input/loader.h"

namespace trainql {

class InputLoader final : public Napi::ObjectWrap<InputLoader> {
 public:
  static Napi::Function define(Napi::Env);
  explicit InputLoader(const Napi::CallbackInfo&);
  ~InputLoader() override;

 private:
  Napi::Value fill(const Napi::CallbackInfo&);
  void close(const Napi::CallbackInfo&);
  void end();

  std::unique_ptr<Loader> loader_;
  std::vector<Napi::ObjectReference> kept_;  // images in memory
  Napi::ThreadSafeFunction toScript_;
};

}  // namespace trainql
