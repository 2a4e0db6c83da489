// This instruction set's entry in the table of kernels.
#include "ops/kernels.h"
#include "ops/entry_points.h"

#define RECON_QUOTE(name) #name
#define RECON_NAME(name) RECON_QUOTE(name)

namespace recon::RECON_ISA {

extern const Kernels table;
const Kernels table = {
    RECON_NAME(RECON_ISA), splat_project, splat_sort, splat_emit, splat_blend, splat_blend_backward, splat_gather, splat_lift,
    photometric,          adam_step,     mcmc_noise, mcmc_relocate,
    march,
    {hash_encode, hash_backward, hash_workspace, sparse_adam, mlp_forward, mlp_backward, mlp_workspace, bf16_tiles,
     field_forward, field_backward, field_workspace, place_samples, place_backward, encode_directions,
     encode_directions_backward, composite, composite_backward, distortion, distortion_backward},
    farthest_points,      ball_query,
    match_costs,          match_sweep,
};

}  // namespace recon::RECON_ISA
