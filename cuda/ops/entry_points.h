// The kernels as this instruction set compiles them.
#pragma once
#include "ops/adam.h"
#include "ops/mcmc.h"
#include "ops/photometric.h"
#include "ops/splat.h"

namespace recon::RECON_ISA {

void splat_project(const Splat&);
void splat_sort(Splat&);
void splat_emit(const Splat&);
void splat_blend(const Splat&);
void splat_blend_backward(const Splat&, const SplatBackward&);
void splat_gather(const Splat&, const SplatGather&);
void photometric(const PhotometricArgs&);
void adam_step(const AdamArgs&);
void mcmc_noise(const NoiseArgs&);
void mcmc_relocate(const RelocateArgs&);

}  // namespace recon::RECON_ISA
