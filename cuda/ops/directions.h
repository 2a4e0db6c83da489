// Spherical harmonics of directions.
#pragma once
#include <stdint.h>

namespace recon {

struct DirectionArgs {
  const float* directions;  // [rays 3], unit
  int64_t ray_count;
  float* basis;            // [rays 16]
  const float* grads;      // [rays 16], of the basis
  float* direction_grads;  // [rays 3]
  int threads;
  uintptr_t stream;
};

}  // namespace recon
