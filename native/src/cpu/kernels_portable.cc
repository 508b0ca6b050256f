// The kernels compiled for portable.
#define TRAINQL_ISA_NAME "portable"
#define TRAINQL_ISA portable
#define TRAINQL_VECTOR 4
#define TRAINQL_TILE_ROWS 6
#include "cpu/kernels_impl.h"

namespace trainql {

const Kernels& portableKernels() { return portable::table; }

}  // namespace trainql
