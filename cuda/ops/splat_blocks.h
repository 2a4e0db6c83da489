// What blending and lifting share on the CPU: a tile's pixels in blocks of 4x4, pairs fetched in chunks, and what a pair does
// to a block.
#pragma once
#include "math/footprint.h"
#include "math/wide.h"
#include "ops/tiles.h"

namespace recon::RECON_ISA {

constexpr int kSide = 4;                         // of a block, in pixels
constexpr int kBlocks = kTile * kTile / kWide;   // in a tile: four rows of four
constexpr int kChunk = 64;  // pairs tested and fetched together

struct Lanes {
  float x[kWide], y[kWide];
};
// Pixel centres of a block whose corner is at the origin.
RECON_HD Lanes pixel_centres() {
  Lanes lanes;
  for (int i = 0; i < kWide; ++i) lanes.x[i] = float(i % kSide) + 0.5f, lanes.y[i] = float(i / kSide) + 0.5f;
  return lanes;
}
// Where a block's corner lies in the tile.
RECON_HD int block_x(int block) { return block % (kTile / kSide) * kSide; }
RECON_HD int block_y(int block) { return block / (kTile / kSide) * kSide; }

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

// alpha at a block's pixels: f32 x, as every register of a block holds the same columns of it. It does not look at the
// transmittance, so that the chain from one pair to the next is short.
RECON_HD f32x16 alpha_of(const float* record, f32 x, f32x16 y) {
  const f32 dx = x - record[kX], skew = record[kB] * dx, flat = record[kA] * dx * dx + record[kO];
  const f32x16 dy = y - record[kY], exponent = dy * (dy * record[kC] + skew) + flat;
  return where(ge(exponent, kLog2MinAlpha), exp2_of(min_of(exponent, kLog2MaxAlpha)), f32x16{});
}
// The pair's weight: nothing where the light is used up.
template <class F>
RECON_HD F weight_of(F alpha, F transmittance) {
  return where(ge(transmittance, kMinTransmittance), alpha * transmittance, F{});
}

// The part of a block that lies in the image.
struct BlockWindow {
  int x, y, columns, rows;
};
RECON_HD BlockWindow window_of(const Splat& s, int tile_x, int tile_y, int block) {
  const int x = tile_x * kTile + block_x(block), y = tile_y * kTile + block_y(block);
  return {x, y, min_int(s.width - x, kSide), min_int(s.height - y, kSide)};
}
RECON_HD f32x16 inside(BlockWindow w) {
  float lanes[kWide];
  for (int i = 0; i < kWide; ++i) lanes[i] = i % kSide < w.columns && i / kSide < w.rows ? 1.0f : 0.0f;
  return load_wide(lanes);
}

}  // namespace recon::RECON_ISA
