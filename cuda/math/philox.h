// Philox4x32-10, a counter-based random number generator (Salmon et al. 2011, "Parallel random numbers: as easy as
// 1, 2, 3"), and normal deviates from it. A number depends on its counter and key alone: not on threads, not on order.
#pragma once
#include "math/number.h"

namespace recon::RECON_ISA {

RECON_HD float float_of(uint32_t a) { return float(int32_t(a)); }
RECON_HD void multiply(uint32_t a, uint32_t b, uint32_t& high, uint32_t& low) {
  const uint64_t product = uint64_t(a) * b;
  high = uint32_t(product >> 32);
  low = uint32_t(product);
}

#ifndef RECON_ONE_LANE
typedef uint64_t u64 __attribute__((vector_size(4 * RECON_LANES)));

// Below 2^31.
RECON_HD f32 float_of(u32 a) { return __builtin_convertvector((i32)a, f32); }
RECON_HD void multiply(u32 a, uint32_t b, u32& high, u32& low) {
  const u64 even = ((u64)a & 0xffffffffu) * uint64_t(b), odd = ((u64)a >> 32) * uint64_t(b);
  high = (u32)((even >> 32) | (odd & 0xffffffff00000000u));
  low = (u32)((even & 0xffffffffu) | (odd << 32));
}
#endif

template <class U>
struct Random4 {
  U a, b, c, d;
};

template <class U>
RECON_HD Random4<U> philox(Random4<U> counter, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    U high0, low0, high1, low1;
    multiply(counter.a, 0xD2511F53u, high0, low0);
    multiply(counter.c, 0xCD9E8D57u, high1, low1);
    counter = {high1 ^ counter.b ^ key0, low1, high0 ^ counter.d ^ key1, low0};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

// Two independent standard normals (Box & Muller 1958). `a` gives the radius, its high 24 bits; `b` the angle, its high
// 24 bits within a quarter turn and its low 2 bits which quarter.
template <class F, class U>
RECON_HD void normals(U a, U b, F& first, F& second) {
  const F uniform = (float_of(a >> 8) + 0.5f) * 0x1p-24f;
  const F radius = square_root(-2.0f * kLn2 * log2_of(uniform));
  const F t = (float_of(b >> 8) + 0.5f) * (0x1p-24f * 1.5707963267948966f) - 0.7853981633974483f, t2 = t * t;
  const F sine = t * (1.0f + t2 * (-1.0f / 6 + t2 * (1.0f / 120 + t2 * (-1.0f / 5040 + t2 * (1.0f / 362880)))));
  const F cosine = 1.0f + t2 * (-0.5f + t2 * (1.0f / 24 + t2 * (-1.0f / 720 + t2 * (1.0f / 40320))));
  const F odd = float_of(b & 1u), sign = 1.0f - float_of(b & 2u);
  first = radius * sign * where(ge(odd, 0.5f), -sine, cosine);
  second = radius * sign * where(ge(odd, 0.5f), cosine, sine);
}

}  // namespace recon::RECON_ISA
