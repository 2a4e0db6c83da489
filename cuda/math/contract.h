// All of space into a ball of radius 2 (Barron et al. 2022, Mip-NeRF 360, eq. 10): y within the unit ball stays, and what
// is beyond goes to (2 - 1/|y|) y/|y|.
#pragma once
#include "math/vec.h"

namespace recon::RECON_ISA {

// What y is multiplied with, its derivative by the norm over the norm, and by how much lengths shrink: the cube root of
// the map's determinant (Barron et al. 2023, Zip-NeRF, section 3).
template <class F>
struct Contraction {
  F factor, slope, shrink;
};

template <class F>
RECON_HD Contraction<F> contract(Vec3<F> y) {
  const F norm = square_root(max_of(dot(y, y), F{} + 1.0f)), inverse = 1.0f / norm;
  const F factor = (2.0f - inverse) * inverse, outside = where(lt(F{} + 1.0f, norm), F{} + 1.0f, F{});
  const F slope = outside * 2.0f * (inverse - 1.0f) * inverse * inverse * inverse;
  return {factor, slope, exp2_of(log2_of(factor * inverse) * (2.0f / 3.0f))};
}
// Cotangent of y, given that of factor * y.
template <class F>
RECON_HD Vec3<F> contract_vjp(Vec3<F> y, const Contraction<F>& c, Vec3<F> g) {
  const F along = c.slope * dot(g, y);
  return {c.factor * g.x + along * y.x, c.factor * g.y + along * y.y, c.factor * g.z + along * y.z};
}

}  // namespace recon::RECON_ISA
