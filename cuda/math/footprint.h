// Where on a grid of rectangles a 2D Gaussian reaches alpha >= kMinAlpha: exact, not a bounding box.
#pragma once
#include "math/splat.h"
#include "ops/splat.h"

namespace recon::RECON_ISA {

// Largest exponent (log2 alpha) over the rectangles [x0, x0 + w] x [y0, y0 + h], given relative to the Gaussian's centre.
//
// The exponent is concave, so its maximum over a rectangle without the centre lies on the side nearest in x or the side
// nearest in y; along each the maximum of a parabola is clamped to the side. Both candidates are points of the rectangle,
// hence the larger one is the maximum, also when the centre is inside. The idea of testing exactly: Radl et al. 2024,
// StopThePop, and Hanson et al. 2025, Speedy-Splat.
template <class F>
RECON_HD F largest_exponent(const float* record, F x0, F y0, float w, float h) {
  const float a = record[kA], b = record[kB], c = record[kC];
  const float to_x = -0.5f * b / a, to_y = -0.5f * b / c;  // the parabola's top, per unit of the other coordinate
  const F x1 = x0 + w, y1 = y0 + h;
  const F near_x = clamp_to(F{}, x0, x1), near_y = clamp_to(F{}, y0, y1);
  const F top_y = clamp_to(near_x * to_y, y0, y1), top_x = clamp_to(near_y * to_x, x0, x1);
  const F side_x = near_x * (a * near_x + b * top_y) + c * top_y * top_y;
  const F side_y = top_x * (a * top_x + b * near_y) + c * near_y * near_y;
  return max_of(side_x, side_y) + record[kO];
}

// A little generous: rounding must not drop a pixel that the blend would take.
constexpr float kReachThreshold = kLog2MinAlpha - 1e-3f;

// Tiles x0..x1, y0..y1.
struct TileRect {
  int x0, y0, x1, y1;
  RECON_HD int columns() const { return x1 - x0 + 1; }
  RECON_HD int rows() const { return y1 - y0 + 1; }
  // Small, and a single row or column: the box touches both ends, so every tile between is touched too.
  RECON_HD bool is_line() const { return columns() <= 4 && rows() <= 4 && (columns() == 1 || rows() == 1); }
};

// The tiles with a pixel centre in the record's box; false when there is none, also where a value is not a number.
RECON_HD bool tiles_in_box(const float* record, int width, int height, TileRect& rect) {
  const float centre_x = record[kX] + record[kRestX], centre_y = record[kY] + record[kRestY];
  const float x0 = ceilf(max_of(centre_x - record[kRadiusX] - 0.5f, 0.0f));
  const float y0 = ceilf(max_of(centre_y - record[kRadiusY] - 0.5f, 0.0f));
  const float x1 = floorf(min_of(centre_x + record[kRadiusX] - 0.5f, float(width - 1)));
  const float y1 = floorf(min_of(centre_y + record[kRadiusY] - 0.5f, float(height - 1)));
  if (!(x0 <= x1 && y0 <= y1)) return false;
  rect = {int(x0) / kTile, int(y0) / kTile, int(x1) / kTile, int(y1) / kTile};
  return true;
}

}  // namespace recon::RECON_ISA
