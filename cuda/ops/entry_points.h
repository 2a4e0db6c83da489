// The kernels as this instruction set compiles them.
#pragma once
#include "ops/splat.h"

namespace recon::RECON_ISA {

void splat_project(const Splat&);
void splat_sort(Splat&);
void splat_emit(const Splat&);
void splat_blend(const Splat&);
void splat_blend_backward(const Splat&, const SplatBackward&);
void splat_gather(const Splat&, const SplatGather&);

}  // namespace recon::RECON_ISA
