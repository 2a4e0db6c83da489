// PatchMatch stereo on CUDA. Pointers are to device memory.
#pragma once
#include "ops/patch_match.h"

namespace recon {

void cuda_match_costs(const MatchArgs& args, uintptr_t stream);
void cuda_match_sweep(const MatchArgs& args, uintptr_t stream);

}  // namespace recon
