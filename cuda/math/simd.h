// One SIMD register of floats, by GCC's vector extension: 16 lanes with AVX-512, 8 otherwise. Arithmetic is the
// compiler's; comparisons, selection and the few transcendental functions are here.
#pragma once

#if defined(__AVX512F__)
#include <immintrin.h>
#define RECON_LANES 16
#else
#if defined(__AVX2__)
#include <immintrin.h>
#endif
#define RECON_LANES 8
#endif

namespace recon::RECON_ISA {

constexpr int kLanes = RECON_LANES;

typedef float f32 __attribute__((vector_size(4 * RECON_LANES)));
typedef int32_t i32 __attribute__((vector_size(4 * RECON_LANES)));
typedef uint32_t u32 __attribute__((vector_size(4 * RECON_LANES)));

RECON_HD f32 load(const float* from) {
  f32 v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}
RECON_HD void store(float* to, f32 v) { __builtin_memcpy(to, &v, sizeof v); }
RECON_HD f32 all_lanes(float a) { return a - f32{}; }
RECON_HD f32 bits_of(i32 a) {
  f32 v;
  __builtin_memcpy(&v, &a, sizeof v);
  return v;
}
RECON_HD i32 bits_of(f32 a) {
  i32 v;
  __builtin_memcpy(&v, &a, sizeof v);
  return v;
}

#if defined(__AVX512F__)

typedef __mmask16 mask;
RECON_HD mask lt(f32 a, f32 b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ); }
RECON_HD mask ge(f32 a, f32 b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GE_OQ); }
RECON_HD mask both(mask a, mask b) { return mask(a & b); }
RECON_HD f32 where(mask m, f32 yes, f32 no) { return (f32)_mm512_mask_blend_ps(m, (__m512)no, (__m512)yes); }
RECON_HD uint32_t lanes_of(mask m) { return m; }
RECON_HD mask mask_of(uint32_t lanes) { return mask(lanes); }
RECON_HD f32 max_of(f32 a, f32 b) { return (f32)_mm512_max_ps((__m512)a, (__m512)b); }
RECON_HD f32 min_of(f32 a, f32 b) { return (f32)_mm512_min_ps((__m512)a, (__m512)b); }
RECON_HD f32 square_root(f32 a) { return (f32)_mm512_sqrt_ps((__m512)a); }

#else

typedef i32 mask;
RECON_HD mask lt(f32 a, f32 b) { return a < b; }
RECON_HD mask ge(f32 a, f32 b) { return a >= b; }
RECON_HD mask both(mask a, mask b) { return a & b; }
RECON_HD f32 where(mask m, f32 yes, f32 no) { return bits_of((m & bits_of(yes)) | (~m & bits_of(no))); }
RECON_HD mask mask_of(uint32_t lanes) {
  const i32 bit = {1, 2, 4, 8, 16, 32, 64, 128};
  return (bit & int32_t(lanes)) != 0;
}
#if defined(__AVX2__)
RECON_HD uint32_t lanes_of(mask m) { return uint32_t(_mm256_movemask_ps((__m256)m)); }
RECON_HD f32 max_of(f32 a, f32 b) { return (f32)_mm256_max_ps((__m256)a, (__m256)b); }
RECON_HD f32 min_of(f32 a, f32 b) { return (f32)_mm256_min_ps((__m256)a, (__m256)b); }
RECON_HD f32 square_root(f32 a) { return (f32)_mm256_sqrt_ps((__m256)a); }
#else
RECON_HD uint32_t lanes_of(mask m) {
  uint32_t lanes = 0;
  for (int i = 0; i < kLanes; ++i) lanes |= uint32_t(m[i] & 1) << i;
  return lanes;
}
RECON_HD f32 max_of(f32 a, f32 b) { return where(a > b, a, b); }
RECON_HD f32 min_of(f32 a, f32 b) { return where(a < b, a, b); }
RECON_HD f32 square_root(f32 a) {
  for (int i = 0; i < kLanes; ++i) a[i] = __builtin_sqrtf(a[i]);
  return a;
}
#endif
#endif

template <>
struct MaskOf<f32> {
  using type = mask;
};
RECON_HD f32 where(mask m, f32 yes, float no) { return where(m, yes, all_lanes(no)); }
RECON_HD f32 where(mask m, float yes, f32 no) { return where(m, all_lanes(yes), no); }
RECON_HD mask lt(f32 a, float b) { return lt(a, all_lanes(b)); }
RECON_HD mask ge(f32 a, float b) { return ge(a, all_lanes(b)); }
RECON_HD f32 max_of(f32 a, float b) { return max_of(a, all_lanes(b)); }
RECON_HD f32 min_of(f32 a, float b) { return min_of(a, all_lanes(b)); }

// 2^a for a in [-126, 126]; other values give garbage, never a trap. Relative error 1e-7 (degree 5, minimax).
RECON_HD f32 exp2_of(f32 a) {
  const float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low mantissa bits
#if defined(__AVX512F__)
  const f32 f = (f32)_mm512_reduce_ps((__m512)a, 0);
#else
  const f32 shifted = a + kRound;
  const f32 f = a - (shifted - kRound);
#endif
  f32 p = f * 0.0013276471f + 0.009675542f;
  p = p * f + 0.05550713f;
  p = p * f + 0.2402212f;
  p = p * f + 0.69314694f;
  p = p * f + 1.0000001f;
#if defined(__AVX512F__)
  (void)kRound;
  return (f32)_mm512_scalef_ps((__m512)p, (__m512)(a - f));
#else
  return bits_of(bits_of(p) + (bits_of(shifted) << 23));
#endif
}

// log2 of a positive, normal number. Absolute error 2e-7: mantissa in [sqrt(1/2), sqrt 2), atanh series.
RECON_HD f32 log2_of(f32 a) {
  const i32 bits = bits_of(a);
  const i32 exponent = (bits - 0x3f3504f3) >> 23;  // 0x3f3504f3 is sqrt(1/2)
  const f32 m = bits_of(bits - (exponent << 23));
  const f32 t = (m - 1.0f) / (m + 1.0f), t2 = t * t;
  f32 p = t2 * 0.32059891f + 0.41219859f;  // 2 / (k ln 2) for k = 9, 7, 5, 3, 1
  p = p * t2 + 0.57707802f;
  p = p * t2 + 0.96179669f;
  p = p * t2 + 2.88539008f;
  return p * t + __builtin_convertvector(exponent, f32);
}

RECON_HD f32 nearest(f32 a) {
#if defined(__AVX512F__)
  return (f32)_mm512_roundscale_ps((__m512)a, 0);
#elif defined(__AVX2__)
  return (f32)_mm256_round_ps((__m256)a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  for (int i = 0; i < kLanes; ++i) a[i] = __builtin_rintf(a[i]);
  return a;
#endif
}
// a b + c, rounded once.
RECON_HD f32 fused(f32 a, f32 b, f32 c) {
#if defined(__AVX512F__)
  return (f32)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
  return (f32)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
  for (int i = 0; i < kLanes; ++i) c[i] = float(double(a[i]) * double(b[i]) + double(c[i]));
  return c;
#endif
}

RECON_HD f32 rounded_product(f32 a, f32 b) { return a * b; }
// 1 / a to 1e-7, for a normal number.
RECON_HD f32 reciprocal(f32 a) {
#if defined(__AVX512F__)
  const f32 guess = (f32)_mm512_rcp14_ps((__m512)a);
  return guess * (2.0f - a * guess);
#elif defined(__AVX2__)
  const f32 guess = (f32)_mm256_rcp_ps((__m256)a);
  return guess * (2.0f - a * guess);
#else
  return 1.0f / a;
#endif
}
RECON_HD f32 absolute(f32 a) { return bits_of(bits_of(a) & 0x7fffffff); }

#if defined(__AVX2__)
// Sums over the lanes of eight registers.
RECON_HD void sum_lanes_of_8(const f32* v, float* sums) {
  __m256 half[8];
  for (int i = 0; i < 8; ++i) {
#if defined(__AVX512F__)
    half[i] = _mm256_add_ps(_mm512_castps512_ps256((__m512)v[i]), _mm512_extractf32x8_ps((__m512)v[i], 1));
#else
    half[i] = (__m256)v[i];
#endif
  }
  const __m256 a = _mm256_hadd_ps(_mm256_hadd_ps(half[0], half[1]), _mm256_hadd_ps(half[2], half[3]));
  const __m256 b = _mm256_hadd_ps(_mm256_hadd_ps(half[4], half[5]), _mm256_hadd_ps(half[6], half[7]));
  _mm256_storeu_ps(sums, _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31)));
}
#else
RECON_HD void sum_lanes_of_8(const f32* v, float* sums) {
  for (int i = 0; i < 8; ++i) {
    sums[i] = 0;
    for (int lane = 0; lane < kLanes; ++lane) sums[i] += v[i][lane];
  }
}
#endif
RECON_HD float sum_lanes(f32 v) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_ps((__m512)v);
#elif defined(__AVX2__)
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
#else
  float sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += v[i];
  return sum;
#endif
}

}  // namespace recon::RECON_ISA
