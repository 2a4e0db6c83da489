// Which tiles a record touches, sixteen at a time.
#pragma once
#include "math/footprint.h"

namespace recon::RECON_ISA {

static inline int min_int(int a, int b) { return a < b ? a : b; }

// Bit i: the i-th tile of the 4x4 group whose first tile is (tile_x, tile_y) is touched.
static inline uint32_t touched_tiles(const float* record, int tile_x, int tile_y) {
  const float centre_x = record[kX] + record[kRestX], centre_y = record[kY] + record[kRestY];
  uint32_t bits = 0;
  for (int i = 0; i < 16; i += kLanes) {
    float x[kLanes], y[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) {
      x[lane] = float((tile_x + (i + lane) % 4) * kTile) + 0.5f;
      y[lane] = float((tile_y + (i + lane) / 4) * kTile) + 0.5f;
    }
    const f32 top = largest_exponent(record, load(x) - centre_x, load(y) - centre_y, kTile - 1, kTile - 1);
    bits |= lanes_of(ge(top, kReachThreshold)) << i;
  }
  return bits;
}

// Columns below `columns` and rows below `rows` of a 4x4 group.
static inline uint32_t group_bits(int columns, int rows) {
  const uint32_t row = (1u << columns) - 1, all = row | row << 4 | row << 8 | row << 12;
  return rows >= 4 ? all : all & ((1u << 4 * rows) - 1);
}

}  // namespace recon::RECON_ISA
