// JavaScript values to plain structs. The JavaScript side has validated them; a mistake here is a bug and throws.
#pragma once

#include <napi.h>

#include "trainer.h"

namespace trainql {

TrainerSpec trainerSpecFrom(const Napi::Object&);

}  // namespace trainql
