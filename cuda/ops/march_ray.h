// One ray through cubes of occupied cells: where a cell is empty, on to the first interval that can lie in the next one,
// and where all 4^3 or 8^3 cells around it are, beyond those.
#pragma once
#include "math/lattice.h"
#include "math/philox.h"
#include "ops/march.h"

namespace recon::RECON_ISA {

constexpr int kCoarse = 8, kFiner = 4;  // cells along the side of those that are passed together

RECON_HD Cubes cubes_of(const MarchArgs& a) {
  return {{a.center[0], a.center[1], a.center[2]}, 1 / a.radius, a.cubes, a.side, 2 / float(a.side), 0.5f * float(a.side)};
}
// Not where a coarse cell would reach into the next smaller cube.
RECON_HD bool has_coarse_cells(const MarchArgs& a) { return a.side % (a.cubes == 1 ? kCoarse : 4 * kCoarse) == 0; }

// An interval whose middle, half an interval from its ends, lies so little before a cell's end may be beyond it after rounding.
constexpr float kBefore = 0.5f + 0.02f;

// The part of a coarse cell that a cell lies in.
RECON_HD int octant_of(int x, int y, int z) {
  return (x % kCoarse / kFiner) << 2 | (y % kCoarse / kFiner) << 1 | z % kCoarse / kFiner;
}

// Cells as a ray asks for them. `coarse` has a bit for each octant of kCoarse^3 cells in which something is, or is null, and
// so may be `bits`, one of each cell.
struct Cells {
  const bool* occupied;
  const uint8_t *bits, *coarse;
  int side;

  // How many cells along each side, this one among them, hold nothing; 0 where it does not.
  RECON_HD int empty_around(const Cell& c) const {
    if (coarse != nullptr) {
      const int64_t few = side / kCoarse;
      const int octants = coarse[((c.cube * few + c.x / kCoarse) * few + c.y / kCoarse) * few + c.z / kCoarse];
      if (octants == 0) return kCoarse;
      if ((octants >> octant_of(c.x, c.y, c.z) & 1) == 0) return kFiner;
    }
    const int64_t at = c.index(side);
    const bool holds = bits == nullptr ? occupied[at] : (bits[at / 8] >> at % 8 & 1) != 0;
    return holds ? 0 : 1;
  }
};

RECON_HD float shift_of(const MarchArgs& a, int64_t ray) {
  if (!a.jitter) return 0;
  const Random4<uint32_t> random = philox<uint32_t>({uint32_t(ray), uint32_t(a.count), uint32_t(a.count >> 32), 0},
                                                    uint32_t(a.seed), uint32_t(a.seed >> 32));
  return (float(random.a >> 8) + 0.5f) * 0x1p-24f;
}

// Calls found(t0, t1) for each sample of a ray, in order.
template <class Use>
RECON_HD void march_ray(const MarchArgs& a, const Cubes& cubes, const Lattice& lattice, const Cells& cells, int64_t ray,
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
  const bool skips = cubes.count == 1 || cubes.side % 4 == 0;  // else a cell may reach into the next smaller cube
  const float first = lattice.place(float(a.near)) + shift_of(a, ray);
  float k = max_of(floorf(lattice.place(enter) - first) - 1, 0.0f);
  float t0 = lattice.distance(first + k);
  while (true) {
    const float t1 = lattice.distance(first + k + 1), mid = 0.5f * (t0 + t1);
    if (!(mid < far) || mid > leave * 1.0001f) return;
    const auto axis = [&](int i) { return (o[i] + d[i] * mid - cubes.center[i]) * cubes.inverse_radius; };
    const Cell cell = cell_at(cubes, {axis(0), axis(1), axis(2)});
    float next = k + 1;
    const int empty = cell.cube < 0 ? 1 : cells.empty_around(cell);
    if (empty == 0) {
      found(t0, t1);
    } else if (cell.cube >= 0 && skips) {
      const float out = mid + way_out(cell.place, inverse, float(empty)) * (cell.width * a.radius);
      next = max_of(next, ceilf(lattice.place(out) - first - kBefore));
    }
    if (!(next > k)) return;  // so far away that a float cannot count on
    t0 = next == k + 1 ? t1 : lattice.distance(first + next);
    k = next;
  }
}

}  // namespace recon::RECON_ISA
