// The kernels compiled for avx512.
#define TRAINQL_ISA_NAME "avx512"
#define TRAINQL_ISA avx512
#define TRAINQL_VECTOR 16
#define TRAINQL_TILE_ROWS 14
#include "cpu/kernels_impl.h"

namespace trainql {

const Kernels& avx512Kernels() { return avx512::table; }

}  // namespace trainql
