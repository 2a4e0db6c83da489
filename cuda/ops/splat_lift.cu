// Lifting on CUDA: a block walks a tile as the blend does and leaves each pair's weights by node; then a warp takes a
// Gaussian, its lanes the channels. One writer for every sum, one order of adding: the same bits each time.
#include "ops/splat_pixels.h"
#include "ops/splat_workspace.h"

namespace recon {
namespace {

using namespace simt;
using RECON_ISA::first_node;
using RECON_ISA::kMinTransmittance;
using RECON_ISA::node_at;
using RECON_ISA::share_of;

constexpr int kMixThreads = 128, kChannelsAtOnce = 4;

// Nodes under a tile.
struct Nodes {
  int across, down;
  RECON_DEVICE int count() const { return across * down; }
};

__global__ __launch_bounds__(kBlendThreads) void weigh(SplatDevice s, SplatLift d, Nodes nodes) {
  SHARED_ARRAY(StagedShape, shapes, kWarp);
  SHARED_ARRAY(StagedColour, colours, kWarp);
  SHARED_ARRAY(float, sums, kBlendWarps * kWarp * kMostTileNodes);  // [warp][pair of the batch][node]
  SHARED_ARRAY(unsigned, reached, kBlendWarps);                     // by the pairs of the batch
  if (too_many(s)) return;
  const int tile = int(blockIdx.x), tile_x = tile % s.tiles_x, tile_y = tile / s.tiles_x;
  const uint2 range = s.ranges[tile];
  const uint32_t done = range.x + s.tile_done[tile];
  const LanePixels pixels = lane_pixels(s, tile_x, tile_y);
  const int first_column = first_node(tile_x, d.columns, s.width), first_row = first_node(tile_y, d.rows, s.height);
  const float column = node_at(float(tile_x * kTile) + pixels.x, d.columns, s.width) - float(first_column);
  float row[kPixelsPerLane], light[kPixelsPerLane];
#pragma unroll
  for (int i = 0; i < kPixelsPerLane; ++i) {
    row[i] = node_at(float(tile_y * kTile) + pixels.y[i], d.rows, s.height) - float(first_row);
    light[i] = pixels.inside[i] ? 1.0f : 0.0f;
  }

  for (uint32_t first = range.x; first < range.y; first += kWarp) {
    const int count = min(int(range.y - first), kWarp);
    if (thread_rank() < count) {
      const Staged pair = fetch(s, first + uint32_t(thread_rank()), tile_x, tile_y);
      shapes[thread_rank()] = pair.shape;
      colours[thread_rank()] = pair.colour;
    }
    block_sync();
    const bool alive = warp_any(kFullWarp, light[0] >= kMinTransmittance || light[1] >= kMinTransmittance);
    bool touches = false;
    if (alive && first < done && lane() < count) touches = reaches(pixels, shapes[lane()], colours[lane()]);
    const unsigned touched = ballot(kFullWarp, touches);
    if (lane() == 0) reached[warp()] = touched;
    for (unsigned left = touched; left != 0; left &= left - 1) {
      const int j = __ffs(int(left)) - 1;
      const StagedShape shape = shapes[j];
      const StagedColour colour = colours[j];
      float w[kPixelsPerLane];
#pragma unroll
      for (int i = 0; i < kPixelsPerLane; ++i) {
        w[i] = weight_of(contribution(shape, colour, pixels.x, pixels.y[i]).alpha, light[i]);
        light[i] -= w[i];
      }
      for (int v = 0; v < nodes.down; ++v) {
        float part = 0.0f;
#pragma unroll
        for (int i = 0; i < kPixelsPerLane; ++i) part += w[i] * share_of(v, row[i]);
        const bool any = warp_any(kFullWarp, part > 0.0f);
        for (int u = 0; u < nodes.across; ++u) {
          const float total = any ? warp_sum(kFullWarp, part * share_of(u, column)) : 0.0f;
          if (lane() == 0) sums[(warp() * kWarp + j) * kMostTileNodes + v * nodes.across + u] = total;
        }
      }
    }
    block_sync();
    for (int i = thread_rank(); i < count * nodes.count(); i += kBlendThreads) {
      const int pair = i / nodes.count(), node = i % nodes.count();
      float total = 0.0f;
      for (int w = 0; w < kBlendWarps; ++w)
        if ((reached[w] >> pair & 1u) != 0) total += sums[(w * kWarp + pair) * kMostTileNodes + node];
      d.pair_nodes[int64_t(s.slots[1][first + uint32_t(pair)]) * nodes.count() + node] = total;
    }
    block_sync();
  }
}

__global__ __launch_bounds__(kMixThreads) void mix(SplatDevice s, SplatLift d, Nodes nodes) {
  const int64_t gaussian = int64_t(blockIdx.x) * (kMixThreads / kWarp) + warp();
  if (gaussian >= d.gaussians || too_many(s)) return;
  const uint32_t count = s.tile_count[gaussian], start = s.slot_start[gaussian];
  float weight = 0.0f;
  for (int channel = lane(); channel - lane() < d.channels && count != 0; channel += kWarp * kChannelsAtOnce) {
    float sum[kChannelsAtOnce] = {};
    weight = 0.0f;
    for (uint32_t i = 0; i < count; ++i) {
      const int64_t slot = int64_t(start) + i;
      const int tile = int(s.tiles[0][slot]);
      const int column = first_node(tile % s.tiles_x, d.columns, s.width);
      const int row = first_node(tile / s.tiles_x, d.rows, s.height);
      for (int node = 0; node < nodes.count(); ++node) {
        const float w = d.pair_nodes[slot * nodes.count() + node];
        if (w == 0.0f) continue;  // nodes beyond the map among them
        weight += w;
        const int64_t at = (int64_t(row + node / nodes.across) * d.columns + column + node % nodes.across) * d.channels;
#pragma unroll
        for (int k = 0; k < kChannelsAtOnce; ++k)
          if (channel + k * kWarp < d.channels) sum[k] += w * d.map[at + channel + k * kWarp];
      }
    }
#pragma unroll
    for (int k = 0; k < kChannelsAtOnce; ++k)
      if (channel + k * kWarp < d.channels) d.sums[gaussian * d.channels + channel + k * kWarp] += sum[k];
  }
  if (lane() == 0 && count != 0) d.weights[gaussian] += weight;
}

}  // namespace

void cuda_splat_lift(const SplatJob& job, const SplatLift& lift) {
  const SplatDevice s = lay_out(job);
  const Nodes nodes = {nodes_under_tile(lift.columns, s.width), nodes_under_tile(lift.rows, s.height)};
  const cudaStream_t stream = stream_of(job.stream);
  launch(weigh, dim3(unsigned(s.tiles_x * s.tiles_y)), dim3(kBlendThreads), 0, stream, s, lift, nodes);
  launch(mix, dim3(blocks_for(lift.gaussians, kMixThreads / kWarp)), dim3(kMixThreads), 0, stream, s, lift, nodes);
}

}  // namespace recon
