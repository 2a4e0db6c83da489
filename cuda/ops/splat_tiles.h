// The tiles of one Gaussian on CUDA, for counting and for emitting: a small rectangle is one thread's, a large one the
// whole warp's, or a single screen-filling Gaussian would keep its 31 neighbours waiting.
#pragma once
#include "math/footprint.h"
#include "ops/splat_device.h"

namespace recon {

RECON_DEVICE bool touches_tile(const float* record, int tile_x, int tile_y) {
  const float x = float(tile_x * kTile) + 0.5f - (record[kX] + record[kRestX]);
  const float y = float(tile_y * kTile) + 0.5f - (record[kY] + record[kRestY]);
  return RECON_ISA::largest_exponent(record, x, y, float(kTile - 1), float(kTile - 1)) >= RECON_ISA::kReachThreshold;
}

// Bit i: the i-th tile of the rectangle, row by row, is touched. For at most kMaskedTiles.
RECON_DEVICE uint32_t touched_mask(const float* record, RECON_ISA::TileRect rect) {
  const int columns = rect.columns(), tiles = columns * rect.rows();
  if (rect.is_line()) return (1u << tiles) - 1;
  uint32_t mask = 0;
  for (int i = 0; i < tiles; ++i)
    if (touches_tile(record, rect.x0 + i % columns, rect.y0 + i / columns)) mask |= 1u << i;
  return mask;
}

// Calls `found(tile, place)` for every touched tile of the rectangle that lane `owner` holds, spread over the warp: `place`
// counts from 0 in row-major order. Returns how many there are, to every lane. All lanes must come here.
template <class Found>
RECON_DEVICE uint32_t for_each_tile_of_lane(int owner, const float* record, RECON_ISA::TileRect rect, int tiles_x, Found found) {
  using namespace simt;
  float its[kRecord] = {};
  for (const int field : {int(kX), int(kY), int(kA), int(kB), int(kC), int(kO), int(kRestX), int(kRestY)})
    its[field] = shuffle(kFullWarp, record[field], owner);
  const int x0 = shuffle(kFullWarp, rect.x0, owner), y0 = shuffle(kFullWarp, rect.y0, owner);
  const int columns = shuffle(kFullWarp, rect.columns(), owner);
  const int tiles = columns * shuffle(kFullWarp, rect.rows(), owner);
  uint32_t count = 0;
  for (int first = 0; first < tiles; first += kWarp) {
    const int i = first + lane(), x = x0 + i % columns, y = y0 + i / columns;
    const bool touched = i < tiles && touches_tile(its, x, y);
    const unsigned lanes = ballot(kFullWarp, touched);
    if (touched) found(y * tiles_x + x, count + uint32_t(__popc(lanes & ((1u << lane()) - 1))));
    count += uint32_t(__popc(lanes));
  }
  return count;
}

}  // namespace recon
