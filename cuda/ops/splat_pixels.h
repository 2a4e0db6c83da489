// What blending forwards and backwards share on CUDA: which pixels a warp owns, how pairs get to shared memory, and what a
// pair does to a pixel.
//
// A block of four warps takes a tile; each warp 8x8 pixels of it, a lane two of them, four rows apart. Pairs come in batches
// of 32: every lane tests one against the warp's square, and only those that reach it are walked through.
#pragma once
#include "math/footprint.h"
#include "ops/splat_device.h"

namespace recon {

constexpr int kBlendThreads = 128, kBlendWarps = kBlendThreads / simt::kWarp;
constexpr int kSquare = 8;             // pixels along the side of a warp's part of the tile
constexpr int kPixelsPerLane = 2;
static_assert(kSegment == kBlendThreads, "each thread fetches one pair of a segment");

// A pair as shared memory holds it, centre relative to the tile's corner: the small number keeps the digits of the rest.
struct StagedShape {
  float x, y, a, b;
};
struct StagedColour {
  float c, o, r, g;
};
struct StagedRest {
  float blue, depth;
};

struct Staged {
  StagedShape shape;
  StagedColour colour;
  StagedRest rest;
};

RECON_DEVICE Staged fetch(const SplatDevice& s, uint32_t pair, int tile_x, int tile_y) {
  const float4* from = s.records + int64_t(s.pair_gaussian[pair]) * (kRecord / 4);
  const float4 first = from[0], second = from[1], third = from[2], fourth = from[3];
  return {{(first.x - float(tile_x * kTile)) + fourth.y, (first.y - float(tile_y * kTile)) + fourth.z, first.z, first.w},
          {second.x, second.y, second.z, second.w},
          {third.x, third.y}};
}

// A lane's pixels, relative to the tile's corner and in the image.
struct LanePixels {
  float x, y[kPixelsPerLane];       // centres
  int64_t at[kPixelsPerLane];       // in a plane of the image
  bool inside[kPixelsPerLane];
  float square_x, square_y;         // the centre of the warp's first pixel
};

RECON_DEVICE LanePixels lane_pixels(const SplatDevice& s, int tile_x, int tile_y) {
  const int square_x = simt::warp() % 2 * kSquare, square_y = simt::warp() / 2 * kSquare;
  const int column = square_x + simt::lane() % kSquare;
  LanePixels p;
  p.square_x = float(square_x) + 0.5f, p.square_y = float(square_y) + 0.5f;
  p.x = float(column) + 0.5f;
#pragma unroll
  for (int i = 0; i < kPixelsPerLane; ++i) {
    const int row = square_y + simt::lane() / kSquare + 4 * i;
    const int image_x = tile_x * kTile + column, image_y = tile_y * kTile + row;
    p.y[i] = float(row) + 0.5f;
    p.inside[i] = image_x < s.width && image_y < s.height;
    p.at[i] = int64_t(image_y) * s.width + image_x;
  }
  return p;
}

// Where a lane's pixel lies in a checkpoint: neighbouring lanes beside each other.
RECON_DEVICE int64_t checkpoint_at(int64_t segment, int i) {
  return segment * kTilePixels + i * kBlendThreads + simt::thread_rank();
}

// Whether the pair reaches the warp's square.
RECON_DEVICE bool reaches(const LanePixels& p, const StagedShape& shape, const StagedColour& colour) {
  const float record[kO + 1] = {0, 0, shape.a, shape.b, colour.c, colour.o};
  return RECON_ISA::largest_exponent(record, p.square_x - shape.x, p.square_y - shape.y, float(kSquare - 1),
                                     float(kSquare - 1)) >= RECON_ISA::kReachThreshold;
}

struct Contribution {
  float dx, dy, exponent, alpha;
};
RECON_DEVICE Contribution contribution(const StagedShape& shape, const StagedColour& colour, float x, float y) {
  Contribution k;
  k.dx = x - shape.x;
  k.dy = y - shape.y;
  k.exponent = k.dx * (shape.a * k.dx + shape.b * k.dy) + colour.o;
  k.exponent = colour.c * k.dy * k.dy + k.exponent;
  k.alpha = k.exponent >= RECON_ISA::kLog2MinAlpha ? exp2f(fminf(k.exponent, RECON_ISA::kLog2MaxAlpha)) : 0.0f;
  return k;
}
// The pair's weight: nothing where the light is used up.
RECON_DEVICE float weight_of(float alpha, float transmittance) {
  return transmittance >= RECON_ISA::kMinTransmittance ? alpha * transmittance : 0.0f;
}

}  // namespace recon
