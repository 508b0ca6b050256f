// Images from (N, C, H, W) in fp32 to where the first layer reads them.
#pragma once

#include "plan/plan.h"

namespace trainql {

// `count` images, at most a shard; those missing to a shard are zero.
void stageImages(const Plan&, const float* images, int count, float* input);

}  // namespace trainql
