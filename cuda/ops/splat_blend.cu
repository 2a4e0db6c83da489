// Stage 3 on CUDA: pairs to pixels, front to back. A pixel takes a Gaussian when alpha >= kMinAlpha and light is left; the
// one that uses up the light still counts.
#include "ops/splat_pixels.h"
#include "ops/splat_workspace.h"

namespace recon {
namespace {

using namespace simt;
using RECON_ISA::kMinTransmittance;

struct PixelState {
  float t, r, g, b, z;
  int median;  // the pair, counted in the tile
};

// Before the segment `segment`: where the way back starts from.
template <bool kWithDepth>
RECON_DEVICE void leave_checkpoint(const SplatDevice& s, int64_t segment, const PixelState* p) {
#pragma unroll
  for (int i = 0; i < kPixelsPerLane; ++i) {
    s.checkpoints[checkpoint_at(segment, i)] = make_float4(p[i].t, p[i].r, p[i].g, p[i].b);
    if (kWithDepth) s.depth_checkpoints[checkpoint_at(segment, i)] = p[i].z;
  }
}

template <bool kWithDepth, bool kWithMedian>
__global__ __launch_bounds__(kBlendThreads) void blend(SplatDevice s) {
  SHARED_ARRAY(StagedShape, shapes, kSegment);
  SHARED_ARRAY(StagedColour, colours, kSegment);
  SHARED_ARRAY(StagedRest, rests, kSegment);
  const int tile = int(blockIdx.x), tile_x = tile % s.tiles_x, tile_y = tile / s.tiles_x;
  const uint2 range = s.ranges[tile];
  const int64_t segment = first_segment(range.x, tile);
  if (s.checkpoints != nullptr)
    for (int64_t k = thread_rank(); k * kSegment < range.y - range.x; k += kBlendThreads) s.segment_tile[segment + k] = tile;

  const LanePixels pixels = lane_pixels(s, tile_x, tile_y);
  PixelState p[kPixelsPerLane];
#pragma unroll
  for (int i = 0; i < kPixelsPerLane; ++i) p[i] = {pixels.inside[i] ? 1.0f : 0.0f, 0, 0, 0, 0, -1};
  bool alive = warp_any(kFullWarp, pixels.inside[0] || pixels.inside[1]);

  uint32_t first = range.x;
  for (; first < range.y; first += kSegment) {
    if (!block_any(alive)) break;  // and nobody reads the last batch any more
    const int count = min(int(range.y - first), kSegment);
    if (thread_rank() < count) {
      const Staged pair = fetch(s, first + uint32_t(thread_rank()), tile_x, tile_y);
      shapes[thread_rank()] = pair.shape;
      colours[thread_rank()] = pair.colour;
      rests[thread_rank()] = pair.rest;
    }
    if (s.checkpoints != nullptr && first != range.x)
      leave_checkpoint<kWithDepth>(s, segment + (first - range.x) / kSegment, p);
    block_sync();
    for (int batch = 0; batch < count && alive; batch += kWarp) {
      const int mine = batch + lane();
      bool reached = false;
      if (mine < count) reached = reaches(pixels, shapes[mine], colours[mine]);
      for (unsigned left = ballot(kFullWarp, reached); left != 0; left &= left - 1) {
        const int j = batch + __ffs(int(left)) - 1;
        const StagedShape shape = shapes[j];
        const StagedColour colour = colours[j];
        const StagedRest rest = rests[j];
#pragma unroll
        for (int i = 0; i < kPixelsPerLane; ++i) {
          const float w = weight_of(contribution(shape, colour, pixels.x, pixels.y[i]).alpha, p[i].t);
          p[i].r += w * colour.r;
          p[i].g += w * colour.g;
          p[i].b += w * rest.blue;
          if (kWithDepth) p[i].z += w * rest.depth;
          if (kWithMedian && p[i].t >= 0.5f && p[i].t - w < 0.5f) p[i].median = int(first - range.x) + j;
          p[i].t -= w;
        }
      }
      alive = warp_any(kFullWarp, p[0].t >= kMinTransmittance || p[1].t >= kMinTransmittance);
    }
  }
  if (thread_rank() == 0) s.tile_done[tile] = min(first, range.y) - range.x;

  const int64_t plane = int64_t(s.width) * s.height;
#pragma unroll
  for (int i = 0; i < kPixelsPerLane; ++i) {
    if (!pixels.inside[i]) continue;
    const int64_t at = pixels.at[i];
    s.rgb[at] = p[i].r;
    s.rgb[at + plane] = p[i].g;
    s.rgb[at + 2 * plane] = p[i].b;
    s.alpha[at] = 1.0f - p[i].t;
    if (kWithDepth) s.depth[at] = p[i].z;
    if (kWithMedian) s.median[at] = p[i].median < 0 ? -1 : int32_t(s.pair_gaussian[range.x + uint32_t(p[i].median)]);
  }
}

}  // namespace

void cuda_splat_blend(const SplatDevice& s, cudaStream_t stream) {
  set_bytes(s.segment_tile, 0xff, size_t(segment_limit(s)) * sizeof(int), stream);  // kNoTile
  const auto kernel = s.median != nullptr ? (s.depth != nullptr ? blend<true, true> : blend<false, true>)
                                          : (s.depth != nullptr ? blend<true, false> : blend<false, false>);
  launch(kernel, dim3(unsigned(s.tiles_x * s.tiles_y)), dim3(kBlendThreads), 0, stream, s);
}

}  // namespace recon
