// JavaScript values to plain structs. The JavaScript side has validated them; a mistake here is a bug and throws.
#pragma once

#include <napi.h>

#include <string>

#include "trainer.h"

namespace trainql {

TrainerSpec trainerSpecFrom(const Napi::Object&);
int intAt(const Napi::Object&, const char* key);
// FP32 or BF16.
Precision precisionNamed(const std::string&);

}  // namespace trainql
