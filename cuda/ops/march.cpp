// One ray after another; where a cell is empty, on to the first interval that can lie in the next one, and where all 8^3
// cells around it are, beyond those. Threads take 64 rays at a time and keep what they find until it is known how much
// came before.
#include "ops/march.h"

#include <stdlib.h>
#include <string.h>

#include "math/lattice.h"
#include "math/philox.h"
#include "ops/entry_points.h"

namespace recon::RECON_ISA {

constexpr int64_t kRays = 64;  // that a thread takes
constexpr int kCoarse = 8;     // cells along the side of those that are passed together

// Which coarse cells [cubes, side / 8 ...] hold something; null where a coarse cell would reach into the next smaller cube.
static uint8_t* coarse_cells(const MarchArgs& a) {
  if (a.side % (a.cubes == 1 ? kCoarse : 4 * kCoarse) != 0) return nullptr;
  const int64_t side = a.side, few = side / kCoarse, rows = a.cubes * side * side;  // cubes are one behind the other in x
  uint8_t* const coarse = static_cast<uint8_t*>(calloc(size_t(a.cubes * few * few * few), 1));
  if (coarse == nullptr) return nullptr;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t x = row / side, y = row % side;
    uint8_t* const to = coarse + (x / kCoarse * few + y / kCoarse) * few;
    for (int64_t z = 0; z < few; ++z) {
      uint64_t eight;
      memcpy(&eight, a.occupied + row * side + z * kCoarse, 8);
      to[z] |= eight != 0;
    }
  }
  return coarse;
}

// Interval ends of some rays' samples.
struct Found {
  float* ends = nullptr;
  int64_t count = 0, room = 0;

  void add(float t0, float t1) {
    if (count == room) {
      room = room == 0 ? 2048 : 2 * room;
      ends = static_cast<float*>(realloc(ends, 8 * size_t(room)));
    }
    ends[2 * count] = t0, ends[2 * count + 1] = t1;
    ++count;
  }
};

static float shift_of(const MarchArgs& a, int64_t ray) {
  if (!a.jitter) return 0;
  const Random4<uint32_t> random = philox<uint32_t>({uint32_t(ray), uint32_t(a.count), uint32_t(a.count >> 32), 0},
                                                    uint32_t(a.seed), uint32_t(a.seed >> 32));
  return (float(random.a >> 8) + 0.5f) * 0x1p-24f;
}

static void march_ray(const MarchArgs& a, const Cubes& cubes, const Lattice& lattice, const uint8_t* coarse, int64_t ray,
                      Found& found) {
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
  const int few = cubes.side / kCoarse;
  const bool skips = cubes.count == 1 || cubes.side % 4 == 0;  // else a cell may reach into the next smaller cube
  const float first = lattice.place(float(a.near)) + shift_of(a, ray);
  float k = max_of(floorf(lattice.place(enter) - first) - 1, 0.0f);
  while (true) {
    const float t0 = lattice.distance(first + k), t1 = lattice.distance(first + k + 1), mid = 0.5f * (t0 + t1);
    if (!(mid < a.far) || mid > leave * 1.0001f) return;
    const auto axis = [&](int i) { return (o[i] + d[i] * mid - cubes.center[i]) * cubes.inverse_radius; };
    const Vec3<float> y = {axis(0), axis(1), axis(2)};
    const Cell cell = cell_at(cubes, y);
    float next = k + 1;
    if (cell.cube >= 0 && a.occupied[cell.index(cubes.side)]) {
      found.add(t0, t1);
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

void march(const MarchArgs& a) {
  Cubes cubes = {{a.center[0], a.center[1], a.center[2]}, 1 / a.radius, a.cubes, a.side};
  const Lattice lattice = lattice_of(a.step, a.cone);
  uint8_t* const coarse = coarse_cells(a);
  const int64_t groups = (a.ray_count + kRays - 1) / kRays;
  Found* const found = static_cast<Found*>(calloc(size_t(groups) + 1, sizeof(Found)));
  a.offsets[0] = 0;
#pragma omp parallel for num_threads(a.threads) schedule(dynamic)
  for (int64_t group = 0; group < groups; ++group) {
    const int64_t end = (group + 1) * kRays < a.ray_count ? (group + 1) * kRays : a.ray_count;
    for (int64_t ray = group * kRays; ray < end; ++ray) {
      const int64_t before = found[group].count;
      march_ray(a, cubes, lattice, coarse, ray, found[group]);
      a.offsets[ray + 1] = found[group].count - before;
    }
  }
  int64_t complete = 0;
  while (complete < a.ray_count && a.offsets[complete] + a.offsets[complete + 1] <= a.most) {
    a.offsets[complete + 1] += a.offsets[complete];
    ++complete;
  }
  for (int64_t ray = complete; ray < a.ray_count; ++ray) a.offsets[ray + 1] = a.offsets[complete];
  *a.complete = complete;
#pragma omp parallel for num_threads(a.threads) schedule(static)
  for (int64_t group = 0; group < groups; ++group) {
    const float* ends = found[group].ends;
    for (int64_t ray = group * kRays; ray < (group + 1) * kRays && ray < complete; ++ray) {
      for (int64_t at = a.offsets[ray]; at < a.offsets[ray + 1]; ++at, ends += 2) {
        a.t0[at] = ends[0], a.t1[at] = ends[1], a.rays[at] = int32_t(ray);
      }
    }
    free(found[group].ends);
  }
  free(found);
  free(coarse);
}

}  // namespace recon::RECON_ISA
