// From a job to what its kernels get.
#pragma once
#include "ops/splat_cuda.h"
#include "ops/splat_device.h"

namespace recon {

// Pointers into the job's workspace; where `bytes` is given, how long that must be. The counts come first.
SplatDevice lay_out(const SplatJob& job, size_t* bytes = nullptr);

// Scratch that sorting and summing take: the more, the more tiles the image has, for their bits are sorted in passes.
size_t order_library_bytes(const SplatDevice& s);

// Sorts the seen by depth, deals their pairs out to the tiles, and groups them.
void cuda_splat_order(const SplatDevice& s, cudaStream_t stream);
void cuda_splat_blend(const SplatDevice& s, cudaStream_t stream);
void cuda_splat_blend_backward(const SplatDevice& s, const SplatGradients& d, cudaStream_t stream);
void cuda_splat_gather(const SplatDevice& s, const SplatGradients& d, cudaStream_t stream);

}  // namespace recon
