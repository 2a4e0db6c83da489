// Sums of floats that do not depend on the order of their terms: whole numbers of a unit that the largest term chooses.
//
// The unit is 2^-36 of the largest term's power of two, so a float of that size keeps all of its bits, a term 2^-12 times
// as large still does, and 2^26 terms cannot overflow 64 bits.
#pragma once
#include "math/number.h"

namespace recon::RECON_ISA {

constexpr int kFixedBits = 36;
constexpr int64_t kMostFixedTerms = int64_t(1) << 26;

// 2^exponent, for a normal number.
RECON_HD float power_of_two(int exponent) {
#ifdef __CUDA_ARCH__
  return __uint_as_float(uint32_t(exponent + 127) << 23);
#else
  return ldexpf(1.0f, exponent);
#endif
}

// Units in one, where `bits` are those of the largest term's magnitude as a float.
RECON_HD int fixed_exponent(uint32_t bits) {
  const int exponent = kFixedBits - (int(bits >> 23) - 127);
  return exponent < 126 ? exponent : 126;
}
// `scale` is 2^fixed_exponent: the product is exact, and so is the sum of what is rounded here.
RECON_HD int64_t fixed_of(float term, float scale) { return int64_t(nearest(term * scale)); }
RECON_HD float float_of_fixed(int64_t sum, int exponent) { return float(sum) * power_of_two(-exponent); }

}  // namespace recon::RECON_ISA
