// Stage 2 on CUDA: depth order, then (tile, Gaussian) pairs grouped by tile, the nearest first in each.
//
// Two sorts of 32-bit keys instead of one of 64-bit ones: seen Gaussians by depth, of which there are several times fewer
// than pairs; then their pairs, emitted in that order, by tile, stably, in as many bits as tiles have. After Schuetz et al.
// 2025, Splatshop. Equal depths keep the order of their indices, as on the CPU.
#include "device_library.h"
#include "ops/splat_tiles.h"
#include "ops/splat_workspace.h"

namespace recon {
namespace {

using namespace simt;
using RECON_ISA::TileRect;

constexpr int kThreads = 128;

// Bits that hold every tile, and one value more, which sorts after them: that of places without a pair.
int tile_bits(const SplatDevice& s) {
  int bits = 1;
  while ((int64_t(1) << bits) <= int64_t(s.tiles_x) * s.tiles_y) ++bits;
  return bits;
}

__global__ __launch_bounds__(kThreads) void depth_keys(SplatDevice s) {
  const int64_t rank = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (rank >= s.limits.seen) return;
  const bool seen = rank < int64_t(s.counts->seen);
  const int64_t gaussian = seen ? s.order[0][rank] : 0;
  if (!seen) s.order[0][rank] = 0;
  // Positive floats order like their bits; what is not seen comes last.
  s.depths[0][rank] = seen ? uint32_t(__float_as_int(s.records[gaussian * (kRecord / 4) + 2].y)) : 0xffffffffu;
}

__global__ __launch_bounds__(kThreads) void rank_counts(SplatDevice s) {
  const int64_t rank = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (rank >= s.limits.seen) return;
  s.rank_count[rank] = is_seen_rank(s, rank) ? s.tile_count[s.order[1][rank]] : 0;
}

__global__ __launch_bounds__(kThreads) void emit(SplatDevice s) {
  const int64_t rank = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  const bool seen = rank < s.limits.seen && is_seen_rank(s, rank);
  uint32_t gaussian = 0, start = 0;
  TileRect rect{0, 0, -1, -1};
  float record[kRecord] = {};
  bool large = false;
  const auto put = [&s](uint32_t slot, int tile, uint32_t owner) {
    s.tiles[0][slot] = uint32_t(tile);
    s.slots[0][slot] = slot;
    s.slot_gaussian[slot] = owner;
  };
  if (seen) {
    gaussian = s.order[1][rank];
    start = s.rank_start[rank];
    s.slot_start[gaussian] = start;
    const ushort4 r = s.rects[gaussian];
    rect = {r.x, r.y, r.z, r.w};
    const int columns = rect.columns();
    large = columns * rect.rows() > kMaskedTiles;
    uint32_t slot = start;
    for (uint32_t left = large ? 0 : s.tile_mask[gaussian]; left != 0; left &= left - 1) {
      const int i = __ffs(int(left)) - 1;
      put(slot++, (rect.y0 + i / columns) * s.tiles_x + rect.x0 + i % columns, gaussian);
    }
  }
  if (large) {
    const float4* from = s.records + int64_t(gaussian) * (kRecord / 4);
    const float4 shape = from[0], rest = from[3];
    record[kX] = shape.x, record[kY] = shape.y, record[kA] = shape.z, record[kB] = shape.w;
    record[kC] = from[1].x, record[kO] = from[1].y, record[kRestX] = rest.y, record[kRestY] = rest.z;
  }
  for (unsigned left = ballot(kFullWarp, large); left != 0; left &= left - 1) {
    const int owner = __ffs(int(left)) - 1;
    const uint32_t its = shuffle(kFullWarp, gaussian, owner), first = shuffle(kFullWarp, start, owner);
    for_each_tile_of_lane(owner, record, rect, s.tiles_x,
                          [&](int tile, uint32_t place) { put(first + place, tile, its); });
  }
}

__global__ __launch_bounds__(kThreads) void tile_ranges(SplatDevice s) {
  const int64_t pair = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (too_many(s) || pair >= int64_t(s.counts->pairs)) return;
  s.pair_gaussian[pair] = s.slot_gaussian[s.slots[1][pair]];
  const uint32_t tile = s.tiles[1][pair];
  if (pair == 0 || s.tiles[1][pair - 1] != tile) s.ranges[tile].x = uint32_t(pair);
  if (pair + 1 == int64_t(s.counts->pairs) || s.tiles[1][pair + 1] != tile) s.ranges[tile].y = uint32_t(pair) + 1;
}

void find_seen(const SplatDevice& s, Scratch& scratch, cudaStream_t stream) {
  // Projection has counted them; CUB counts them again. There are no counts while only its scratch memory is asked for.
  int64_t* const again = s.counts == nullptr ? nullptr : reinterpret_cast<int64_t*>(&s.counts->seen);
  select_indices(scratch, s.tile_count, s.order[0], again, s.gaussians, stream);
}
void sort_by_depth(const SplatDevice& s, Scratch& scratch, cudaStream_t stream) {
  sort_pairs(scratch, s.depths[0], s.depths[1], s.order[0], s.order[1], s.limits.seen, 0, 32, stream);
}
void sum_counts(const SplatDevice& s, Scratch& scratch, cudaStream_t stream) {
  exclusive_sum(scratch, s.rank_count, s.rank_start, s.limits.seen, stream);
}
void sort_by_tile(const SplatDevice& s, Scratch& scratch, cudaStream_t stream) {
  sort_pairs(scratch, s.tiles[0], s.tiles[1], s.slots[0], s.slots[1], s.limits.pairs, 0, tile_bits(s), stream);
}

}  // namespace

size_t order_library_bytes(const SplatDevice& s) {
  size_t most = 0;
  for (const auto stage : {find_seen, sort_by_depth, sum_counts, sort_by_tile}) {
    Scratch scratch{nullptr, 0};
    stage(s, scratch, nullptr);
    most = scratch.bytes > most ? scratch.bytes : most;
  }
  return most;
}

void cuda_splat_order(const SplatDevice& s, cudaStream_t stream) {
  Scratch scratch{s.sort_scratch, order_library_bytes(s)};
  guard(scratch.data, scratch.bytes);
  const auto over_seen = [&](void (*kernel)(SplatDevice)) {
    launch(kernel, dim3(blocks_for(s.limits.seen, kThreads)), dim3(kThreads), 0, stream, s);
  };
  find_seen(s, scratch, stream);
  over_seen(depth_keys);
  sort_by_depth(s, scratch, stream);
  over_seen(rank_counts);
  sum_counts(s, scratch, stream);
  set_bytes(s.tiles[0], 0xff, size_t(s.limits.pairs) * sizeof(uint32_t), stream);
  set_bytes(s.slots[0], 0, size_t(s.limits.pairs) * sizeof(uint32_t), stream);
  over_seen(emit);
  sort_by_tile(s, scratch, stream);
  set_bytes(s.ranges, 0, size_t(s.tiles_x) * size_t(s.tiles_y) * sizeof(uint2), stream);
  launch(tile_ranges, dim3(blocks_for(s.limits.pairs, kThreads)), dim3(kThreads), 0, stream, s);
}

}  // namespace recon
