// There are far fewer rays than samples: one after another will do.
#include "ops/directions.h"

#include "math/sh.h"
#include "ops/entry_points.h"

namespace recon::RECON_ISA {

void encode_directions(const DirectionArgs& a) {
  for (int64_t ray = 0; ray < a.ray_count; ++ray) {
    const float* const d = a.directions + 3 * ray;
    sh_basis<float>(3, {d[0], d[1], d[2]}, a.basis + 16 * ray);
  }
}

void encode_directions_backward(const DirectionArgs& a) {
  for (int64_t ray = 0; ray < a.ray_count; ++ray) {
    const float* const d = a.directions + 3 * ray;
    const Vec3<float> g = sh_basis_vjp<float>(3, {d[0], d[1], d[2]}, a.grads + 16 * ray);
    const float outward = g.x * d[0] + g.y * d[1] + g.z * d[2];
    float* const to = a.direction_grads + 3 * ray;
    to[0] = g.x - outward * d[0], to[1] = g.y - outward * d[1], to[2] = g.z - outward * d[2];
  }
}

}  // namespace recon::RECON_ISA
