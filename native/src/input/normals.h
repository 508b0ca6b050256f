// Normal numbers of src/trainer/random.ts, bit for bit.
#pragma once

#include <cstddef>

#include "input/random.h"

namespace trainql {

// `count` numbers of mean 0 from the beginning of a key's sequence, one uniform number each.
void drawNormals(const RandomKey&, double deviation, float* to, std::size_t count);

}  // namespace trainql
