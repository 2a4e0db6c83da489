// Stage 3: pairs to pixels, front to back, and the way back from pixels to pair gradients.
//
// A tile's pixels are cut into blocks of 4x4. A chunk of pairs is first tested against all blocks at once; then each block
// walks the bitmap of the pairs that touch it, with its transmittance and colour in registers and no branch on what a
// pixel sees. A pixel takes a Gaussian when alpha >= kMinAlpha and light is left; the one that uses up the light still
// counts.
//
// Backward walks the same way forward again, now pair by pair, so that the pair's sums stay in registers. Each pixel has
// two numbers: the transmittance T, and S, the part of the loss's linearisation <g, colour> that lies behind. With w = alpha T and q = <g, c>:
//   S after = S before - w q,    dL/dalpha = T q - S after / (1 - alpha).
// At the start S = <g, colour> + dL/dT_end T_end.
#include "ops/entry_points.h"
#include "ops/splat_touches.h"

namespace recon::RECON_ISA {
namespace {

constexpr float kClamped = kMaxAlpha - 1e-6f;  // 2^kLog2MaxAlpha may be rounded to below kMaxAlpha
constexpr uint32_t kAllBlocks = (1u << kBlocks) - 1;

// Bit i: the record reaches the pixel centres of block i.
RECON_HD uint32_t touched_blocks(const float* record) {
  uint32_t bits = 0;
  for (int i = 0; i < kBlocks; i += kLanes) {
    float x[kLanes], y[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) {
      x[lane] = float(block_x(i + lane)) + 0.5f;
      y[lane] = float(block_y(i + lane)) + 0.5f;
    }
    const f32 top = largest_exponent(record, load(x) - record[kX], load(y) - record[kY], kSide - 1.0f, kSide - 1.0f);
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
#elif defined(__AVX2__)
  static_assert(kBlocks == 16 && kChunk == 64, "two bytes of blocks, two registers of pairs");
  for (int byte = 0; byte < 2; ++byte) {
    alignas(32) uint8_t bytes[kChunk];
    for (int j = 0; j < kChunk; ++j) bytes[j] = uint8_t(masks[j] >> 8 * byte);
    __m256i first = _mm256_load_si256((const __m256i*)bytes), second = _mm256_load_si256((const __m256i*)(bytes + 32));
    for (int b = 8 * byte + 7; b >= 8 * byte; --b) {  // the highest bit of each byte, and then the next one
      bitmaps[b] = uint32_t(_mm256_movemask_epi8(first)) | uint64_t(uint32_t(_mm256_movemask_epi8(second))) << 32;
      first = _mm256_add_epi8(first, first), second = _mm256_add_epi8(second, second);
    }
  }
  (void)count;
#else
  for (int b = 0; b < kBlocks; ++b) bitmaps[b] = 0;
  for (int j = 0; j < count; ++j)
    for (uint32_t m = masks[j]; m != 0; m &= m - 1) bitmaps[__builtin_ctz(m)] |= uint64_t(1) << j;
#endif
}

RECON_HD int first_bit(uint64_t bits) { return __builtin_ctzll(bits); }

// Calls use(lane, offset in a plane, pixels) for each row of a block's pixels in the image.
template <class Use>
RECON_HD void for_each_row(const Splat& s, BlockWindow w, const Use& use) {
  const int64_t corner = int64_t(w.y) * s.width + w.x;
  if (w.columns == kSide && w.rows == kSide) {  // a size that the compiler knows
    for (int row = 0; row < kSide; ++row) use(kSide * row, corner + int64_t(row) * s.width, kSide);
    return;
  }
  for (int row = 0; row < w.rows; ++row)
    for (int column = 0; column < w.columns; ++column)
      use(kSide * row + column, corner + int64_t(row) * s.width + column, 1);
}

// Reads or writes a block's pixels of one plane; pixels outside the image read as 0 and are not written.
RECON_HD f32x16 read_block(const Splat& s, const float* plane, BlockWindow w) {
  float lanes[kWide] = {};
  for_each_row(s, w, [&](int lane, int64_t at, int count) {
    __builtin_memcpy(lanes + lane, plane + at, size_t(count) * sizeof(float));
  });
  return load_wide(lanes);
}
RECON_HD void write_block(const Splat& s, float* plane, BlockWindow w, f32x16 v) {
  float lanes[kWide];
  store(lanes, v);
  for_each_row(s, w, [&](int lane, int64_t at, int count) {
    __builtin_memcpy(plane + at, lanes + lane, size_t(count) * sizeof(float));
  });
}

struct PixelState {
  f32x16 t, r, g, b, z, median;
};

// From the pair that took the light past half, counted in the tile, to its Gaussian.
void write_median(const Splat& s, BlockWindow w, uint32_t begin, f32x16 pairs) {
  float lanes[kWide];
  store(lanes, pairs);
  for (int row = 0; row < w.rows; ++row)
    for (int column = 0; column < w.columns; ++column) {
      const float pair = lanes[kSide * row + column];
      s.median[int64_t(w.y + row) * s.width + w.x + column] =
          pair < 0.0f ? -1 : int32_t(s.pair_gaussian[begin + uint32_t(pair)]);
    }
}

template <bool kWithDepth, bool kWithMedian>
void blend_tile(const Splat& s, int tile) {
  const int tile_x = tile % s.tiles_x, tile_y = tile / s.tiles_x;
  const Lanes centres = pixel_centres();
  const f32x16 dark{};
  PixelState state[kBlocks];
  for (int block = 0; block < kBlocks; ++block)
    state[block] = {inside(window_of(s, tile_x, tile_y, block)), dark, dark, dark, dark, all_wide(-1.0f)};

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
      const f32 x = load(centres.x) + float(block_x(block));
      const f32x16 y = load_wide(centres.y) + float(block_y(block));
      // Not a PixelState: GCC keeps a struct in memory, and each pair would wait for what the last one stored.
      PixelState& pixels = state[block];
      f32x16 t = pixels.t, r = pixels.r, g = pixels.g, b = pixels.b, z = pixels.z, median = pixels.median;
      for (; bits != 0; bits &= bits - 1) {
        const int j = first_bit(bits);
        const float* record = chunk.records[j];
        const f32x16 w = weight_of(alpha_of(record, x, y), t);
        if (kWithMedian)
          median = where(both(ge(t, 0.5f), lt(t - w, 0.5f)), float(pair - begin + uint32_t(j)), median);
        r += w * record[kR];
        g += w * record[kG];
        b += w * record[kBlue];
        if (kWithDepth) z += w * record[kDepth];
        t -= w;
      }
      pixels.t = t, pixels.r = r, pixels.g = g, pixels.b = b;
      if (kWithDepth) pixels.z = z;
      if (kWithMedian) pixels.median = median;
      if (lanes_of(ge(t, kMinTransmittance)) == 0) alive &= ~(1u << block);
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
  f32 y, t, behind, r, g, b, z;
};

template <bool kWithDepth, bool kAbsolute>
void blend_tile_backward(const Splat& s, const SplatBackward& d, int tile) {
  const int tile_x = tile % s.tiles_x, tile_y = tile / s.tiles_x;
  const int64_t plane = int64_t(s.width) * s.height;
  const Lanes centres = pixel_centres();
  f32 columns[kBlocks];
  PixelGrad state[kBlocks][kParts];
  for (int block = 0; block < kBlocks; ++block) {
    const BlockWindow w = window_of(s, tile_x, tile_y, block);
    const f32x16 y = load_wide(centres.y) + float(block_y(block));
    const f32x16 r = read_block(s, d.grad_rgb, w), g = read_block(s, d.grad_rgb + plane, w);
    const f32x16 b = read_block(s, d.grad_rgb + 2 * plane, w), z = kWithDepth ? read_block(s, d.grad_depth, w) : f32x16{};
    f32x16 behind = r * read_block(s, s.rgb, w) + g * read_block(s, s.rgb + plane, w) +
                    b * read_block(s, s.rgb + 2 * plane, w) -
                    read_block(s, d.grad_alpha, w) * (1.0f - read_block(s, s.alpha, w));
    if (kWithDepth) behind += z * read_block(s, s.depth, w);
    columns[block] = load(centres.x) + float(block_x(block));
    for (int i = 0; i < kParts; ++i)
      state[block][i] = {part_of(y, i), part_of(inside(w), i), part_of(behind, i), part_of(r, i),
                         part_of(g, i), part_of(b, i),         part_of(z, i)};
  }

  const uint32_t begin = s.tile_start[tile], end = s.tile_start[tile + 1], done = begin + s.tile_done[tile];
  Chunk chunk;
  for (uint32_t pair = begin; pair < done; pair += kChunk) {
    const int count = min_int(int(done - pair), kChunk);
    fetch(s, pair, count, tile_x, tile_y, chunk);
    for (int first = 0; first < count; first += kBatch) {
      const int last = min_int(first + kBatch, count);
      // Three walks over the blocks that some pairs touch, each with the numbers that it needs in registers: what alpha takes
      // long to say of one, others are asked meanwhile, whichever pair they are of, and the sums wait for no pixel.
      Touches touches;
      int ends[kBatch];
      for (int j = first; j < last; ++j) {
        const float* out = d.pair_grads + kPairGrad * int64_t(s.pair_slot[pair + j]);
        __builtin_prefetch(out, 1), __builtin_prefetch(out + kPairGrad - 1, 1);
        touches.add(j, s.pair_mask[pair + j]);
        ends[j - first] = touches.count;
      }
      f32x16 alphas[kBatch * kBlocks];
      f32 weights[kBatch * kBlocks * kParts], pulls[kBatch * kBlocks * kParts];
      for (int k = 0; k < touches.count; ++k) {
        const int block = touches.block[k];
        f32x16 y;
        for (int i = 0; i < kParts; ++i) part_of(y, i) = state[block][i].y;
        alphas[k] = alpha_of(chunk.records[touches.pair[k]], columns[block], y);
      }
      for (int k = 0; k < touches.count; ++k) {
        const float* record = chunk.records[touches.pair[k]];
        for (int i = 0; i < kParts; ++i) {
          PixelGrad& p = state[touches.block[k]][i];
          const f32 t = p.t, alpha = where(ge(t, kMinTransmittance), part_of(alphas[k], i), f32{}), w = alpha * t;
          f32 q = p.r * record[kR] + p.g * record[kG] + p.b * record[kBlue];
          if (kWithDepth) q += p.z * record[kDepth];
          const f32 wq = w * q, behind = p.behind - wq;
          const f32 g = wq - alpha * behind * reciprocal(1.0f - alpha);  // alpha dL/dalpha
          pulls[k * kParts + i] = where(lt(alpha, kClamped), g, f32{});
          weights[k * kParts + i] = w;
          p.t = t - w;
          p.behind = behind;
        }
      }
      for (int j = first, k = 0; j < last; ++j) {
        const float* record = chunk.records[j];
        f32 sums[16] = {};
        for (; k < ends[j - first]; ++k) {
          const f32 dx = columns[touches.block[k]] - record[kX];
          f32 v{}, vy{}, vyy{};
          for (int i = 0; i < kParts; ++i) {
            const PixelGrad& p = state[touches.block[k]][i];
            const f32 w = weights[k * kParts + i], pull = pulls[k * kParts + i];
            const f32 dy = p.y - record[kY], along = pull * dy;
            v += pull;
            vy += along;
            vyy += along * dy;
            sums[kDr] += w * p.r;
            sums[kDg] += w * p.g;
            sums[kDb] += w * p.b;
            if (kWithDepth) sums[kDdepth] += w * p.z;
            if (kAbsolute) {
              const f32 across = pull * dx;
              sums[kAbsX] += absolute(2.0f * record[kA] * across + record[kB] * along);
              sums[kAbsY] += absolute(2.0f * record[kC] * along + record[kB] * across);
            }
          }
          const f32 vx = v * dx;
          sums[kV] += v;
          sums[kVx] += vx;
          sums[kVy] += vy;
          sums[kVxx] += vx * dx;
          sums[kVxy] += vy * dx;
          sums[kVyy] += vyy;
        }
        float* out = d.pair_grads + kPairGrad * int64_t(s.pair_slot[pair + j]);
        sum_lanes_of_8(sums, out);
        out[kDb] = sum_lanes(sums[kDb]);
        for (int i = kDdepth; i < kPairGrad; ++i) out[i] = kWithDepth || kAbsolute ? sum_lanes(sums[i]) : 0.0f;
      }
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
