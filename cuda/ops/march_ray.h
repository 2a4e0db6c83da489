// One ray through cubes of occupied cells: where a cell is empty, on to the first interval that can lie in the next one,
// and where all 8^3 cells around it are, beyond those.
#pragma once
#include "math/lattice.h"
#include "math/philox.h"
#include "ops/march.h"

namespace recon::RECON_ISA {

constexpr int kCoarse = 8;  // cells along the side of those that are passed together

RECON_HD Cubes cubes_of(const MarchArgs& a) {
  return {{a.center[0], a.center[1], a.center[2]}, 1 / a.radius, a.cubes, a.side};
}
// Not where a coarse cell would reach into the next smaller cube.
RECON_HD bool has_coarse_cells(const MarchArgs& a) { return a.side % (a.cubes == 1 ? kCoarse : 4 * kCoarse) == 0; }

RECON_HD float shift_of(const MarchArgs& a, int64_t ray) {
  if (!a.jitter) return 0;
  const Random4<uint32_t> random = philox<uint32_t>({uint32_t(ray), uint32_t(a.count), uint32_t(a.count >> 32), 0},
                                                    uint32_t(a.seed), uint32_t(a.seed >> 32));
  return (float(random.a >> 8) + 0.5f) * 0x1p-24f;
}

// Calls found(t0, t1) for each sample of a ray, in order. `coarse` says which coarse cells hold something, or is null.
template <class Use>
RECON_HD void march_ray(const MarchArgs& a, const Cubes& cubes, const Lattice& lattice, const uint8_t* coarse, int64_t ray,
                        const Use& found) {
  const float *const o = a.origins + 3 * ray, *const d = a.directions + 3 * ray;
  const float reach = a.radius * float(int64_t(1) << (cubes.count - 1));
  if (!(fabsf(o[0] + o[1] + o[2]) < 3e38f) || !(fabsf(d[0] + d[1] + d[2]) < 3e38f)) return;  // no numbers
  float enter = float(a.near), leave = float(a.far);
  for (int i = 0; i < 3; ++i) {
    const float to = cubes.center[i] - o[i];
    if (d[i] == 0 && fabsf(to) > reach) return;
    if (d[i] == 0) continue;
    const float one = (to - reach) / d[i], other = (to + reach) / d[i];
    enter = max_of(enter, min_of(one, other)), leave = min_of(leave, max_of(one, other));
  }
  if (enter >= leave || leave > 3e38f) return;
  const auto over = [&](int i) { return d[i] == 0 ? 3e38f : 1 / d[i]; };
  const Vec3<float> inverse = {over(0), over(1), over(2)};
  const float far = float(a.far);
  const int few = cubes.side / kCoarse;
  const bool skips = cubes.count == 1 || cubes.side % 4 == 0;  // else a cell may reach into the next smaller cube
  const float first = lattice.place(float(a.near)) + shift_of(a, ray);
  float k = max_of(floorf(lattice.place(enter) - first) - 1, 0.0f);
  while (true) {
    const float t0 = lattice.distance(first + k), t1 = lattice.distance(first + k + 1), mid = 0.5f * (t0 + t1);
    if (!(mid < far) || mid > leave * 1.0001f) return;
    const auto axis = [&](int i) { return (o[i] + d[i] * mid - cubes.center[i]) * cubes.inverse_radius; };
    const Vec3<float> y = {axis(0), axis(1), axis(2)};
    const Cell cell = cell_at(cubes, y);
    float next = k + 1;
    if (cell.cube >= 0 && a.occupied[cell.index(cubes.side)]) {
      found(t0, t1);
    } else if (cell.cube >= 0 && skips) {
      const Cell around = {cell.cube, cell.x / kCoarse, cell.y / kCoarse, cell.z / kCoarse, cell.radius};
      const bool empty = coarse != nullptr && coarse[around.index(few)] == 0;
      const float width = 2 * cell.radius / float(empty ? few : cubes.side);
      const float out = mid + way_out(y, inverse, cell.radius, width) * a.radius;
      next = max_of(next, floorf(lattice.place(out) - first) - 1);
    }
    if (!(next > k)) return;  // so far away that a float cannot count on
    k = next;
  }
}

}  // namespace recon::RECON_ISA
