// Stage 2: depth order, then (tile, Gaussian) pairs grouped by tile, the nearest first in each.
//
// Gaussians are sorted once by depth (stable radix sort of the float's bits), and their pairs dealt out to the tiles in
// that order (stable counting sort by tile). Each thread owns a contiguous range of the input; where a range's elements
// go follows from everybody's histograms, so the result does not depend on how many ranges there are.
#include <omp.h>

#include "ops/entry_points.h"
#include "ops/tiles.h"

namespace recon::RECON_ISA {
namespace {

struct Range {
  int64_t begin, end;
};
Range range_of(int64_t count, int thread, int threads) {
  return {count * thread / threads, count * (thread + 1) / threads};
}

// Calls visit(Gaussian) for a range of the sorted ones, whose tiles lie anywhere: fetched a few Gaussians ahead.
template <class Visit>
RECON_HD void for_each_sorted(const Splat& s, Range range, Visit visit) {
  constexpr int64_t kAhead = 12;
  const uint32_t* order = s.order[1];
  for (int64_t i = range.begin; i < range.end; ++i) {
    const uint32_t later = order[i + kAhead < range.end ? i + kAhead : i];
    __builtin_prefetch(s.rects + 4 * int64_t(later));
    __builtin_prefetch(s.tile_mask + later);
    __builtin_prefetch(s.slot_start + later);
    visit(order[i]);
  }
}

template <class Visit>
RECON_HD void for_each_tile(const Splat& s, uint32_t gaussian, Visit visit) {
  const uint16_t* rect = s.rects + 4 * int64_t(gaussian);
  const int tx0 = rect[0], ty0 = rect[1], tx1 = rect[2], ty1 = rect[3];
  if (tx1 - tx0 < 4 && ty1 - ty0 < 4) {
    for (uint32_t bits = s.tile_mask[gaussian]; bits != 0; bits &= bits - 1) {
      const int i = __builtin_ctz(bits);
      visit((ty0 + i / 4) * s.tiles_x + tx0 + i % 4);
    }
    return;
  }
  const float* record = s.records + kRecord * int64_t(gaussian);
  for (int y = ty0; y <= ty1; y += 4)
    for (int x = tx0; x <= tx1; x += 4)
      for (uint32_t bits = touched_tiles(record, x, y) & group_bits(min_int(tx1 - x + 1, 4), min_int(ty1 - y + 1, 4)); bits != 0;
           bits &= bits - 1) {
        const int i = __builtin_ctz(bits);
        visit((y + i / 4) * s.tiles_x + x + i % 4);
      }
}

// Indices and depths of the Gaussians that touch a tile, in index order; and where each one's pair gradients go, in the
// same order, so that gathering them reads memory from front to back.
void compact(Splat& s, int thread, int threads) {
  const Range range = range_of(s.block_count * kBlock, thread, threads);
  uint64_t seen = 0, pairs = 0;
  for (int64_t g = range.begin; g < range.end; ++g) {
    seen += s.tile_count[g] != 0;
    pairs += s.tile_count[g];
  }
  uint64_t *seen_sums = s.thread_sums, *pair_sums = s.thread_sums + threads + 1;
  seen_sums[thread + 1] = seen, pair_sums[thread + 1] = pairs;
#pragma omp barrier
#pragma omp single
  {
    seen_sums[0] = pair_sums[0] = 0;
    for (int i = 0; i < threads; ++i) seen_sums[i + 1] += seen_sums[i], pair_sums[i + 1] += pair_sums[i];
    s.seen_count = int64_t(seen_sums[threads]);
    s.pair_count = int64_t(pair_sums[threads]);
  }
  uint64_t at = seen_sums[thread], slot = pair_sums[thread];
  for (int64_t g = range.begin; g < range.end; ++g) {
    if (s.tile_count[g] == 0) continue;
    s.slot_start[g] = uint32_t(slot);
    slot += s.tile_count[g];
    __builtin_memcpy(s.keys[0] + at, s.records + g * kRecord + kDepth, 4);  // positive floats order like their bits
    s.order[0][at++] = uint32_t(g);
  }
#pragma omp barrier
}

void radix_pass(Splat& s, int pass, int thread, int threads) {
  const uint32_t* keys = s.keys[pass & 1];
  const uint32_t* values = s.order[pass & 1];
  uint32_t *keys_out = s.keys[~pass & 1], *values_out = s.order[~pass & 1];
  const int shift = pass * kRadixBits;
  const Range range = range_of(s.seen_count, thread, threads);
  uint32_t* mine = s.histograms + int64_t(thread) * kRadix;
  __builtin_memset(mine, 0, kRadix * sizeof(uint32_t));
  for (int64_t i = range.begin; i < range.end; ++i) ++mine[keys[i] >> shift & (kRadix - 1)];
#pragma omp barrier
#pragma omp single
  {
    uint32_t at = 0;
    for (int digit = 0; digit < kRadix; ++digit)
      for (int t = 0; t < threads; ++t) {
        uint32_t& cell = s.histograms[int64_t(t) * kRadix + digit];
        const uint32_t count = cell;
        cell = at;
        at += count;
      }
  }
  for (int64_t i = range.begin; i < range.end; ++i) {
    const uint32_t to = mine[keys[i] >> shift & (kRadix - 1)]++;
    keys_out[to] = keys[i];
    values_out[to] = values[i];
  }
#pragma omp barrier
}

// Each thread's pairs per tile, then where in the pair list they begin.
void count_pairs(Splat& s, int thread, int threads) {
  const int tiles = s.tiles_x * s.tiles_y;
  uint32_t* mine = s.histograms + int64_t(thread) * tiles;
  __builtin_memset(mine, 0, size_t(tiles) * sizeof(uint32_t));
  for_each_sorted(s, range_of(s.seen_count, thread, threads),
                  [&](uint32_t g) { for_each_tile(s, g, [mine](int tile) { ++mine[tile]; }); });
#pragma omp barrier
#pragma omp single
  {
    uint32_t at = 0;
    for (int tile = 0; tile < tiles; ++tile) {
      s.tile_start[tile] = at;
      for (int t = 0; t < threads; ++t) {
        uint32_t& cell = s.histograms[int64_t(t) * tiles + tile];
        const uint32_t count = cell;
        cell = at;
        at += count;
      }
    }
    s.tile_start[tiles] = at;
  }
}

// Tiles by falling power of two of their pairs, so that threads start with the long ones.
void order_tiles(const Splat& s) {
  const int tiles = s.tiles_x * s.tiles_y;
  uint32_t start[34] = {};
  const auto size_class = [&s](int tile) {
    const uint32_t count = s.tile_start[tile + 1] - s.tile_start[tile];
    return count == 0 ? 32 : __builtin_clz(count);
  };
  for (int tile = 0; tile < tiles; ++tile) ++start[size_class(tile) + 1];
  for (int i = 0; i < 33; ++i) start[i + 1] += start[i];
  for (int tile = 0; tile < tiles; ++tile) s.tile_order[start[size_class(tile)]++] = uint32_t(tile);
}

}  // namespace

void splat_sort(Splat& s) {
#pragma omp parallel num_threads(s.threads)
  {
    const int thread = omp_get_thread_num(), threads = omp_get_num_threads();
#pragma omp single
    s.threads = threads;
    compact(s, thread, threads);
    for (int pass = 0; pass < 3; ++pass) radix_pass(s, pass, thread, threads);
    count_pairs(s, thread, threads);
  }
}

void splat_emit(const Splat& s) {
  order_tiles(s);
#pragma omp parallel num_threads(s.threads)
  {
#pragma omp for schedule(static)
    for (int part = 0; part < s.threads; ++part) {
      uint32_t* next = s.histograms + int64_t(part) * s.tiles_x * s.tiles_y;
      for_each_sorted(s, range_of(s.seen_count, part, s.threads), [&](uint32_t g) {
        uint32_t slot = s.slot_start[g];
        for_each_tile(s, g, [&](int tile) {
          const uint32_t at = next[tile]++;
          s.pair_gaussian[at] = g;
          s.pair_slot[at] = slot++;
        });
      });
    }
  }
}

}  // namespace recon::RECON_ISA
