// The products of a network's layers in bf16, on tile registers (AMX) where the processor has them: 16 x 16 sums of 32
// products in one instruction. What comes in and goes out is float, as in network.h; only factors are rounded.
//
// On the way there each factor is the sum of two bf16 numbers, and of the four products the three larger are taken. With
// one bf16 number each, a ReLU's input near zero comes out on the other side of it for one sample in a thousand, and the
// gradient is off by the root of that, 3 %. On the way back the factors' own 0.4 % are all there is.
#pragma once
#include "math/number.h"
#include "ops/mlp.h"

#if defined(__AVX512F__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#define RECON_TILES 1
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace recon::RECON_ISA {

constexpr int padded(int rows) { return (rows + 15) / 16 * 16; }
constexpr int padded_pairs(int columns) { return (columns + 31) / 32 * 32; }

// A thread's memory for factors: planes in pairs, gradients by rows, inputs by columns.
struct Bf16Scratch {
  alignas(64) uint32_t pairs[2][kMaxWidth / 2 * kTogether];  // and what rounding them left
  alignas(64) uint16_t rows[kMaxWidth * kTogether];
  alignas(64) uint32_t columns[kTogether / 2 * kMaxWidth];
};

#ifndef RECON_TILES

inline bool multiplies_bf16() { return false; }
struct Tiles {
  explicit Tiles(bool) {}
};
inline void pack_bf16(const float*, int, int, int, int, uint16_t*) {}
inline void multiply_bf16(const uint16_t*, int, int, bool, const float*, int64_t, float*, Bf16Scratch&) {}
inline void correlate_bf16(const float*, int, const float*, int64_t, int, float*, Bf16Scratch&) {}

#else

#define RECON_TILED __attribute__((target("amx-tile,amx-bf16,avx512bf16"), noinline))

// Linux wants to be asked before a process uses tiles, as they make its context larger.
static bool multiplies_bf16() {
  static const bool can = [] {
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d >> 22 & 1) == 0 || (d >> 24 & 1) == 0) return false;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || (a >> 5 & 1) == 0) return false;
    constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  }();
  return can;
}

// Eight tiles of 16 rows by 64 bytes, while it lives, in this thread.
struct Tiles {
  bool on;
  RECON_TILED explicit Tiles(bool on) : on(on) {
    if (!on) return;
    alignas(64) struct {
      uint8_t palette = 1, start = 0, reserved[14] = {};
      uint16_t bytes[16] = {};
      uint8_t rows[16] = {};
    } shape;
    for (int i = 0; i < 8; ++i) shape.bytes[i] = 64, shape.rows[i] = 16;
    asm volatile("" ::: "memory");
    _tile_loadconfig(&shape);
  }
  RECON_TILED ~Tiles() {
    if (on) _tile_release();
  }
  Tiles(const Tiles&) = delete;
};

static uint16_t bf16_of(float a) {
  uint32_t bits;
  __builtin_memcpy(&bits, &a, 4);
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

constexpr int64_t packed_count(int rows, int columns) { return int64_t(padded(rows)) * padded_pairs(columns); }

static float float_of_bf16(uint16_t a) {
  const uint32_t bits = uint32_t(a) << 16;
  float value;
  __builtin_memcpy(&value, &bits, 4);
  return value;
}

// [tiles of 16 rows, tiles of 32 columns, 16, 32], zeros beyond; then the same of what rounding left.
static void pack_bf16(const float* weights, int rows, int columns, int row_step, int column_step, uint16_t* out) {
  const int wide = padded_pairs(columns) / 32;
  for (int row = 0; row < padded(rows); ++row) {
    for (int column = 0; column < 32 * wide; ++column) {
      const bool there = row < rows && column < columns;
      const float weight = there ? weights[row * row_step + column * column_step] : 0.0f;
      uint16_t* const to = out + ((row / 16 * wide + column / 32) * 16 + row % 16) * 32 + column % 32;
      to[0] = bf16_of(weight);
      to[packed_count(rows, columns)] = bf16_of(weight - float_of_bf16(to[0]));
    }
  }
}

__attribute__((target("avx512bf16"))) static inline __m512 rounded(__m512 a) {
  const __m256i half = (__m256i)_mm512_cvtneps_pbh(a);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

// Two planes' numbers side by side: what a tile multiplies from the right. In `rest` what rounding leaves, if wanted.
RECON_TILED static void take_pairs(const float* planes, int count, int64_t stride, uint32_t* pairs, uint32_t* rest) {
  alignas(64) static const uint16_t kInterleaved[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const __m512i order = _mm512_load_si512(kInterleaved);
  for (int plane = 0; plane < padded_pairs(count); plane += 2) {
    const float *const first = planes + plane * stride, *const second = first + stride;
    for (int at = 0; at < kTogether; at += 16) {
      const __m512 a = plane < count ? _mm512_loadu_ps(first + at) : _mm512_setzero_ps();
      const __m512 b = plane + 1 < count ? _mm512_loadu_ps(second + at) : _mm512_setzero_ps();
      const int64_t to = plane / 2 * kTogether + at;
      _mm512_store_si512(pairs + to, _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(b, a)));
      if (rest == nullptr) continue;
      const __m512i left = (__m512i)_mm512_cvtne2ps_pbh(_mm512_sub_ps(b, rounded(b)), _mm512_sub_ps(a, rounded(a)));
      _mm512_store_si512(rest + to, _mm512_permutexvar_epi16(order, left));
    }
  }
}

RECON_TILED static void take_rows(const float* planes, int count, int64_t stride, uint16_t* rows) {
  for (int plane = 0; plane < padded(count); ++plane, rows += kTogether) {
    for (int at = 0; at < kTogether; at += 32) {
      const float* const from = planes + plane * stride + at;
      const __m512 a = plane < count ? _mm512_loadu_ps(from) : _mm512_setzero_ps();
      const __m512 b = plane < count ? _mm512_loadu_ps(from + 16) : _mm512_setzero_ps();
      _mm512_store_si512(rows + at, (__m512i)_mm512_cvtne2ps_pbh(b, a));
    }
  }
}

static void transpose(__m512i* v) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]), t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    v[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]), v[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    v[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]), v[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0x88), t[i + 4] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0xdd);
  }
  for (int i = 0; i < 8; ++i) {
    v[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88), v[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
  }
}

// [pairs of samples, planes]: from the planes' rows, 16 planes by 16 pairs at a time.
RECON_TILED static void take_columns(const float* planes, int count, int64_t stride, uint32_t* columns) {
  const int wide = padded(count);
  for (int plane = 0; plane < wide; plane += 16) {
    for (int at = 0; at < kTogether; at += 32) {
      __m512i v[16];
      for (int i = 0; i < 16; ++i) {
        const bool there = plane + i < count;
        const float* const from = planes + (plane + i) * stride + at;
        v[i] = there ? (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + 16), _mm512_loadu_ps(from))
                     : _mm512_setzero_si512();
      }
      transpose(v);
      for (int i = 0; i < 16; ++i) _mm512_store_si512(columns + (at / 2 + i) * wide + plane, v[i]);
    }
  }
}

// out = W in: two tiles of rows by two of samples. `fine`: with factors of twice the precision.
RECON_TILED static void multiply_bf16(const uint16_t* packed, int rows, int columns, bool fine, const float* in,
                                      int64_t stride, float* out, Bf16Scratch& scratch) {
  take_pairs(in, columns, stride, scratch.pairs[0], fine ? scratch.pairs[1] : nullptr);
  asm volatile("" ::: "memory");
  constexpr int64_t kPlane = 4 * kTogether;
  const int deep = padded_pairs(columns) / 32, tall = padded(rows) / 16;
  for (int row = 0; row < tall; row += 2) {
    for (int at = 0; at < kTogether; at += 32) {
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      _tile_zero(3);
      for (int product = fine ? 2 : 0; product >= 0; --product) {  // the small ones first: of weights' rests, inputs' rests
        const uint16_t* const a0 = packed + (product == 2 ? packed_count(rows, columns) : 0) + row * deep * 512;
        const uint32_t* const b = scratch.pairs[product == 1] + at;
        for (int k = 0; k < deep; ++k) {
          _tile_loadd(4, a0 + k * 512, 64);
          _tile_loadd(6, b + k * 16 * kTogether, kPlane);
          _tile_loadd(7, b + k * 16 * kTogether + 16, kPlane);
          _tile_dpbf16ps(0, 4, 6);
          _tile_dpbf16ps(1, 4, 7);
          if (row + 1 == tall) continue;
          _tile_loadd(5, a0 + (deep + k) * 512, 64);
          _tile_dpbf16ps(2, 5, 6);
          _tile_dpbf16ps(3, 5, 7);
        }
      }
      float* const to = out + int64_t(row) * 16 * kTogether + at;
      _tile_stored(0, to, kPlane);
      _tile_stored(1, to + 16, kPlane);
      if (row + 1 == tall) continue;
      _tile_stored(2, to + 16 * kTogether, kPlane);
      _tile_stored(3, to + 16 * kTogether + 16, kPlane);
    }
  }
}

// weight_grads += a tile of sums, as far as there are such rows and columns.
static void add_tile(const float* tile, int rows, int columns, float* weight_grads, int width) {
  const __mmask16 there = columns >= 16 ? __mmask16(0xffff) : __mmask16((1 << columns) - 1);
  for (int row = 0; row < rows && row < 16; ++row, weight_grads += width) {
    const __m512 sum = _mm512_add_ps(_mm512_maskz_loadu_ps(there, weight_grads), _mm512_loadu_ps(tile + 16 * row));
    _mm512_mask_storeu_ps(weight_grads, there, sum);
  }
}

// weight_grads [rows columns] += grads . in^T, sums over the block's samples.
RECON_TILED static void correlate_bf16(const float* grads, int rows, const float* in, int64_t stride, int columns,
                                       float* weight_grads, Bf16Scratch& scratch) {
  take_rows(grads, rows, kTogether, scratch.rows);
  take_columns(in, columns, stride, scratch.columns);
  asm volatile("" ::: "memory");
  const int tall = padded(rows), wide = padded(columns);
  for (int row = 0; row < tall; row += 32) {
    const uint16_t *const a0 = scratch.rows + row * kTogether, *const a1 = row + 16 < tall ? a0 + 16 * kTogether : a0;
    for (int column = 0; column < wide; column += 32) {
      const uint32_t *const b0 = scratch.columns + column, *const b1 = column + 16 < wide ? b0 + 16 : b0;
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      _tile_zero(3);
      for (int at = 0; at < kTogether; at += 32) {
        _tile_loadd(4, a0 + at, 2 * kTogether);
        _tile_loadd(5, a1 + at, 2 * kTogether);
        _tile_loadd(6, b0 + at / 2 * wide, 4 * wide);
        _tile_loadd(7, b1 + at / 2 * wide, 4 * wide);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
      alignas(64) float sums[4][256];
      _tile_stored(0, sums[0], 64);
      _tile_stored(1, sums[1], 64);
      _tile_stored(2, sums[2], 64);
      _tile_stored(3, sums[3], 64);
      float* const to = weight_grads + row * columns + column;
      const int left = columns - column, below = rows - row;
      add_tile(sums[0], below, left, to, columns);
      if (left > 16) add_tile(sums[1], below, left - 16, to + 16, columns);
      if (below > 16) add_tile(sums[2], below - 16, left, to + 16 * columns, columns);
      if (left > 16 && below > 16) add_tile(sums[3], below - 16, left - 16, to + 16 * columns + 16, columns);
    }
  }
}

#endif

}  // namespace recon::RECON_ISA
