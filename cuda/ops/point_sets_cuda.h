// Farthest points and balls on CUDA. Pointers are to device memory.
#pragma once
#include "ops/point_sets.h"

namespace recon {

void cuda_farthest_points(const FarthestArgs& args, uintptr_t stream);
void cuda_ball_query(const BallArgs& args, uintptr_t stream);

}  // namespace recon
