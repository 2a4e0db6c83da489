// Reading and changing pairs of floats at scattered places of a table.
#pragma once
#include <string.h>

#include "math/number.h"

namespace recon::RECON_ISA {

struct Pair {
  f32 first, second;
};

RECON_HD Pair gather_pairs(const float* table, const uint32_t* entries) {
#if defined(__AVX512F__)
  const __m512i at = _mm512_loadu_si512(entries);
  const __m512 low = _mm512_castpd_ps(_mm512_i32gather_pd(_mm512_castsi512_si256(at), table, 8));
  const __m512 high = _mm512_castpd_ps(_mm512_i32gather_pd(_mm512_extracti64x4_epi64(at, 1), table, 8));
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  return {(f32)_mm512_permutex2var_ps(low, even, high),
          (f32)_mm512_permutex2var_ps(low, _mm512_add_epi32(even, _mm512_set1_epi32(1)), high)};
#elif defined(__AVX2__)
  // Not the gather instruction: processors with the fix for CVE-2022-40982 take ten times as long for it.
  const auto two = [&](int i) {
    const __m128 one = _mm_loadl_pi(_mm_setzero_ps(), (const __m64*)(table + 2 * int64_t(entries[i])));
    return _mm_loadh_pi(one, (const __m64*)(table + 2 * int64_t(entries[i + 1])));
  };
  const __m256 a = _mm256_insertf128_ps(_mm256_castps128_ps256(two(0)), two(4), 1);
  const __m256 b = _mm256_insertf128_ps(_mm256_castps128_ps256(two(2)), two(6), 1);
  return {(f32)_mm256_shuffle_ps(a, b, 0x88), (f32)_mm256_shuffle_ps(a, b, 0xdd)};
#else
  Pair out;
  for (int i = 0; i < kLanes; ++i) {
    out.first[i] = table[2 * int64_t(entries[i])], out.second[i] = table[2 * int64_t(entries[i]) + 1];
  }
  return out;
#endif
}

typedef float f32x2 __attribute__((vector_size(8)));

// table[entry] += weight * value
RECON_HD void add_pair(float* table, uint32_t entry, float weight, f32x2 value) {
  f32x2 old;
  float* const at = table + 2 * int64_t(entry);
  memcpy(&old, at, 8);
  old += weight * value;
  memcpy(at, &old, 8);
}

// The first `count` of a register's floats; zeros behind.
RECON_HD f32 load_first(const float* from, int count) {
  f32 v{};
  memcpy(&v, from, 4 * size_t(count));
  return v;
}
RECON_HD f32 load_up_to(const float* from, int64_t count) {
  return count >= kLanes ? load(from) : load_first(from, int(count));
}
RECON_HD void store_up_to(float* to, f32 v, int64_t count) {
  if (count >= kLanes) return store(to, v);
  memcpy(to, &v, 4 * size_t(count));
}

}  // namespace recon::RECON_ISA
