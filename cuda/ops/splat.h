// Splatting 3D Gaussians into one image: what the CPU kernels of the stages share.
//
//   project    blocks of Gaussians -> 2D records, the tiles each touches                       splat_project.cpp
//   bin        records -> depth order -> (tile, Gaussian) pairs grouped by tile, front first   splat_bin.cpp
//   blend      pairs -> pixels; and backwards: pixels -> one gradient per pair                 splat_blend.cpp
//   gather     pair gradients -> parameter gradients, or straight through Adam                 splat_gather.cpp
//   lift       after a blend: pixels of a map of features -> Gaussians                          splat_lift.cpp
//
// Every output element is written by exactly one iteration, and sums run in an order that depends on the data alone, so
// that results are the same bit for bit whatever the number of threads.
#pragma once
#include <stdint.h>

namespace recon {

constexpr int kBlock = 16;    // Gaussians in a block of parameters: [planes][kBlock] floats
constexpr int kTile = 16;     // pixels along a tile's side
constexpr int kRecord = 16;   // floats in a record: one cache line
constexpr int kPairGrad = 12; // floats in a pair's gradient
constexpr int kRadixBits = 11, kRadix = 1 << kRadixBits;

// Planes of a block, before the SH coefficients (coefficient-major, rgb inside).
enum Plane { kMean = 0, kLogScale = 3, kQuat = 6, kOpacity = 10, kSh = 11 };

// A record's fields. The centre is (kX, kY), whole pixels, plus (kRestX, kRestY). The quadratic form and the opacity are in log2 units: alpha = exp2(a dx^2 + b dx dy + c dy^2 + o).
enum RecordField { kX, kY, kA, kB, kC, kO, kR, kG, kBlue, kDepth, kRadiusX, kRadiusY, kClamped, kRestX, kRestY };

// A pair's gradient: moments of v = alpha dL/dalpha over the pixels, then the colour, the depth, and the sums of the
// absolute values of the position's gradient.
enum PairField { kV, kVx, kVy, kVxx, kVxy, kVyy, kDr, kDg, kDb, kDdepth, kAbsX, kAbsY };

struct Splat {
  // The view.
  float cam_from_world[12];  // row-major 3x4
  float fx, fy, cx, cy;
  int width, height, tiles_x, tiles_y;

  // The Gaussians.
  const float* blocks;  // [block_count][planes][kBlock]
  int64_t block_count;
  int planes, sh_degree;  // the degree in use; planes may hold more
  bool antialiased;

  // project: per Gaussian
  float* records;       // [kRecord]
  uint16_t* rects;      // x0 y0 x1 y1 in tiles, inclusive
  uint32_t* tile_mask;  // which tiles of a rect of at most 4x4 are touched, row-major in fours
  uint32_t* tile_count; // tiles touched, 0: not seen

  // bin
  int threads;
  uint32_t* keys[2];      // depth bits of seen Gaussians, ping and pong
  uint32_t* order[2];     // and their indices; order[0] holds the result after three passes ping-pong to [1], then copied
  uint32_t* histograms;   // [threads][max(kRadix, tiles)]
  uint64_t* thread_sums;  // [2][threads + 1]
  uint32_t* tile_start;   // [tiles + 1]
  uint32_t* tile_order;   // tiles, most pairs first
  uint32_t* slot_start;   // per Gaussian: where its pair gradients begin
  uint32_t* pair_gaussian;
  uint32_t* pair_slot;
  int64_t seen_count, pair_count;

  // blend
  uint32_t* pair_mask;  // which pixel blocks of the tile the pair touches
  uint32_t* tile_done;  // pairs of a tile until every pixel was full
  float *rgb, *alpha;   // [3][height][width], [height][width]
  float* depth;         // [height][width] sum of weight times depth, or null
  int32_t* median;      // [height][width] the Gaussian that leaves less than half of the light, -1: none; or null
};

struct SplatBackward {
  const float *grad_rgb, *grad_alpha;
  const float* grad_depth;  // or null
  float* pair_grads;        // [pair_count][kPairGrad], by slot
  bool absolute;            // fill kAbsX, kAbsY
};

struct SplatGather {
  const float* pair_grads;
  float* grads;  // [block_count][planes][kBlock], or null to update the parameters in place
  // Adam, where grads is null
  float *parameters, *first, *second;
  const float* learning_rates;  // [planes]
  int64_t step;  // from 1
  double beta1, beta2, epsilon;
  float opacity_pull, scale_pull;  // added to dL/dopacity and dL/dscale of what was seen
  float* stats;                    // [block_count][3][kBlock] or null: screen gradient, views, largest radius
  double* pose_partials;           // [block_count][15]: rotation 9, translation 3, position 3
};

}  // namespace recon
