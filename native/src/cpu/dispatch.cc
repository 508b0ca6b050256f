// Chooses the kernels this processor can run.
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "cpu/kernels.h"

#ifdef TRAINQL_HAS_AMX
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace trainql {

namespace {

#ifdef TRAINQL_HAS_AMX
// Whether processor and system have AMX, and the system lets this process use it: it must be asked once, for all threads
// (Linux, Documentation/arch/x86/xstate.rst).
bool allowedAmx() {
  unsigned a, b, c, d;
  constexpr unsigned amxBf16 = 1u << 22, amxTile = 1u << 24, osSavesMore = 1u << 27;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & osSavesMore) == 0) return false;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & amxBf16) == 0 || (d & amxTile) == 0) return false;
  unsigned saved, high;
  asm volatile("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
  constexpr unsigned tileConfigAndData = 3u << 17;
  if ((saved & tileConfigAndData) != tileConfigAndData) return false;
  constexpr long requestPermission = 0x1023, tileData = 18;
  return syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
}
#endif

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

const char* asked() {
  const char* isa = std::getenv("TRAINQL_ISA");
  return isa != nullptr && *isa != '\0' ? isa : nullptr;
}

}  // namespace

bool supportsBf16() {
#ifdef TRAINQL_HAS_BF16
  return has("avx512") && __builtin_cpu_supports("avx512bf16") &&
         (asked() == nullptr || std::strcmp(asked(), "avx512") == 0);
#else
  return false;
#endif
}

const Kernels& bestKernels(Precision precision) {
  if (precision == Precision::bf16) {
#ifdef TRAINQL_HAS_AMX
    static const bool amx = allowedAmx();
    if (amx && supportsBf16() && asked() == nullptr) return amxBf16Kernels();
#endif
#ifdef TRAINQL_HAS_BF16
    if (supportsBf16()) return avx512Bf16Kernels();
#endif
    throw std::invalid_argument("bf16 needs a processor with avx512_bf16");
  }
  if (const char* isa = asked(); isa != nullptr) {
    if (!has(isa)) {
      throw std::invalid_argument(std::string("TRAINQL_ISA: expected an instruction set this processor has, of avx512, "
                                              "avx2, portable; got ") + isa);
    }
    return named(isa);
  }
  for (const char* isa : {"avx512", "avx2"}) {
    if (has(isa)) return named(isa);
  }
  return portableKernels();
}

}  // namespace trainql
