// The kernels compiled for avx512_bf16, with bfloat16 activations.
#define TRAINQL_ISA_NAME "avx512_bf16"
#define TRAINQL_ISA avx512_bf16
#define TRAINQL_VECTOR 16
#define TRAINQL_TILE_ROWS 14
#define TRAINQL_BF16
#include "cpu/kernels_impl.h"

namespace trainql {

const Kernels& avx512Bf16Kernels() { return avx512_bf16::table; }

}  // namespace trainql
