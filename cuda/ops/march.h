// Rays through cubes of occupied cells, and samples' positions.
#pragma once
#include <stdint.h>

namespace recon {

struct MarchArgs {
  const float *origins, *directions;  // [rays 3]
  int64_t ray_count, most;            // `most` samples fit
  const bool* occupied;               // [cubes side side side]
  int cubes, side;
  float center[3], radius;
  double step, cone, near, far;
  bool jitter;
  uint64_t seed, count;  // of the random numbers: the key, and with the ray the counter
  int64_t* offsets;      // [rays + 1]
  int32_t* rays;         // [most]
  float *t0, *t1;        // [most]
  int64_t* complete;     // how many leading rays have all their samples; in host memory, for the CPU
  int threads;
  uintptr_t stream;
};

struct PlaceArgs {
  const float *origins, *directions;  // [rays 3]
  const float* cone_radius;           // [rays], or null
  const int64_t* offsets;             // [rays + 1]
  const float *t0, *t1;               // [n]
  int64_t ray_count, n;
  float center[3], radius;
  bool contract;
  float *positions, *sigmas;           // [3 n], [n] or null
  const float* position_grads;         // [3 n]
  float *origin_grads, *direction_grads;  // [rays 3]
  int threads;
  uintptr_t stream;
};

}  // namespace recon
