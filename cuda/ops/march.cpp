// One ray after another. Threads take 64 rays at a time and keep what they find until it is known how much came before.
#include "ops/march.h"

#include <stdlib.h>
#include <string.h>

#include "ops/entry_points.h"
#include "ops/march_ray.h"

namespace recon::RECON_ISA {

constexpr int64_t kRays = 64;  // that a thread takes

// Which coarse cells [cubes, side / 8 ...] hold something; null where there are none.
static uint8_t* coarse_cells(const MarchArgs& a) {
  if (!has_coarse_cells(a)) return nullptr;
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

void march(const MarchArgs& a) {
  const Cubes cubes = cubes_of(a);
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
      march_ray(a, cubes, lattice, coarse, ray, [&](float t0, float t1) { found[group].add(t0, t1); });
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
