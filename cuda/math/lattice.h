// The ends of a ray's intervals: `step` apart up to the distance step / cone, then growing by the factor 1 + cone.
#pragma once
#include "math/vec.h"

namespace recon::RECON_ISA {

struct Lattice {
  float step, per_step;
  float even, per_even;  // how many intervals have the same width
  float grown, inverse;  // log2(1 + cone) and its inverse

  // Interval ends before the distance t, and where the one of that number lies.
  RECON_HD float place(float t) const {
    const float place = t * per_step;
    return place <= even ? place : even + log2_of(place * per_even) * inverse;
  }
  RECON_HD float distance(float place) const {
    return place <= even ? place * step : even * step * exp2_of((place - even) * grown);
  }
};

RECON_HD Lattice lattice_of(double step, double cone) {
  if (cone <= 0) return {float(step), float(1 / step), 3.4e38f, 0.0f, 0.0f, 0.0f};
  const double grown = log1p(cone) * 1.4426950408889634;
  return {float(step), float(1 / step), float(1 / cone), float(cone), float(grown), float(1 / grown)};
}

// Cubes around a centre, each twice as wide as the one before, all of `side`^3 cells.
struct Cubes {
  float center[3], inverse_radius;
  int count, side;
  float finest, finest_inverse;  // width of the smallest cube's cells, in half its side
};

struct Cell {
  int cube;  // -1 outside of all cubes
  int x, y, z;
  float width;       // of a cell, in half sides of the smallest cube
  Vec3<float> place;  // from the cube's corner, in cells

  RECON_HD int64_t index(int64_t side) const { return ((cube * side + x) * side + y) * side + z; }
};

// The cell of a position y, relative to the centre, in half sides of the smallest cube.
RECON_HD Cell cell_at(const Cubes& cubes, Vec3<float> y) {
  const float farthest = max_of(fabsf(y.x), max_of(fabsf(y.y), fabsf(y.z)));
  int cube = 0;
  float width = cubes.finest, scale = cubes.finest_inverse, radius = 1;
  while (farthest > radius) {
    if (++cube == cubes.count) return {-1, 0, 0, 0, 0, {}};
    radius *= 2, width *= 2, scale *= 0.5f;
  }
  const float half = 0.5f * float(cubes.side), last = float(cubes.side - 1);
  const Vec3<float> place = {y.x * scale + half, y.y * scale + half, y.z * scale + half};
  const auto at = [=](float v) { return int(clamp_to(v, 0.0f, last)); };
  return {cube, at(place.x), at(place.y), at(place.z), width, place};
}

// How far a ray goes from a place until it leaves the cell around it, or the block of `together` cells along each side, in
// cells, a power of two. `inverse` is one over the direction, huge where that is zero.
RECON_HD float way_out(Vec3<float> place, Vec3<float> inverse, float together) {
  const float share = 1 / together;
  const auto along = [=](float v, float over) {
    const float block = floorf(v * share);
    return ((over > 0 ? block + 1 : block) * together - v) * over;
  };
  return max_of(min_of(along(place.x, inverse.x), min_of(along(place.y, inverse.y), along(place.z, inverse.z))), 0.0f);
}

}  // namespace recon::RECON_ISA
