// What MCMC density control does to Gaussians between steps: shake them, and share one's opacity among its copies.
#pragma once
#include <stdint.h>

namespace recon {

struct NoiseArgs {
  float* blocks;  // [block_count planes 16]; the means move
  int64_t block_count;
  int planes, threads;
  float scale;
  uint64_t seed, step;
};

struct RelocateArgs {
  const float *opacities, *scales;  // [count], [count 3]
  const int64_t* copies;            // [count], at least 1
  int64_t count;
  float *new_opacities, *new_scales;
};

}  // namespace recon
