// The CPU kernels, one table of them per instruction set. `kernels()` is the best table this machine can run.
#pragma once
#include "ops/adam.h"
#include "ops/composite.h"
#include "ops/directions.h"
#include "ops/field.h"
#include "ops/hash_grid.h"
#include "ops/lift.h"
#include "ops/march.h"
#include "ops/mcmc.h"
#include "ops/mlp.h"
#include "ops/photometric.h"
#include "ops/point_sets.h"
#include "ops/splat.h"

namespace recon {

struct Kernels {
  const char* isa;
  void (*splat_project)(const Splat&);
  void (*splat_sort)(Splat&);  // sets seen_count and pair_count
  void (*splat_emit)(const Splat&);
  void (*splat_blend)(const Splat&);
  void (*splat_blend_backward)(const Splat&, const SplatBackward&);
  void (*splat_gather)(const Splat&, const SplatGather&);
  void (*splat_lift)(const Splat&, const SplatLift&);
  void (*photometric)(const PhotometricArgs&);
  void (*adam_step)(const AdamArgs&);
  void (*mcmc_noise)(const NoiseArgs&);
  void (*mcmc_relocate)(const RelocateArgs&);
  void (*hash_encode)(const HashArgs&);
  void (*hash_backward)(const HashArgs&);  // of the tables, the positions, or both
  void (*sparse_adam)(const SparseAdamArgs&);
  void (*mlp_forward)(const MlpArgs&);
  void (*mlp_backward)(const MlpArgs&);
  bool (*bf16_tiles)();  // whether this machine multiplies bf16 matrices
  void (*field_forward)(const FieldArgs&);
  void (*field_backward)(const FieldArgs&);
  void (*march)(const MarchArgs&);
  void (*place_samples)(const PlaceArgs&);
  void (*place_backward)(const PlaceArgs&);
  void (*encode_directions)(const DirectionArgs&);
  void (*encode_directions_backward)(const DirectionArgs&);
  void (*composite)(const CompositeArgs&);
  void (*composite_backward)(const CompositeArgs&);
  void (*distortion)(const DistortionArgs&);
  void (*distortion_backward)(const DistortionArgs&);
  void (*farthest_points)(const FarthestArgs&);
  void (*ball_query)(const BallArgs&);
};

const Kernels& kernels();
// "baseline", "avx2" or "avx512"; false where this machine cannot run it. For tests and benchmarks.
bool select_kernels(const char* isa);

}  // namespace recon
