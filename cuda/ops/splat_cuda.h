// The host's side of splatting on CUDA: what it is called with, and the entry points of its stages.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "ops/lift.h"
#include "ops/splat.h"

namespace recon {

// A view and its scratch memory. `view` is as on the CPU: camera, blocks, images and options are filled, nothing else.
struct SplatJob {
  Splat view;
  void* workspace;      // device memory of cuda_splat_bytes
  int64_t seen_limit, pair_limit;
  bool backward;        // leave what the way back needs
  uintptr_t stream;
};

// Bytes of workspace for a job; its `workspace` may be null. It begins with two 64-bit counts: Gaussians seen, pairs.
size_t cuda_splat_bytes(const SplatJob& job);

// What a step brings with it besides the view, put where kernels find it; null pointers for a view alone.
struct SplatUpdate {
  const float* learning_rates;  // [planes], host memory; null: no Adam
  int64_t step;                 // from 1
  double beta1, beta2, epsilon;
  float opacity_pull, scale_pull;
};
void cuda_splat_inputs(const SplatJob& job, const SplatUpdate& update);

// Finds what is seen and counts the pairs. Then, with limits that hold them, the picture.
void cuda_splat_project(const SplatJob& job);
void cuda_splat_picture(const SplatJob& job);

// The way back: pixels to pairs, and pairs to parameters.
struct SplatGradients {
  const float *grad_rgb, *grad_alpha, *grad_depth;  // of the pixels; depth may be null
  bool absolute;
  float* grads;        // [block_count][planes][kBlock]; or null: Adam
  float* grad_camera;  // [4][4], with grads only; or null
  // Adam: moments are floats, or codes of a byte (math/moment.h)
  float* parameters;
  void *first, *second;
  bool coded;
  float* stats;         // [block_count][3][kBlock] or null
  const float* loss;    // one number; nothing moves where it is not finite. Or null
};
void cuda_splat_backward(const SplatJob& job, const SplatGradients& gradients);
// After a picture: features of a map to the Gaussians. `pair_nodes` is for the job's pair limit; `pair_tile` stays unused.
void cuda_splat_lift(const SplatJob& job, const SplatLift& lift);
void cuda_splat_seen(const SplatJob& job, bool* seen);

}  // namespace recon
