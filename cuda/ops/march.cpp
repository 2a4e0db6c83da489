// One ray after another. Threads take 64 rays at a time and keep what they find until it is known how much came before.
#include "ops/march.h"

#include <stdlib.h>
#include <string.h>

#include "ops/entry_points.h"
#include "ops/march_ray.h"

namespace recon::RECON_ISA {

constexpr int64_t kRays = 64;  // that a thread takes

// A bit a cell, which a core's cache has room for where it has none for bytes, and the coarse cells, where there are any.
class PackedCells {
 public:
  PackedCells(const PackedCells&) = delete;
  PackedCells& operator=(const PackedCells&) = delete;
  explicit PackedCells(const MarchArgs& a) : args_(a) {
    if (!has_coarse_cells(a)) return;
    const int64_t side = a.side, few = side / kCoarse, slices = a.cubes * few;  // cubes are one behind the other in x
    bits_ = static_cast<uint8_t*>(malloc(size_t(a.cubes * side * side * few)));
    coarse_ = static_cast<uint8_t*>(calloc(size_t(slices * few * few), 1));
#pragma omp parallel for num_threads(a.threads) schedule(static)
    for (int64_t slice = 0; slice < slices; ++slice) {
      for (int64_t row = slice * kCoarse * side; row < (slice + 1) * kCoarse * side; ++row) {
        const int64_t x = row / side, y = row % side;
        for (int64_t z = 0; z < few; ++z) {
          uint64_t eight;  // bytes, each 0 or 1, whose lowest bits the product moves side by side
          memcpy(&eight, a.occupied + row * side + z * kCoarse, 8);
          const uint8_t bits = uint8_t(eight * 0x0102040810204080u >> 56);
          bits_[row * few + z] = bits;
          coarse_[(slice * few + y / kCoarse) * few + z] |=
              uint8_t(((bits & 0x0f) != 0) << octant_of(int(x), int(y), 0) |
                      ((bits & 0xf0) != 0) << octant_of(int(x), int(y), kFiner));
        }
      }
    }
  }
  ~PackedCells() {
    free(bits_);
    free(coarse_);
  }
  Cells cells() const { return {args_.occupied, bits_, coarse_, args_.side}; }

 private:
  const MarchArgs& args_;
  uint8_t *bits_ = nullptr, *coarse_ = nullptr;
};

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
  const PackedCells packed(a);
  const Cells cells = packed.cells();
  const int64_t groups = (a.ray_count + kRays - 1) / kRays;
  Found* const found = static_cast<Found*>(calloc(size_t(groups) + 1, sizeof(Found)));
  a.offsets[0] = 0;
#pragma omp parallel for num_threads(a.threads) schedule(dynamic)
  for (int64_t group = 0; group < groups; ++group) {
    const int64_t end = (group + 1) * kRays < a.ray_count ? (group + 1) * kRays : a.ray_count;
    for (int64_t ray = group * kRays; ray < end; ++ray) {
      const int64_t before = found[group].count;
      march_ray(a, cubes, lattice, cells, ray, [&](float t0, float t1) { found[group].add(t0, t1); });
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
}

}  // namespace recon::RECON_ISA
