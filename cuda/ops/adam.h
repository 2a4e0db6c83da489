// Adam on blocks of Gaussians, skipping those that no pixel saw.
#pragma once
#include <stdint.h>

namespace recon {

constexpr int kMaxAdamPlanes = 64;  // a block has 11 + 3 (degree + 1)^2, at most 59

struct AdamArgs {
  float *blocks, *first, *second;  // [block_count planes 16], updated in place
  const float* grads;              // [block_count planes 16]
  const float* learning_rates;     // [planes]
  const bool* seen;                // [block_count 16], or null: all
  int64_t block_count, step;       // the step counts from 1
  int planes, threads;
  double beta1, beta2, epsilon;
};

}  // namespace recon
