// Packed samples to pixels, and how spread out they are. Rays are independent.
#pragma once
#include <stdint.h>

namespace recon {

struct CompositeArgs {
  const float *density, *rgb, *t0, *t1;  // [n], [3 n], [n], [n]
  const int64_t* offsets;                // [rays + 1]
  int64_t n, ray_count;
  float min_transmittance;
  float *pixels, *alpha, *depth;  // [rays 3], [rays], [rays]
  float* weights;                 // [n]; read on the way back

  const float *pixel_grads, *alpha_grads, *depth_grads, *weight_grads;
  float *density_grads, *rgb_grads;
  int threads;
  uintptr_t stream;
};

struct DistortionArgs {
  const float *weights, *t0, *t1;  // [n]
  const int64_t* offsets;          // [rays + 1]
  int64_t ray_count;
  float scale;
  float* distortion;   // [rays]
  const float* grads;  // [rays]
  float* weight_grads;  // [n]
  int threads;
  uintptr_t stream;
};

}  // namespace recon
