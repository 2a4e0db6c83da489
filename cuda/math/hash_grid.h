// Multiresolution hash encoding of a position in the unit cube (Mueller et al. 2022, section 3): the cell it lies in at
// a level, the table entries of the cell's eight vertices, and the interpolation between them.
#pragma once
#include "math/philox.h"
#include "math/vec.h"

namespace recon::RECON_ISA {

// One level. Vertex i of an axis lies at (i - 1/2) / resolution.
struct GridLevel {
  float resolution;
  uint32_t side;  // vertices along an axis where all are stored, x fastest; 0 where they are hashed
  uint32_t mask;  // entries - 1, of a hashed level
};

RECON_HD uint32_t whole(float a) { return uint32_t(a); }
#ifndef RECON_ONE_LANE
RECON_HD u32 whole(f32 a) { return (u32)__builtin_convertvector(a, i32); }
#endif

// The vertex below a coordinate, and how far beyond it the coordinate lies, in cells. The second is rounded once, as a
// float can tell 1/2048 apart from its neighbours far better than the coordinate of a fine level itself.
template <class F, class U>
RECON_HD void locate(F coordinate, float resolution, U& vertex, F& beyond) {
  vertex = whole(fused(coordinate, F{} + resolution, F{} + 0.5f));
  beyond = fused(coordinate, F{} + resolution, 0.5f - float_of(vertex));
  const F back = where(lt(beyond, F{}), F{} + 1.0f, F{});  // rounded up to the next vertex
  vertex = vertex - whole(back);
  beyond = beyond + back;
}

template <class F, class U>
struct GridCell {
  U x, y, z;       // the lowest vertex
  Vec3<F> beyond;  // position in the cell, 0..1
};

template <class F, class U>
RECON_HD GridCell<F, U> cell_of(Vec3<F> position, float resolution) {
  GridCell<F, U> cell;
  locate(clamp_to(position.x, F{}, F{} + 1.0f), resolution, cell.x, cell.beyond.x);
  locate(clamp_to(position.y, F{}, F{} + 1.0f), resolution, cell.y, cell.beyond.y);
  locate(clamp_to(position.z, F{}, F{} + 1.0f), resolution, cell.z, cell.beyond.z);
  return cell;
}

// Table entries of a cell's vertices; vertex i is the one farther along x, y, z for bits 0, 1, 2 of i.
template <class F, class U>
RECON_HD void entries_of(const GridCell<F, U>& cell, const GridLevel& level, U* entries) {
  if (level.side > 0) {
    const uint32_t along_y = level.side, along_z = level.side * level.side;
    const U first = cell.x + cell.y * along_y + cell.z * along_z;
    for (uint32_t i = 0; i < 8; ++i) entries[i] = first + ((i & 1) + (i >> 1 & 1) * along_y + (i >> 2) * along_z);
    return;
  }
  constexpr uint32_t kPrimeY = 2654435761u, kPrimeZ = 805459861u;
  const U y0 = cell.y * kPrimeY, y1 = y0 + kPrimeY, z0 = cell.z * kPrimeZ, z1 = z0 + kPrimeZ;
  const U rows[4] = {y0 ^ z0, y1 ^ z0, y0 ^ z1, y1 ^ z1};
  for (int i = 0; i < 4; ++i) {
    entries[2 * i] = (rows[i] ^ cell.x) & level.mask;
    entries[2 * i + 1] = (rows[i] ^ (cell.x + 1u)) & level.mask;
  }
}

// Weights of the cell's vertices.
template <class F>
RECON_HD void trilinear(Vec3<F> beyond, F* weights) {
  const F x1 = beyond.x, x0 = 1.0f - x1, y1 = beyond.y, y0 = 1.0f - y1, z1 = beyond.z, z0 = 1.0f - z1;
  const F rows[4] = {y0 * z0, y1 * z0, y0 * z1, y1 * z1};
  for (int i = 0; i < 4; ++i) weights[2 * i] = rows[i] * x0, weights[2 * i + 1] = rows[i] * x1;
}
// Cotangent of `beyond`, given those of the weights.
template <class F>
RECON_HD Vec3<F> trilinear_vjp(Vec3<F> beyond, const F* g) {
  const F x1 = beyond.x, x0 = 1.0f - x1, y1 = beyond.y, y0 = 1.0f - y1, z1 = beyond.z, z0 = 1.0f - z1;
  return {(g[1] - g[0]) * (y0 * z0) + (g[3] - g[2]) * (y1 * z0) + (g[5] - g[4]) * (y0 * z1) + (g[7] - g[6]) * (y1 * z1),
          (g[2] - g[0]) * (x0 * z0) + (g[3] - g[1]) * (x1 * z0) + (g[6] - g[4]) * (x0 * z1) + (g[7] - g[5]) * (x1 * z1),
          (g[4] - g[0]) * (x0 * y0) + (g[5] - g[1]) * (x1 * y0) + (g[6] - g[2]) * (x0 * y1) + (g[7] - g[3]) * (x1 * y1)};
}

// What remains of a level when a sample of standard deviation sigma is averaged over it: erf(1 / sqrt(8 sigma^2 N^2)),
// Barron et al. 2023 (Zip-NeRF), section 3. The error function is 7.1.26 of Abramowitz & Stegun, good to 1.5e-7.
template <class F>
RECON_HD F level_weight(F sigma, float resolution) {
  const F u = min_of(1.0f / (2.8284271247461903f * resolution * sigma), F{} + 4.0f);
  const F t = 1.0f / (1.0f + 0.3275911f * u);
  const F p = t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
  return 1.0f - p * exp_of(F{} - u * u);
}

}  // namespace recon::RECON_ISA
