// Splatting on CUDA: what the kernels of the stages share, and where their scratch memory lies.
//
//   project    blocks of Gaussians -> 2D records, the tiles each touches                        splat_project.cu
//   order      seen Gaussians by depth -> (tile, Gaussian) pairs -> pairs grouped by tile        splat_order.cu
//   blend      pairs -> pixels, and a checkpoint every kSegment pairs                            splat_blend.cu
//   backward   segments of pairs, each from its checkpoint -> one gradient per pair              splat_blend_backward.cu
//   gather     pair gradients -> parameter gradients, or straight through Adam                   splat_gather.cu
//
// Nothing here waits for the GPU: launches depend on capacities that the host knows, kernels on counts that are in device
// memory. A view that needs more than the capacities sets no pixel and moves no parameter; the counts tell by how much to
// grow. Every output is written by one thread and every sum has one order, so results repeat bit for bit.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "math/adam.h"
#include "ops/adam.h"
#include "ops/splat.h"
#include "ops/view.h"
#include "simt.h"

namespace recon {

constexpr int kSegment = 128;         // pairs that one block of the backward pass takes
constexpr int kTilePixels = kTile * kTile;
constexpr int kNoTile = -1;
constexpr int kMaskedTiles = 32;      // a rectangle of at most so many tiles has a bit for each
constexpr int kPoseSums = 15;

// What changes from one step to the next, in device memory, so that launches can be recorded once.
struct SplatInputs {
  RECON_ISA::CameraView view;
  RECON_ISA::AdamStep adam[kMaxAdamPlanes];
  float opacity_pull, scale_pull;
  uint32_t step;
};

// What the view turned out to need.
struct SplatCounts {
  unsigned long long seen, pairs;
};

struct SplatLimits {
  int64_t seen, pairs;
};

// All that a kernel gets. Pointers are to device memory.
struct SplatDevice {
  int width, height, tiles_x, tiles_y, planes, sh_degree;
  bool antialiased;
  int64_t gaussians;
  SplatLimits limits;
  const float* blocks;  // [gaussians / 16][planes][16]
  float *rgb, *alpha;   // [3][height][width], [height][width]
  float* depth;         // [height][width] or null
  int32_t* median;      // [height][width] the Gaussian that leaves less than half of the light, -1: none; or null

  SplatInputs* inputs;
  SplatCounts* counts;
  // per Gaussian
  float4* records;       // [4], as RecordField
  ushort4* rects;        // x0 y0 x1 y1 in tiles, inclusive
  uint32_t* tile_mask;   // which tiles of a rect of at most kMaskedTiles are touched, row-major
  uint32_t* tile_count;  // tiles touched, 0: not seen
  uint32_t* slot_start;  // where its pairs begin in the order they were emitted
  // per seen Gaussian, in depth order
  uint32_t* order[2];    // Gaussians: as found, sorted
  uint32_t* depths[2];   // bits of their depths
  uint32_t* rank_count;  // their tiles
  uint32_t* rank_start;  // and the sums of those before
  // per pair: as emitted, or grouped by tile
  uint32_t* tiles[2];
  uint32_t* slots[2];       // place as emitted
  uint32_t* slot_gaussian;  // as emitted
  uint32_t* pair_gaussian;  // grouped
  float4* pair_grads;       // [3], as PairField, as emitted
  // per tile and segment
  uint2* ranges;         // first pair and the one after the last
  uint32_t* tile_done;   // pairs until every pixel was full
  int* segment_tile;     // kNoTile: the segment is not used
  float4* checkpoints;   // [kTilePixels]: transmittance and colour before the segment; null: no way back
  float* depth_checkpoints;
  double* pose_partials; // [warps][kPoseSums]
  void* sort_scratch;    // of sorts and scans
};

// A tile's segments are numbered from here; those of the next tile come after, and a few numbers in between stay unused.
RECON_HD int64_t first_segment(uint32_t first_pair, int tile) { return int64_t(first_pair / kSegment) + tile; }
RECON_HD int64_t segment_limit(const SplatDevice& s) {
  return s.limits.pairs / kSegment + int64_t(s.tiles_x) * s.tiles_y + 1;
}
RECON_HD bool too_many(const SplatDevice& s) {
  return int64_t(s.counts->seen) > s.limits.seen || int64_t(s.counts->pairs) > s.limits.pairs;
}
RECON_HD bool is_seen_rank(const SplatDevice& s, int64_t rank) { return rank < int64_t(s.counts->seen) && !too_many(s); }

// The Gaussian's parameters of a plane are kBlock floats apart.
RECON_HD int64_t first_plane(const SplatDevice& s, int64_t gaussian) {
  return gaussian / kBlock * s.planes * kBlock + gaussian % kBlock;
}
RECON_HD RECON_ISA::Gaussian3D<float> load_gaussian(const float* at) {
  return {{at[0], at[kBlock], at[2 * kBlock]},
          {at[kLogScale * kBlock], at[(kLogScale + 1) * kBlock], at[(kLogScale + 2) * kBlock]},
          {at[kQuat * kBlock], at[(kQuat + 1) * kBlock], at[(kQuat + 2) * kBlock], at[(kQuat + 3) * kBlock]},
          at[kOpacity * kBlock]};
}
RECON_HD RECON_ISA::Vec3<float> direction_to(const RECON_ISA::CameraView& view, RECON_ISA::Vec3<float> mean, float& inverse) {
  const RECON_ISA::Vec3<float> d = {mean.x - view.position.x, mean.y - view.position.y, mean.z - view.position.z};
  inverse = 1.0f / sqrtf(fmaxf(RECON_ISA::dot(d, d), 1e-20f));
  return {d.x * inverse, d.y * inverse, d.z * inverse};
}

}  // namespace recon
