// What happens to blocks of Gaussians after the gradient, on CUDA. Pointers are to device memory.
#pragma once
#include <stdint.h>

#include "ops/adam.h"
#include "ops/mcmc.h"

namespace recon {

// `args.first` and `args.second` are floats; `codes_first`, `codes_second`, where given, are used in their place
// (math/moment.h). The learning rates are in host memory.
void cuda_adam_step(const AdamArgs& args, int8_t* codes_first, uint8_t* codes_second, uintptr_t stream);
void cuda_mcmc_noise(const NoiseArgs& args, uintptr_t stream);
void cuda_mcmc_relocate(const RelocateArgs& args, uintptr_t stream);

// Places of points on a Z curve over the box `low`..`high`, 1024 cells a side.
struct MortonArgs {
  const float* means;       // [count 3]
  const float *low, *high;  // [3]
  int64_t count;
  int64_t* codes;       // [count]
};
void cuda_morton_codes(const MortonArgs& args, uintptr_t stream);

}  // namespace recon
