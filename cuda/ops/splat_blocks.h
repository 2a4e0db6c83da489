// What blending and lifting share on the CPU: a tile's pixels in blocks of kLanes (4x4, or 4x2), pairs fetched in chunks, and
// what a pair does to a block.
#pragma once
#include "math/footprint.h"
#include "ops/tiles.h"

namespace recon::RECON_ISA {

constexpr int kBlockRows = kLanes / 4;            // a pixel block is 4 wide
constexpr int kBlocks = kTile * kTile / kLanes;   // in a tile: 16 or 32
constexpr int kChunk = 64;  // pairs tested and fetched together

struct Lanes {
  float x[kLanes], y[kLanes];
};
// Pixel centres of a block whose corner is at the origin.
RECON_HD Lanes pixel_centres() {
  Lanes lanes;
  for (int i = 0; i < kLanes; ++i) lanes.x[i] = float(i % 4) + 0.5f, lanes.y[i] = float(i / 4) + 0.5f;
  return lanes;
}

struct Chunk {
  float records[kChunk][kRecord];
  uint32_t masks[kChunk];
};

// Copies records, with centres made relative to the tile's corner: the small number keeps the digits of the rest.
RECON_HD void fetch(const Splat& s, uint32_t pair, int count, int tile_x, int tile_y, Chunk& chunk) {
  const uint32_t ahead = pair + uint32_t(count) + kChunk <= s.pair_count ? uint32_t(count) : 0;
  for (int j = 0; j < count; ++j) {
    __builtin_prefetch(s.records + kRecord * int64_t(s.pair_gaussian[pair + j + ahead]));
    const float* from = s.records + kRecord * int64_t(s.pair_gaussian[pair + j]);
    float* record = chunk.records[j];
    for (int i = 0; i < kRecord; i += kLanes) store(record + i, load(from + i));
    record[kX] = (from[kX] - float(tile_x * kTile)) + from[kRestX];
    record[kY] = (from[kY] - float(tile_y * kTile)) + from[kRestY];
  }
}

// alpha at a pixel block. It does not look at the transmittance, so that the chain from one pair to the next is short.
struct Contribution {
  f32 dx, dy, exponent, alpha;
};
RECON_HD Contribution contribution(const float* record, f32 x, f32 y) {
  Contribution k;
  k.dx = x - record[kX];
  k.dy = y - record[kY];
  k.exponent = k.dx * (record[kA] * k.dx + record[kB] * k.dy) + record[kO];
  k.exponent = record[kC] * k.dy * k.dy + k.exponent;
  k.alpha = where(ge(k.exponent, kLog2MinAlpha), exp2_of(min_of(k.exponent, kLog2MaxAlpha)), f32{});
  return k;
}
// The pair's weight: nothing where the light is used up.
RECON_HD f32 weight_of(f32 alpha, f32 transmittance) {
  return where(ge(transmittance, kMinTransmittance), alpha * transmittance, f32{});
}

// The part of a block that lies in the image.
struct BlockWindow {
  int x, y, columns, rows;
};
RECON_HD BlockWindow window_of(const Splat& s, int tile_x, int tile_y, int block) {
  const int x = tile_x * kTile + block % 4 * 4, y = tile_y * kTile + block / 4 * kBlockRows;
  return {x, y, min_int(s.width - x, 4), min_int(s.height - y, kBlockRows)};
}
RECON_HD f32 inside(BlockWindow w) {
  float lanes[kLanes];
  for (int i = 0; i < kLanes; ++i) lanes[i] = i % 4 < w.columns && i / 4 < w.rows ? 1.0f : 0.0f;
  return load(lanes);
}

}  // namespace recon::RECON_ISA
