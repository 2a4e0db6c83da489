// The kernels as this instruction set compiles them.
#pragma once
#include "ops/adam.h"
#include "ops/lift.h"
#include "ops/mcmc.h"
#include "ops/patch_match.h"
#include "ops/photometric.h"
#include "ops/point_sets.h"
#include "ops/radiance.h"
#include "ops/splat.h"

namespace recon::RECON_ISA {

void splat_project(const Splat&);
void splat_sort(Splat&);
void splat_emit(const Splat&);
void splat_blend(const Splat&);
void splat_blend_backward(const Splat&, const SplatBackward&);
void splat_gather(const Splat&, const SplatGather&);
void splat_lift(const Splat&, const SplatLift&);
void photometric(const PhotometricArgs&);
void adam_step(const AdamArgs&);
void mcmc_noise(const NoiseArgs&);
void mcmc_relocate(const RelocateArgs&);
void hash_encode(const HashArgs&);
void hash_backward(const HashArgs&);
int64_t hash_workspace(const HashArgs&);
void sparse_adam(const SparseAdamArgs&);
void mlp_forward(const MlpArgs&);
void mlp_backward(const MlpArgs&);
int64_t mlp_workspace(const MlpArgs&);
bool bf16_tiles();
void field_forward(const FieldArgs&);
void field_backward(const FieldArgs&);
int64_t field_workspace(const FieldArgs&);
void march(const MarchArgs&);
void place_samples(const PlaceArgs&);
void place_backward(const PlaceArgs&);
void encode_directions(const DirectionArgs&);
void encode_directions_backward(const DirectionArgs&);
void composite(const CompositeArgs&);
void composite_backward(const CompositeArgs&);
void distortion(const DistortionArgs&);
void distortion_backward(const DistortionArgs&);
void farthest_points(const FarthestArgs&);
void ball_query(const BallArgs&);
void match_costs(const MatchArgs&);
void match_sweep(const MatchArgs&);

}  // namespace recon::RECON_ISA
