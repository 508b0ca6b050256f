// Chooses the kernels this processor can run.
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "cpu/kernels.h"

namespace trainql {

namespace {

bool has(const char* isa) {
#ifdef TRAINQL_X86
  if (std::strcmp(isa, "avx512") == 0) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
  }
  if (std::strcmp(isa, "avx2") == 0) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
  return std::strcmp(isa, "portable") == 0;
}

const Kernels& named(const char* isa) {
#ifdef TRAINQL_X86
  if (std::strcmp(isa, "avx512") == 0) return avx512Kernels();
  if (std::strcmp(isa, "avx2") == 0) return avx2Kernels();
#endif
  (void)isa;
  return portableKernels();
}

}  // namespace

const Kernels& bestKernels() {
  if (const char* asked = std::getenv("TRAINQL_ISA"); asked != nullptr && *asked != '\0') {
    if (!has(asked)) {
      throw std::invalid_argument(std::string("TRAINQL_ISA: expected an instruction set this processor has, of avx512, "
                                              "avx2, portable; got ") + asked);
    }
    return named(asked);
  }
  for (const char* isa : {"avx512", "avx2"}) {
    if (has(isa)) return named(isa);
  }
  return portableKernels();
}

}  // namespace trainql
