// The operators of radiance fields on CUDA. Pointers are to device memory; nothing waits for the GPU.
#pragma once
#include <stddef.h>

#include "ops/radiance.h"

namespace recon {

void cuda_hash_encode(const HashArgs& args);
// The tables' gradient is the same bits in any order of the threads (math/fixed.h).
void cuda_hash_backward(const HashArgs& args);
int64_t cuda_hash_workspace(const HashArgs& args);
void cuda_sparse_adam(const SparseAdamArgs& args);

void cuda_mlp_forward(const MlpArgs& args);
void cuda_mlp_backward(const MlpArgs& args);
int64_t cuda_mlp_workspace(const MlpArgs& args);
bool cuda_bf16_tiles();
// Samples whose ray does not exist get no numbers; samples out of the order of their rays, wrong gradients of the rays.
void cuda_field_forward(const FieldArgs& args);
void cuda_field_backward(const FieldArgs& args);
int64_t cuda_field_workspace(const FieldArgs& args);

// How many samples there are, and then they themselves; `workspace` goes from one to the other.
size_t cuda_march_bytes(const MarchArgs& args);
void cuda_march_count(const MarchArgs& args, int64_t* found, void* workspace);
void cuda_march_fill(const MarchArgs& args, const void* workspace);
void cuda_place_samples(const PlaceArgs& args);
void cuda_place_backward(const PlaceArgs& args);
void cuda_encode_directions(const DirectionArgs& args);
void cuda_encode_directions_backward(const DirectionArgs& args);

void cuda_composite(const CompositeArgs& args);
void cuda_composite_backward(const CompositeArgs& args);
void cuda_distortion(const DistortionArgs& args);
void cuda_distortion_backward(const DistortionArgs& args);

}  // namespace recon
