// The kernel table as JavaScript sees it, and convolutions on trial for the command that writes it.
#pragma once

#include <napi.h>

namespace trainql {

// Sets kernelTableVersion, kernelsName, kernelTable, acceptedAlgorithms, algorithmsByRule, chosenAlgorithms, timeConvolution and
// computeConvolution. The last two block the caller: they are for tuning and tests.
void exportTuning(Napi::Env, Napi::Object exports);

}  // namespace trainql
