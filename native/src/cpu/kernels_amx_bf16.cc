// The kernels compiled for avx512_bf16 with products on AMX tiles, with bfloat16 activations.
#define TRAINQL_ISA_NAME "amx_bf16"
#define TRAINQL_ISA amx_bf16
#define TRAINQL_VECTOR 16
#define TRAINQL_TILE_ROWS 14
#define TRAINQL_BF16
#define TRAINQL_AMX
#include "cpu/kernels_impl.h"

namespace trainql {

const Kernels& amxBf16Kernels() { return amx_bf16::table; }

}  // namespace trainql
