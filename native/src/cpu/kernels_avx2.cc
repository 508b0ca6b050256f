// The kernels compiled for avx2.
#define TRAINQL_ISA_NAME "avx2"
#define TRAINQL_ISA avx2
#define TRAINQL_VECTOR 8
#define TRAINQL_TILE_ROWS 6
#include "cpu/kernels_impl.h"

namespace trainql {

const Kernels& avx2Kernels() { return avx2::table; }

}  // namespace trainql
