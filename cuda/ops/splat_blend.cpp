// Stage 3: pairs to pixels, front to back, and the way back from pixels to pair gradients.
//
// A tile's pixels are cut into blocks of kLanes (4x4, or 4x2). A chunk of pairs is first tested against all blocks at
// once; then each block walks the bitmap of the pairs that touch it, with its transmittance and colour in registers and
// no branch on what a pixel sees. A pixel takes a Gaussian when alpha >= kMinAlpha and light is left; the one that uses
// up the light still counts.
//
// Backward walks the same way forward again, now pair by pair, so that the pair's sums stay in registers. Each pixel has
// two numbers: the transmittance T, and S, the part of the loss's linearisation <g, colour> that lies behind. With w = alpha T and q = <g, c>:
//   S after = S before - w q,    dL/dalpha = T q - S after / (1 - alpha).
// At the start S = <g, colour> + dL/dT_end T_end.
#include "ops/entry_points.h"
#include "ops/splat_blocks.h"

namespace recon::RECON_ISA {
namespace {

constexpr uint32_t kAllBlocks = kBlocks == 32 ? ~0u : (1u << (kBlocks % 32)) - 1;

// Bit i: the record reaches the pixel centres of block i.
RECON_HD uint32_t touched_blocks(const float* record) {
  uint32_t bits = 0;
  for (int i = 0; i < kBlocks; i += kLanes) {
    float x[kLanes], y[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) {
      x[lane] = float((i + lane) % 4 * 4) + 0.5f;
      y[lane] = float((i + lane) / 4 * kBlockRows) + 0.5f;
    }
    const f32 top = largest_exponent(record, load(x) - record[kX], load(y) - record[kY], 3.0f, kBlockRows - 1.0f);
    bits |= lanes_of(ge(top, kReachThreshold)) << i;
  }
  return bits;
}

// bitmaps[b], bit j: pair j touches block b.
RECON_HD void transpose(const uint32_t* masks, int count, uint64_t* bitmaps) {
#if defined(__AVX512F__)
  for (int b = 0; b < kBlocks; ++b) bitmaps[b] = 0;
  for (int j = 0; j < count; j += 16) {
    const __m512i m = _mm512_loadu_si512(masks + j);
    for (int b = 0; b < kBlocks; ++b) bitmaps[b] |= uint64_t(_mm512_test_epi32_mask(m, _mm512_set1_epi32(1 << b))) << j;
  }
#else
  for (int b = 0; b < kBlocks; ++b) bitmaps[b] = 0;
  for (int j = 0; j < count; ++j)
    for (uint32_t m = masks[j]; m != 0; m &= m - 1) bitmaps[__builtin_ctz(m)] |= uint64_t(1) << j;
#endif
}

RECON_HD int first_bit(uint64_t bits) { return __builtin_ctzll(bits); }

// Reads or writes a block's pixels of one plane; pixels outside the image read as 0 and are not written.
RECON_HD f32 read_block(const Splat& s, const float* plane, BlockWindow w) {
  float lanes[kLanes] = {};
  for (int row = 0; row < w.rows; ++row)
    for (int column = 0; column < w.columns; ++column)
      lanes[4 * row + column] = plane[int64_t(w.y + row) * s.width + w.x + column];
  return load(lanes);
}
RECON_HD void write_block(const Splat& s, float* plane, BlockWindow w, f32 v) {
  float lanes[kLanes];
  store(lanes, v);
  for (int row = 0; row < w.rows; ++row)
    for (int column = 0; column < w.columns; ++column)
      plane[int64_t(w.y + row) * s.width + w.x + column] = lanes[4 * row + column];
}

struct PixelState {
  f32 t, r, g, b, z, median;
};

// From the pair that took the light past half, counted in the tile, to its Gaussian.
void write_median(const Splat& s, BlockWindow w, uint32_t begin, f32 pairs) {
  float lanes[kLanes];
  store(lanes, pairs);
  for (int row = 0; row < w.rows; ++row)
    for (int column = 0; column < w.columns; ++column) {
      const float pair = lanes[4 * row + column];
      s.median[int64_t(w.y + row) * s.width + w.x + column] =
          pair < 0.0f ? -1 : int32_t(s.pair_gaussian[begin + uint32_t(pair)]);
    }
}

template <bool kWithDepth, bool kWithMedian>
void blend_tile(const Splat& s, int tile) {
  const int tile_x = tile % s.tiles_x, tile_y = tile / s.tiles_x;
  const Lanes centres = pixel_centres();
  PixelState state[kBlocks];
  for (int block = 0; block < kBlocks; ++block)
    state[block] = {inside(window_of(s, tile_x, tile_y, block)), f32{}, f32{}, f32{}, f32{}, all_lanes(-1.0f)};

  const uint32_t begin = s.tile_start[tile], end = s.tile_start[tile + 1];
  uint32_t alive = kAllBlocks, pair = begin;
  Chunk chunk;
  uint64_t bitmaps[kBlocks];
  for (; pair < end && alive != 0; pair += kChunk) {
    const int count = min_int(int(end - pair), kChunk);
    fetch(s, pair, count, tile_x, tile_y, chunk);
    for (int j = 0; j < count; ++j)
      chunk.masks[j] = touched_blocks(chunk.records[j]) & alive;
    for (int j = count; j < kChunk; ++j) chunk.masks[j] = 0;
    __builtin_memcpy(s.pair_mask + pair, chunk.masks, size_t(count) * sizeof(uint32_t));
    transpose(chunk.masks, count, bitmaps);
    for (uint32_t blocks = alive; blocks != 0; blocks &= blocks - 1) {
      const int block = __builtin_ctz(blocks);
      uint64_t bits = bitmaps[block];
      if (bits == 0) continue;
      const f32 x = load(centres.x) + float(block % 4 * 4);
      const f32 y = load(centres.y) + float(block / 4 * kBlockRows);
      PixelState p = state[block];
      for (; bits != 0; bits &= bits - 1) {
        const int j = first_bit(bits);
        const float* record = chunk.records[j];
        const Contribution k = contribution(record, x, y);
        const f32 w = weight_of(k.alpha, p.t);
        if (kWithMedian)
          p.median = where(both(ge(p.t, 0.5f), lt(p.t - w, 0.5f)), float(pair - begin + uint32_t(j)), p.median);
        p.r += w * record[kR];
        p.g += w * record[kG];
        p.b += w * record[kBlue];
        if (kWithDepth) p.z += w * record[kDepth];
        p.t -= w;
      }
      state[block] = p;
      if (lanes_of(ge(p.t, kMinTransmittance)) == 0) alive &= ~(1u << block);
    }
  }
  s.tile_done[tile] = (pair < end ? pair : end) - begin;

  const int64_t plane = int64_t(s.width) * s.height;
  for (int block = 0; block < kBlocks; ++block) {
    const BlockWindow w = window_of(s, tile_x, tile_y, block);
    const PixelState& p = state[block];
    write_block(s, s.rgb, w, p.r);
    write_block(s, s.rgb + plane, w, p.g);
    write_block(s, s.rgb + 2 * plane, w, p.b);
    write_block(s, s.alpha, w, 1.0f - p.t);
    if (kWithDepth) write_block(s, s.depth, w, p.z);
    if (kWithMedian) write_median(s, w, begin, p.median);
  }
}

struct PixelGrad {
  f32 x, y, t, behind, r, g, b, z;
};

template <bool kWithDepth, bool kAbsolute>
void blend_tile_backward(const Splat& s, const SplatBackward& d, int tile) {
  const int tile_x = tile % s.tiles_x, tile_y = tile / s.tiles_x;
  const int64_t plane = int64_t(s.width) * s.height;
  const Lanes centres = pixel_centres();
  PixelGrad state[kBlocks];
  for (int block = 0; block < kBlocks; ++block) {
    const BlockWindow w = window_of(s, tile_x, tile_y, block);
    const f32 g_alpha = read_block(s, d.grad_alpha, w);
    PixelGrad p = {load(centres.x) + float(block % 4 * 4), load(centres.y) + float(block / 4 * kBlockRows),
                   inside(w), f32{}, read_block(s, d.grad_rgb, w), read_block(s, d.grad_rgb + plane, w),
                   read_block(s, d.grad_rgb + 2 * plane, w), f32{}};
    p.behind = p.r * read_block(s, s.rgb, w) + p.g * read_block(s, s.rgb + plane, w) +
               p.b * read_block(s, s.rgb + 2 * plane, w) - g_alpha * (1.0f - read_block(s, s.alpha, w));
    if (kWithDepth) {
      p.z = read_block(s, d.grad_depth, w);
      p.behind += p.z * read_block(s, s.depth, w);
    }
    state[block] = p;
  }

  const uint32_t begin = s.tile_start[tile], end = s.tile_start[tile + 1], done = begin + s.tile_done[tile];
  Chunk chunk;
  for (uint32_t pair = begin; pair < done; pair += kChunk) {
    const int count = min_int(int(done - pair), kChunk);
    fetch(s, pair, count, tile_x, tile_y, chunk);
    for (int j = 0; j < count; ++j) {
      const float* record = chunk.records[j];
      f32 sums[16] = {};
      for (uint32_t blocks = s.pair_mask[pair + j]; blocks != 0; blocks &= blocks - 1) {
        const int block = __builtin_ctz(blocks);
        PixelGrad& p = state[block];
        const f32 t = p.t;
        const Contribution k = contribution(record, p.x, p.y);
        const f32 w = weight_of(k.alpha, t);
        f32 q = p.r * record[kR] + p.g * record[kG] + p.b * record[kBlue];
        if (kWithDepth) q += p.z * record[kDepth];
        const f32 wq = w * q, behind = p.behind - wq;
        const f32 g = wq - k.alpha * behind * reciprocal(1.0f - k.alpha);  // alpha dL/dalpha
        const f32 v = where(both(lt(k.exponent, kLog2MaxAlpha), ge(t, kMinTransmittance)), g, f32{});
        p.t = t - w;
        p.behind = behind;
        const f32 vx = v * k.dx, vy = v * k.dy;
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
          sums[kAbsX] += absolute(2.0f * record[kA] * vx + record[kB] * vy);
          sums[kAbsY] += absolute(2.0f * record[kC] * vy + record[kB] * vx);
        }
      }
      float* out = d.pair_grads + kPairGrad * int64_t(s.pair_slot[pair + j]);
      sum_lanes_of_8(sums, out);
      out[kDb] = sum_lanes(sums[kDb]);
      for (int i = kDdepth; i < kPairGrad; ++i) out[i] = kWithDepth || kAbsolute ? sum_lanes(sums[i]) : 0.0f;
    }
  }
  for (uint32_t pair = done; pair < end; ++pair)
    __builtin_memset(d.pair_grads + kPairGrad * int64_t(s.pair_slot[pair]), 0, kPairGrad * sizeof(float));
}

}  // namespace

void splat_blend(const Splat& s) {
  const int tiles = s.tiles_x * s.tiles_y;
#pragma omp parallel for schedule(dynamic, 1)
  for (int i = 0; i < tiles; ++i) {
    const int tile = int(s.tile_order[i]);
    if (s.median != nullptr)
      s.depth != nullptr ? blend_tile<true, true>(s, tile) : blend_tile<false, true>(s, tile);
    else
      s.depth != nullptr ? blend_tile<true, false>(s, tile) : blend_tile<false, false>(s, tile);
  }
}

void splat_blend_backward(const Splat& s, const SplatBackward& d) {
  const int tiles = s.tiles_x * s.tiles_y;
#pragma omp parallel for schedule(dynamic, 1)
  for (int i = 0; i < tiles; ++i) {
    const int tile = int(s.tile_order[i]);
    if (d.grad_depth != nullptr)
      d.absolute ? blend_tile_backward<true, true>(s, d, tile) : blend_tile_backward<true, false>(s, d, tile);
    else
      d.absolute ? blend_tile_backward<false, true>(s, d, tile) : blend_tile_backward<false, false>(s, d, tile);
  }
}

}  // namespace recon::RECON_ISA
