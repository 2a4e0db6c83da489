// Products of matrices and planes, on CUDA. Planes of numbers, one of each sample, lie in shared memory, two samples an
// element. A warp computes 16 rows of a product for 32 samples at a time: each lane the four rows and columns
// that a tensor core gives it (simt.h), in float by plain arithmetic or in bf16 by tensor cores.
//
// In bf16 each factor on the way there is the sum of two numbers, and the three larger of their four products are taken,
// for the reason in network_bf16.h.
#pragma once
#include "math/number.h"
#include "ops/mlp.h"
#include "simt.h"

namespace recon {
namespace {

using namespace simt;

constexpr int kThreads = 128, kWarps = kThreads / kWarp;
constexpr int kTall = 16, kWide = 8;   // rows of a tile, and its columns: samples, or pairs of them

// Pairs of samples that go through the layers together, and from one plane to the next.
struct Sheet {
  int pairs, pitch;
  RECON_DEVICE int at(int plane, int pair) const { return plane * pitch + pair; }
};

struct Matrix {
  const float* data;
  int rows, columns, row_step, column_step;
  RECON_DEVICE float at(int row, int column) const {
    return row < rows && column < columns ? __ldg(data + row * row_step + column * column_step) : 0.0f;
  }
};

// Sums of 16 rows and 2 x 16 samples: [8 pairs][first or second of a pair] as a tile's.
struct TileSums {
  float of[2][2][4] = {};
};

// Factors rounded to bf16, and what that left.
template <bool kFine>
struct Factor {
  uint32_t high, low;
  RECON_DEVICE void set(float first, float second) {
    high = bf16_pair(first, second);
    if (kFine) low = bf16_pair(first - float_below(high << 16), second - float_below(high & 0xffff0000u));
  }
  RECON_DEVICE static float float_below(uint32_t bits) { return __uint_as_float(bits); }
};

// sums += W in, on tensor cores.
template <bool kFine, class Shared>
RECON_DEVICE void multiply_bf16(const Matrix& w, int row, const Sheet& sheet, Shared& shared, int in, int pair, int groups,
                                TileSums& sums) {
  const int g = lane() / 4, t = lane() % 4;
  for (int k = 0; k < w.columns; k += 16) {
    uint32_t a[4], a_rest[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int at_row = row + g + i % 2 * 8, column = k + 2 * t + i / 2 * 8;
      Factor<kFine> weight;
      weight.set(w.at(at_row, column), w.at(at_row, column + 1));
      a[i] = weight.high;
      if (kFine) a_rest[i] = weight.low;
    }
#pragma unroll
    for (int group = 0; group < 2; ++group) {
      if (group >= groups) continue;
      float2 values[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int column = k + 2 * t + i % 2 + i / 2 * 8;
        values[i] = make_float2(0, 0);
        if (column < w.columns) values[i] = shared[sheet.at(in + column, pair + group * kWide + g)];
      }
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        uint32_t b[2], b_rest[2];
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          Factor<kFine> value;
          value.set(half == 0 ? values[2 * i].x : values[2 * i].y, half == 0 ? values[2 * i + 1].x : values[2 * i + 1].y);
          b[i] = value.high;
          if (kFine) b_rest[i] = value.low;
        }
        if (kFine) multiply_tile(sums.of[group][half], a_rest, b);
        if (kFine) multiply_tile(sums.of[group][half], a, b_rest);
        multiply_tile(sums.of[group][half], a, b);
      }
    }
  }
}

// The same in float.
template <class Shared>
RECON_DEVICE void multiply_float(const Matrix& w, int row, const Sheet& sheet, Shared& shared, int in, int pair, int groups,
                                 TileSums& sums) {
  const int g = lane() / 4, t = lane() % 4;
  for (int k = 0; k < w.columns; ++k) {
    const float weights[2] = {w.at(row + g, k), w.at(row + g + 8, k)};
#pragma unroll
    for (int group = 0; group < 2; ++group) {
      if (group >= groups) continue;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float2 value = shared[sheet.at(in + k, pair + group * kWide + 2 * t + i % 2)];
        sums.of[group][0][i] = fmaf(weights[i / 2], value.x, sums.of[group][0][i]);
        sums.of[group][1][i] = fmaf(weights[i / 2], value.y, sums.of[group][1][i]);
      }
    }
  }
}

// There: to a hidden layer through its ReLU, and to the outputs. Back: to a hidden layer, and to the inputs.
enum class To { kHidden, kOutputs, kHiddenBack, kInputs };

// Planes `out` = W `in`. On the way back through a ReLU, zero where the planes `gate` are not positive.
template <bool kBf16, To kTo, class Shared>
RECON_DEVICE void multiply(const Matrix& w, const Sheet& sheet, Shared& shared, int in, int out, int gate) {
  const int groups = sheet.pairs >= 2 * kWide ? 2 : 1, strips = sheet.pairs / (groups * kWide);
  const int g = lane() / 4, t = lane() % 4;
  for (int unit = warp(); unit < (w.rows + kTall - 1) / kTall * strips; unit += kWarps) {
    const int row = unit / strips * kTall, pair = unit % strips * groups * kWide;
    TileSums sums;
    if constexpr (kBf16)
      multiply_bf16<kTo == To::kHidden || kTo == To::kOutputs>(w, row, sheet, shared, in, pair, groups, sums);
    else
      multiply_float(w, row, sheet, shared, in, pair, groups, sums);
#pragma unroll
    for (int group = 0; group < 2; ++group) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int at_row = row + g + i / 2 * 8;
        if (group >= groups || at_row >= w.rows) continue;
        const int at = pair + group * kWide + 2 * t + i % 2;
        float2 value = {sums.of[group][0][i], sums.of[group][1][i]};
        if (kTo == To::kHidden) value = make_float2(RECON_ISA::max_of(value.x, 0.0f), RECON_ISA::max_of(value.y, 0.0f));
        if (kTo == To::kHiddenBack) {
          const float2 open = shared[sheet.at(gate + at_row, at)];
          value = make_float2(open.x > 0 ? value.x : 0.0f, open.y > 0 ? value.y : 0.0f);
        }
        shared[sheet.at(out + at_row, at)] = value;
      }
    }
  }
}

// weight_grads [rows columns] += grads . in^T, sums over the samples: a warp 16 rows by 32 columns.
template <bool kBf16, class Shared>
RECON_DEVICE void correlate(const Sheet& sheet, Shared& shared, int grads, int rows, int in, int columns, float* weight_grads) {
  constexpr int kGroups = 4;
  const int g = lane() / 4, t = lane() % 4;
  const int strips = (columns + kGroups * kWide - 1) / (kGroups * kWide);
  const auto plane = [&](int first, int count, int i, int pair) {
    float2 value = make_float2(0, 0);
    if (i < count) value = shared[sheet.at(first + i, pair)];
    return value;
  };
  for (int unit = warp(); unit < (rows + kTall - 1) / kTall * strips; unit += kWarps) {
    const int row = unit / strips * kTall, column = unit % strips * kGroups * kWide;
    float sums[kGroups][4] = {};
    for (int pair = 0; pair < sheet.pairs; pair += kBf16 ? 8 : 1) {
      if constexpr (kBf16) {
        uint32_t a[4], b[2];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const float2 value = plane(grads, rows, row + g + i % 2 * 8, pair + t + i / 2 * 4);
          a[i] = bf16_pair(value.x, value.y);
        }
#pragma unroll
        for (int group = 0; group < kGroups; ++group) {
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            const float2 value = plane(in, columns, column + group * kWide + g, pair + t + i * 4);
            b[i] = bf16_pair(value.x, value.y);
          }
          multiply_tile(sums[group], a, b);
        }
      } else {
        const float2 tall[2] = {plane(grads, rows, row + g, pair), plane(grads, rows, row + g + 8, pair)};
#pragma unroll
        for (int group = 0; group < kGroups; ++group) {
          const int at = column + group * kWide + 2 * t;
          const float2 wide[2] = {plane(in, columns, at, pair), plane(in, columns, at + 1, pair)};
#pragma unroll
          for (int i = 0; i < 4; ++i)
            sums[group][i] = fmaf(tall[i / 2].x, wide[i % 2].x, fmaf(tall[i / 2].y, wide[i % 2].y, sums[group][i]));
        }
      }
    }
#pragma unroll
    for (int group = 0; group < kGroups; ++group) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int at_row = row + g + i / 2 * 8, at_column = column + group * kWide + 2 * t + i % 2;
        if (at_row < rows && at_column < columns) weight_grads[at_row * columns + at_column] += sums[group][i];
      }
    }
  }
}

}  // namespace
}  // namespace recon
