// Stage 3 backwards on CUDA: pixels to one gradient per pair.
//
// A block takes a segment of a tile's pairs and walks it front to back from the checkpoint before it, so long tiles are
// shared among many blocks. Each pixel has two numbers: the transmittance T, and S, the part of the loss's linearisation
// <g, colour> that lies behind. With w = alpha T and q = <g, c>:
//   S after = S before - w q,    dL/dalpha = T q - S after / (1 - alpha).
//
// A pair's sums over the 64 pixels of a warp are formed by a butterfly that halves the number of values with each step: 8
// values cost 9 shuffles, not 40, and no pair costs anything in squares it does not reach. The four warps' sums meet in
// shared memory, and one thread writes them: no atomics, the same bits each time.
#include "ops/splat_pixels.h"
#include "ops/splat_workspace.h"

namespace recon {
namespace {

using namespace simt;
using RECON_ISA::absolute;
using RECON_ISA::kLog2MaxAlpha;
using RECON_ISA::kMinTransmittance;
using RECON_ISA::reciprocal;

constexpr int kFirstSums = 8, kOtherSums = kPairGrad - kFirstSums;
static_assert(kFirstSums == int(kDb) && kOtherSums == 4, "sums are written in two groups");

// What a lane keeps of `values` after a step of the butterfly: half of them, summed over the pair of lanes.
template <int kCount>
RECON_DEVICE void halve(float* values, int distance) {
  const bool upper = (lane() & distance) != 0;
#pragma unroll
  for (int i = 0; i < kCount / 2; ++i) {
    const float kept = upper ? values[i + kCount / 2] : values[i], given = upper ? values[i] : values[i + kCount / 2];
    values[i] = kept + shuffle_xor(kFullWarp, given, distance);
  }
}
// Lane 4 i gets the warp's sum of values[i], i < 8.
RECON_DEVICE float sum_of_8(float* values) {
  halve<8>(values, 16);
  halve<4>(values, 8);
  halve<2>(values, 4);
  values[0] += shuffle_xor(kFullWarp, values[0], 2);
  return values[0] + shuffle_xor(kFullWarp, values[0], 1);
}
// Lane 8 i gets the warp's sum of values[i], i < 4.
RECON_DEVICE float sum_of_4(float* values) {
  halve<4>(values, 16);
  halve<2>(values, 8);
  values[0] += shuffle_xor(kFullWarp, values[0], 4);
  values[0] += shuffle_xor(kFullWarp, values[0], 2);
  return values[0] + shuffle_xor(kFullWarp, values[0], 1);
}

struct PixelGrad {
  float t, behind, r, g, b, z;
};

// The state of a lane's pixel before the segment.
template <bool kWithDepth>
RECON_DEVICE PixelGrad pixel_before(const SplatDevice& s, const SplatGradients& d, const LanePixels& pixels, int64_t segment,
                                    bool first, int i) {
  PixelGrad p = {0, 0, 0, 0, 0, 0};
  if (!pixels.inside[i]) return p;
  const int64_t at = pixels.at[i], plane = int64_t(s.width) * s.height;
  float4 before = make_float4(1, 0, 0, 0);
  if (!first) before = s.checkpoints[checkpoint_at(segment, i)];
  p.t = before.x;
  p.r = d.grad_rgb[at], p.g = d.grad_rgb[at + plane], p.b = d.grad_rgb[at + 2 * plane];
  p.behind = p.r * (s.rgb[at] - before.y) + p.g * (s.rgb[at + plane] - before.z) +
             p.b * (s.rgb[at + 2 * plane] - before.w) - d.grad_alpha[at] * (1.0f - s.alpha[at]);
  if (kWithDepth) {
    p.z = d.grad_depth[at];
    p.behind += p.z * (s.depth[at] - (first ? 0.0f : s.depth_checkpoints[checkpoint_at(segment, i)]));
  }
  return p;
}

// Adds what a pair does to one pixel to its sums, and moves the pixel on to the next pair.
template <bool kWithDepth, bool kAbsolute>
RECON_DEVICE void walk(const StagedShape& shape, const StagedColour& colour, const StagedRest& rest, float x, float y,
                       PixelGrad& p, float* sums) {
  const Contribution k = contribution(shape, colour, x, y);
  const float w = weight_of(k.alpha, p.t);
  float q = p.r * colour.r + p.g * colour.g + p.b * rest.blue;
  if (kWithDepth) q += p.z * rest.depth;
  const float wq = w * q, behind = p.behind - wq;
  const float g = wq - k.alpha * behind * reciprocal(1.0f - k.alpha);  // alpha dL/dalpha
  const float v = k.exponent < kLog2MaxAlpha && p.t >= kMinTransmittance ? g : 0.0f;
  p.t -= w;
  p.behind = behind;
  const float vx = v * k.dx, vy = v * k.dy;
  sums[kV] += v;
  sums[kVx] += vx;
  sums[kVy] += vy;
  sums[kVxx] += vx * k.dx;
  sums[kVxy] += vx * k.dy;
  sums[kVyy] += vy * k.dy;
  sums[kDr] += w * p.r;
  sums[kDg] += w * p.g;
  sums[kDb] += w * p.b;
  if (kWithDepth) sums[kDdepth] += w * p.z;
  if (kAbsolute) {
    sums[kAbsX] += absolute(2.0f * shape.a * vx + shape.b * vy);
    sums[kAbsY] += absolute(2.0f * colour.c * vy + shape.b * vx);
  }
}

template <bool kWithDepth, bool kAbsolute>
__global__ __launch_bounds__(kBlendThreads) void blend_backward(SplatDevice s, SplatGradients d) {
  SHARED_ARRAY(StagedShape, shapes, kSegment);
  SHARED_ARRAY(StagedColour, colours, kSegment);
  SHARED_ARRAY(StagedRest, rests, kSegment);
  SHARED_ARRAY(float, sums, kBlendWarps * kWarp * kPairGrad);  // [warp][pair of the batch][field]
  SHARED_ARRAY(unsigned, reached, kBlendWarps);                // by the pairs of the batch
  const int64_t segment = blockIdx.x;
  const int tile = s.segment_tile[segment];
  if (tile == kNoTile) return;
  const uint2 range = s.ranges[tile];
  const int64_t which = segment - first_segment(range.x, tile);
  const uint32_t first = range.x + uint32_t(which * kSegment);
  const int count = min(int(range.y - first), kSegment);
  if (which * kSegment >= s.tile_done[tile]) {  // no pixel got this far
    if (thread_rank() < count)
      for (int i = 0; i < kPairGrad / 4; ++i)
        s.pair_grads[int64_t(s.slots[1][first + uint32_t(thread_rank())]) * (kPairGrad / 4) + i] = make_float4(0, 0, 0, 0);
    return;
  }

  const int tile_x = tile % s.tiles_x, tile_y = tile / s.tiles_x;
  if (thread_rank() < count) {
    const Staged pair = fetch(s, first + uint32_t(thread_rank()), tile_x, tile_y);
    shapes[thread_rank()] = pair.shape;
    colours[thread_rank()] = pair.colour;
    rests[thread_rank()] = pair.rest;
  }
  const LanePixels pixels = lane_pixels(s, tile_x, tile_y);
  PixelGrad p[kPixelsPerLane];
#pragma unroll
  for (int i = 0; i < kPixelsPerLane; ++i) p[i] = pixel_before<kWithDepth>(s, d, pixels, segment, which == 0, i);
  block_sync();

  for (int batch = 0; batch < count; batch += kWarp) {
    const bool alive = warp_any(kFullWarp, p[0].t >= kMinTransmittance || p[1].t >= kMinTransmittance);
    const int mine = batch + lane();
    bool touches = false;
    if (alive && mine < count) touches = reaches(pixels, shapes[mine], colours[mine]);
    const unsigned touched = ballot(kFullWarp, touches);
    if (lane() == 0) reached[warp()] = touched;
    for (unsigned left = touched; left != 0; left &= left - 1) {
      const int j = __ffs(int(left)) - 1;
      const StagedShape shape = shapes[batch + j];
      const StagedColour colour = colours[batch + j];
      const StagedRest rest = rests[batch + j];
      float pair_sums[kPairGrad] = {};
#pragma unroll
      for (int i = 0; i < kPixelsPerLane; ++i)
        walk<kWithDepth, kAbsolute>(shape, colour, rest, pixels.x, pixels.y[i], p[i], pair_sums);
      const int row = (warp() * kWarp + j) * kPairGrad;
      const float of_8 = sum_of_8(pair_sums);
      if (lane() % 4 == 0) sums[row + lane() / 4] = of_8;
      if (kWithDepth || kAbsolute) {
        const float of_4 = sum_of_4(pair_sums + kFirstSums);
        if (lane() % 8 == 0) sums[row + kFirstSums + lane() / 8] = of_4;
      } else {
        const float blue = warp_sum(kFullWarp, pair_sums[kDb]);
        if (lane() < kOtherSums) sums[row + kFirstSums + lane()] = lane() == 0 ? blue : 0.0f;
      }
    }
    block_sync();
    // The warps' sums together: a thread takes a quarter of a pair's.
    const int pair = thread_rank() / (kPairGrad / 4), part = thread_rank() % (kPairGrad / 4);
    if (pair < kWarp && batch + pair < count) {
      float total[4] = {};
      for (int w = 0; w < kBlendWarps; ++w) {
        if ((reached[w] >> pair & 1u) == 0) continue;
        for (int i = 0; i < 4; ++i) total[i] += sums[(w * kWarp + pair) * kPairGrad + 4 * part + i];
      }
      s.pair_grads[int64_t(s.slots[1][first + uint32_t(batch + pair)]) * (kPairGrad / 4) + part] =
          make_float4(total[0], total[1], total[2], total[3]);
    }
    block_sync();
  }
}

}  // namespace

void cuda_splat_blend_backward(const SplatDevice& s, const SplatGradients& d, cudaStream_t stream) {
  const auto kernel = d.grad_depth != nullptr ? (d.absolute ? blend_backward<true, true> : blend_backward<true, false>)
                                              : (d.absolute ? blend_backward<false, true> : blend_backward<false, false>);
  launch(kernel, dim3(unsigned(segment_limit(s))), dim3(kBlendThreads), 0, stream, s, d);
}

}  // namespace recon
