// From positions relative to a field's centre, in its radii, to the unit cube that its hash grid fills.
#pragma once
#include "math/contract.h"

namespace recon::RECON_ISA {

template <class F>
struct InCube {
  Vec3<F> position;
  F shrink;  // what lengths there are multiplied with
};

// Without contraction the cube's half side is one radius; with it, two hold all of space.
template <class F>
RECON_HD InCube<F> in_cube(Vec3<F> y, bool contracted) {
  F scale = F{} + 0.5f, shrink = scale;
  if (contracted) {
    const Contraction<F> c = contract(y);
    scale = 0.25f * c.factor, shrink = 0.25f * c.shrink;
  }
  return {{y.x * scale + 0.5f, y.y * scale + 0.5f, y.z * scale + 0.5f}, shrink};
}
// Cotangent of y, given that of the position.
template <class F>
RECON_HD Vec3<F> in_cube_vjp(Vec3<F> y, bool contracted, Vec3<F> g) {
  if (contracted) g = contract_vjp(y, contract(y), g);
  const float scale = contracted ? 0.25f : 0.5f;
  return {scale * g.x, scale * g.y, scale * g.z};
}

}  // namespace recon::RECON_ISA
