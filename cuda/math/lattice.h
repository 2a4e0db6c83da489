// The ends of a ray's intervals: `step` apart up to the distance step / cone, then growing by the factor 1 + cone.
#pragma once
#include "math/vec.h"

namespace recon::RECON_ISA {

struct Lattice {
  float step, even;      // `even`: how many intervals have the same width
  float grown, inverse;  // log2(1 + cone) and its inverse

  // Interval ends before the distance t, and where the one of that number lies.
  RECON_HD float place(float t) const {
    const float place = t / step;
    return place <= even ? place : even + log2_of(place / even) * inverse;
  }
  RECON_HD float distance(float place) const {
    return place <= even ? place * step : even * step * exp2_of((place - even) * grown);
  }
};

RECON_HD Lattice lattice_of(double step, double cone) {
  if (cone <= 0) return {float(step), 3.4e38f, 0.0f, 0.0f};
  const double grown = log1p(cone) * 1.4426950408889634;
  return {float(step), float(1 / cone), float(grown), float(1 / grown)};
}

// Cubes around a centre, each twice as wide as the one before, all of `side`^3 cells.
struct Cubes {
  float center[3], inverse_radius;
  int count, side;
};

struct Cell {
  int cube;  // -1 outside of all cubes
  int x, y, z;
  float radius;  // half the cube's side, in those of the smallest

  RECON_HD int64_t index(int64_t side) const { return ((cube * side + x) * side + y) * side + z; }
};

// The cell of a position y, relative to the centre, in half sides of the smallest cube.
RECON_HD Cell cell_at(const Cubes& cubes, Vec3<float> y) {
  const float farthest = max_of(fabsf(y.x), max_of(fabsf(y.y), fabsf(y.z)));
  int cube = 0;
  float radius = 1;
  while (farthest > radius) {
    if (++cube == cubes.count) return {-1, 0, 0, 0, 0};
    radius *= 2;
  }
  const float half = 0.5f * float(cubes.side), scale = half / radius, last = float(cubes.side - 1);
  const auto at = [&](float v) { return int(clamp_to(v * scale + half, 0.0f, last)); };
  return {cube, at(y.x), at(y.y), at(y.z), radius};
}

// How far a ray goes from y until it leaves its cell, where a cube of half side `radius` is divided into cells of this
// width; all in half sides of the smallest cube. `inverse` is one over the direction, huge where that is zero.
RECON_HD float way_out(Vec3<float> y, Vec3<float> inverse, float radius, float width) {
  const auto along = [=](float v, float over) {
    const float cell = floorf((v + radius) / width);
    return ((over > 0 ? cell + 1 : cell) * width - radius - v) * over;
  };
  return max_of(min_of(along(y.x, inverse.x), min_of(along(y.y, inverse.y), along(y.z, inverse.z))), 0.0f);
}

}  // namespace recon::RECON_ISA
