// Multiresolution hash encoding of many positions. Arrays of samples are planar: one value of all samples, then the next.
#pragma once
#include <stdint.h>

namespace recon {

constexpr int kMaxLevels = 32;

struct HashLevels {
  int count;
  int resolution[kMaxLevels];
  int64_t offset[kMaxLevels + 1];  // where a level begins among the entries, a multiple of 8
};

struct HashArgs {
  HashLevels levels;
  const float* positions;  // [3 n] in the unit cube
  const float* sigmas;     // [n], or null: every level counts in full
  const float* tables;     // [entries 2]
  int64_t n, stride;       // `stride`: from one feature's plane to the next
  float* features;         // [2 levels, stride]
  const float* grads;      // [2 levels, stride], of the features
  float* table_grad;       // [entries 2], added to; or null
  float* position_grad;    // [3 n], or null
  float* workspace;        // hash_workspace floats
  int threads;             // on the CPU
  uintptr_t stream;        // on CUDA
};

// Adam for tables: entries without a gradient stay as they are. Clears the gradient.
struct SparseAdamArgs {
  float *tables, *table_grad, *first, *second;  // [count]
  int64_t count, step;                          // the step counts from 1
  double learning_rate, beta1, beta2, epsilon;
  int threads;
  uintptr_t stream;
};

}  // namespace recon
