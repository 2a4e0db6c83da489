// Numbers of about twice float's precision: the unevaluated sum of two floats (Dekker 1971, Ogita et al. 2005).
//
// A Gaussian half a pixel wide turns an error of 1e-5 pixels in its centre into one of 1e-5 in its gradients, and at
// column 1000 that is what a float can hold. So centres are projected in this precision, which costs nothing next to the
// pixels.
#pragma once
#include "math/vec.h"

namespace recon::RECON_ISA {

template <class F>
struct Twofold {
  F high, low;
};

// Exact sum of two floats.
template <class F>
RECON_HD Twofold<F> two_sum(F a, F b) {
  const F sum = a + b, b_part = sum - a;
  return {sum, (a - (sum - b_part)) + (b - b_part)};
}
// Exact product of two floats. Were its high part fused into the sum that follows, its low part would count twice.
template <class F>
RECON_HD Twofold<F> two_product(F a, F b) {
  const F product = rounded_product(a, b);
  return {product, fused(a, b, F{} - product)};
}
template <class F>
RECON_HD Twofold<F> operator+(Twofold<F> a, Twofold<F> b) {
  const Twofold<F> sum = two_sum(a.high, b.high);
  return {sum.high, sum.low + (a.low + b.low)};
}
template <class F>
RECON_HD Twofold<F> times(F a, Twofold<F> b) {
  const Twofold<F> product = two_product(a, b.high);
  return {product.high, product.low + a * b.low};
}
template <class F>
RECON_HD Twofold<F> quotient(Twofold<F> a, Twofold<F> b) {
  const F inverse = 1.0f / b.high, guess = a.high * inverse;
  const F rest = fused(F{} - guess, b.high, a.high) + (a.low - guess * b.low);
  return {guess, rest * inverse};
}

// row . v + t
template <class F>
RECON_HD Twofold<F> precise_dot(const float* row, Vec3<F> v, float t) {
  const Twofold<F> x = two_product(F{} + row[0], v.x), y = two_product(F{} + row[1], v.y),
                   z = two_product(F{} + row[2], v.z);
  return (x + y) + (z + Twofold<F>{F{} + t, F{}});
}

}  // namespace recon::RECON_ISA
