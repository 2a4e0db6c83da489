// The numbers the math headers are written in. `float` always; on the CPU also `f32`, one SIMD register of floats, with
// the same functions, so that `template <class F>` math serves a CUDA thread and a vector of Gaussians or pixels alike.
// Everything lives in a namespace of its instruction set: the linker must never swap one build's code for another's.
#pragma once

#if defined(__CUDACC__) || defined(RECON_SIMT_EMULATED)
#define RECON_ONE_LANE  // a thread a number; no SIMD types
#endif

#ifdef __CUDACC__
#define RECON_HD __host__ __device__ __forceinline__
#elif defined(RECON_SIMT_EMULATED)
#define RECON_HD inline
#else
#define RECON_HD inline __attribute__((always_inline))
#endif

#ifndef RECON_ISA
#define RECON_ISA device
#endif

#include <math.h>
#include <stdint.h>

namespace recon::RECON_ISA {

// What a comparison of two F gives.
template <class F>
struct MaskOf;
template <>
struct MaskOf<float> {
  using type = bool;
};
template <class F>
using Mask = typename MaskOf<F>::type;

RECON_HD float where(bool condition, float yes, float no) { return condition ? yes : no; }
RECON_HD bool lt(float a, float b) { return a < b; }
RECON_HD bool ge(float a, float b) { return a >= b; }
RECON_HD bool both(bool a, bool b) { return a && b; }
RECON_HD float max_of(float a, float b) { return a > b ? a : b; }
RECON_HD float min_of(float a, float b) { return a < b ? a : b; }
RECON_HD float square_root(float a) { return sqrtf(a); }
RECON_HD float nearest(float a) { return rintf(a); }
RECON_HD float fused(float a, float b, float c) { return fmaf(a, b, c); }
RECON_HD float exp2_of(float a) { return exp2f(a); }
RECON_HD float log2_of(float a) { return log2f(a); }
RECON_HD float absolute(float a) { return fabsf(a); }
#ifdef __CUDA_ARCH__
// 1 / a to 1e-7, for a normal number.
RECON_HD float reciprocal(float a) { return __fdividef(1.0f, a); }
// a b, rounded: nvcc would fuse it with a sum that follows.
RECON_HD float rounded_product(float a, float b) { return __fmul_rn(a, b); }
#else
RECON_HD float reciprocal(float a) { return 1.0f / a; }
RECON_HD float rounded_product(float a, float b) { return a * b; }
#endif

}  // namespace recon::RECON_ISA

#ifndef RECON_ONE_LANE
#include "simd.h"
#endif

namespace recon::RECON_ISA {

constexpr float kLog2E = 1.4426950408889634f;
constexpr float kLn2 = 0.6931471805599453f;

template <class F>
RECON_HD F clamp_to(F a, F low, F high) {
  return min_of(max_of(a, low), high);
}
template <class F>
RECON_HD F exp_of(F a) {
  return exp2_of(a * kLog2E);
}

}  // namespace recon::RECON_ISA
