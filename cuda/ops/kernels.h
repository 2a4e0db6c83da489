// The CPU kernels, one table of them per instruction set. `kernels()` is the best table this machine can run.
#pragma once
#include "ops/adam.h"
#include "ops/lift.h"
#include "ops/mcmc.h"
#include "ops/patch_match.h"
#include "ops/photometric.h"
#include "ops/point_sets.h"
#include "ops/radiance.h"
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
  void (*march)(const MarchArgs&);
  RadianceKernels radiance;
  void (*farthest_points)(const FarthestArgs&);
  void (*ball_query)(const BallArgs&);
  void (*match_costs)(const MatchArgs&);
  void (*match_sweep)(const MatchArgs&);
};

const Kernels& kernels();
// "baseline", "avx2" or "avx512"; false where this machine cannot run it. For tests and benchmarks.
bool select_kernels(const char* isa);

}  // namespace recon
