// Picks the CPU kernels for the machine the program runs on.
#include <string.h>

#include "ops/kernels.h"

namespace recon {

namespace baseline { extern const Kernels table; }
#ifdef RECON_X86
namespace avx2 { extern const Kernels table; }
namespace avx512 { extern const Kernels table; }
#endif

namespace {

const Kernels* find(const char* isa) {
  const bool any = isa == nullptr;
#ifdef RECON_X86
  __builtin_cpu_init();
  if ((any || strcmp(isa, "avx512") == 0) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    return &avx512::table;
  if ((any || strcmp(isa, "avx2") == 0) && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return &avx2::table;
#endif
  return any || strcmp(isa, "baseline") == 0 ? &baseline::table : nullptr;
}

const Kernels*& chosen() {
  static const Kernels* table = find(nullptr);
  return table;
}

}  // namespace

const Kernels& kernels() { return *chosen(); }

bool select_kernels(const char* isa) {
  const Kernels* table = find(isa);
  if (table != nullptr) chosen() = table;
  return table != nullptr;
}

}  // namespace recon
