// A radiance field's two networks: encoded positions to density, and with what is known of the ray to colour.
#pragma once
#include "ops/mlp.h"

namespace recon {

struct FieldArgs {
  NetworkShape density, colour;
  const float *density_weights, *colour_weights;
  const float* encoded;       // [features, stride]
  const float* ray_features;  // [rays, ray_width]
  const int32_t* rays;        // [n], never decreasing: the ray that a sample lies on
  int64_t n, stride, ray_count;
  int ray_width;
  float *raw_density, *raw_rgb;  // [n], [3 n]

  const float *density_grads, *rgb_grads;  // [n], [3 n]
  float* encoded_grads;                    // [features, stride]
  float* ray_grads;                        // [rays, ray_width], zero at first
  float *density_weight_grads, *colour_weight_grads;
  float* workspace;  // field_workspace floats
  bool bf16;
  int threads;
  uintptr_t stream;
};

}  // namespace recon
