// A network's layers on one block of kTogether samples, in float. Products are tiles of kRows outputs by three registers
// of samples, held in registers; weights are packed so that a tile reads them in order.
#pragma once
#include <stdlib.h>
#include <string.h>

#include "math/number.h"
#include "ops/mlp.h"
#include "ops/network_bf16.h"

namespace recon::RECON_ISA {

constexpr int kRows = kLanes == 16 ? 8 : 4, kColumns = 3;
static_assert(kTogether % (kColumns * kLanes) == 0, "a block is a whole number of tiles");

// Memory on a cache line's border, zero at first. Not a std::vector: the linker would keep one instruction set's copy of
// its functions for all.
struct Floats {
  float* data = nullptr;

  Floats() = default;
  Floats(const Floats&) = delete;
  Floats& operator=(const Floats&) = delete;
  ~Floats() { free(data); }
  void resize(int64_t count) {
    const size_t bytes = (4 * size_t(count) + 127) / 64 * 64;
    free(data);
    data = static_cast<float*>(aligned_alloc(64, bytes));
    if (data != nullptr) memset(data, 0, bytes);
  }
};

// [tiles of kRows rows, columns, kRows]; rows beyond the last are zero.
static inline void pack_matrix(const float* weights, int rows, int columns, int row_step, int column_step, Floats& out) {
  out.resize(int64_t(padded(rows)) * columns);
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      out.data[(row / kRows * columns + column) * kRows + row % kRows] = weights[row * row_step + column * column_step];
    }
  }
}

enum class After { kNothing, kRelu, kGate };

// out = W in. With kGate, zero where `gate` (planes like the outputs) is not positive: the way back through a ReLU.
template <After kAfter>
static void multiply_block(const float* packed, int rows, int columns, const float* in, int64_t stride, float* out,
                           const float* gate) {
  for (int at = 0; at < kTogether; at += kColumns * kLanes) {
    const float* weight = packed;
    for (int row = 0; row < rows; row += kRows) {
      f32 sums[kRows][kColumns] = {};
      const float* plane = in + at;
      for (int column = 0; column < columns; ++column, plane += stride, weight += kRows) {
        f32 values[kColumns];
        for (int i = 0; i < kColumns; ++i) values[i] = load(plane + i * kLanes);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          const f32 w = all_lanes(weight[r]);
#pragma GCC unroll 3
          for (int i = 0; i < kColumns; ++i) sums[r][i] += w * values[i];
        }
      }
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 3
        for (int i = 0; i < kColumns; ++i) {
          const int64_t to = int64_t(row + r) * kTogether + at + i * kLanes;
          f32 value = sums[r][i];
          if (kAfter == After::kRelu) value = max_of(value, 0.0f);
          if (kAfter == After::kGate) value = where(lt(f32{}, load(gate + to)), value, 0.0f);
          store(out + to, value);
        }
      }
    }
  }
}

// weight_grads [rows columns] += grads . in^T, sums over the block's samples.
static void correlate_block(const float* grads, int rows, const float* in, int64_t stride, int columns,
                            float* weight_grads) {
  constexpr int kTall = 4, kWide = kLanes == 16 ? 4 : 2;
  for (int row = 0; row < rows; row += kTall) {
    for (int column = 0; column < columns; column += kWide) {
      const float *a[kTall], *b[kWide];
      for (int r = 0; r < kTall; ++r) a[r] = grads + int64_t(row + r < rows ? row + r : row) * kTogether;
      for (int c = 0; c < kWide; ++c) b[c] = in + int64_t(column + c < columns ? column + c : column) * stride;
      f32 sums[kTall * kWide] = {};
      for (int at = 0; at < kTogether; at += kLanes) {
        f32 wide[kWide];
        for (int c = 0; c < kWide; ++c) wide[c] = load(b[c] + at);
#pragma GCC unroll 4
        for (int r = 0; r < kTall; ++r) {
          const f32 tall = load(a[r] + at);
#pragma GCC unroll 4
          for (int c = 0; c < kWide; ++c) sums[r * kWide + c] += tall * wide[c];
        }
      }
      float totals[kTall * kWide];
      for (int i = 0; i < kTall * kWide; i += 8) sum_lanes_of_8(sums + i, totals + i);
      for (int r = 0; r < kTall && row + r < rows; ++r) {
        for (int c = 0; c < kWide && column + c < columns; ++c) {
          weight_grads[int64_t(row + r) * columns + column + c] += totals[r * kWide + c];
        }
      }
    }
  }
}

// Through a ReLU, there or back, of a block's planes.
static inline void finish_planes(After after, int rows, float* out, const float* gate) {
  if (after == After::kNothing) return;
  for (int64_t at = 0; at < int64_t(rows) * kTogether; at += kLanes) {
    const f32 value = load(out + at);
    store(out + at, after == After::kRelu ? max_of(value, 0.0f) : where(lt(f32{}, load(gate + at)), value, 0.0f));
  }
}

// A thread's memory for one block: what each layer puts out, and gradients on their way back.
struct Activations {
  Floats layers[kMaxLayers], grads[2], scratch;
  Tiles tiles;

  Activations(const NetworkShape& shape, bool bf16) : tiles(bf16 && multiplies_bf16()) {
    int widest = 0;
    for (int i = 0; i < shape.layers; ++i) {
      layers[i].resize(int64_t(padded(shape.widths[i + 1])) * kTogether);
      widest = widest > shape.widths[i] ? widest : shape.widths[i];
    }
    for (Floats& grad : grads) grad.resize(int64_t(padded(widest)) * kTogether);
    if (bf16) scratch.resize(sizeof(Bf16Scratch) / 4);
  }
  Bf16Scratch& factors() { return *reinterpret_cast<Bf16Scratch*>(scratch.data); }
};

// One matrix, packed for either kind of product. `fine`: factors of twice bf16's precision.
struct Packed {
  Floats memory;
  int rows = 0, columns = 0;
  bool bf16 = false, fine = false;

  void pack(const float* weights, int row_count, int column_count, int row_step, int column_step, bool in_bf16) {
    rows = row_count, columns = column_count, bf16 = in_bf16;
    if (!bf16) return pack_matrix(weights, rows, columns, row_step, column_step, memory);
    memory.resize(int64_t(padded(rows)) * padded_pairs(columns));  // twice a bf16
    pack_bf16(weights, rows, columns, row_step, column_step, reinterpret_cast<uint16_t*>(memory.data));
  }
  void multiply(After after, const float* in, int64_t stride, float* out, const float* gate, Activations& block) const {
    if (bf16) {
      const auto* const matrix = reinterpret_cast<const uint16_t*>(memory.data);
      multiply_bf16(matrix, rows, columns, fine, in, stride, out, block.factors());
      return finish_planes(after, rows, out, gate);
    }
    const auto kind = after == After::kNothing ? multiply_block<After::kNothing>
                      : after == After::kRelu  ? multiply_block<After::kRelu>
                                               : multiply_block<After::kGate>;
    kind(memory.data, rows, columns, in, stride, out, gate);
  }
};

struct Network {
  NetworkShape shape;
  bool bf16;
  Packed there[kMaxLayers], back[kMaxLayers];  // matrices, and transposed

  Network(const NetworkShape& shape, const float* weights, bool backward, bool in_bf16)
      : shape(shape), bf16(in_bf16 && multiplies_bf16()) {
    for (int i = 0; i < shape.layers; ++i) {
      const int in = shape.widths[i], out = shape.widths[i + 1];
      there[i].fine = true;
      there[i].pack(weights, out, in, in, 1, bf16);
      if (backward) back[i].pack(weights, in, out, 1, in, bf16);
      weights += int64_t(in) * out;
    }
  }

  // The outputs' planes, kTogether samples each.
  const float* forward(const float* in, int64_t stride, Activations& memory) const {
    for (int i = 0; i < shape.layers; ++i) {
      float* const out = memory.layers[i].data;
      there[i].multiply(i + 1 == shape.layers ? After::kNothing : After::kRelu, in, stride, out, nullptr, memory);
      in = out, stride = kTogether;
    }
    return in;
  }

  // After `forward` on the same block. Adds to the weights' gradients; returns the planes of the inputs' gradient.
  const float* backward(const float* in, int64_t stride, const float* grads, Activations& memory,
                        float* weight_grads) const {
    weight_grads += shape.weights();
    for (int i = shape.layers - 1; i >= 0; --i) {
      const int width_in = shape.widths[i], width_out = shape.widths[i + 1];
      const float* const from = i == 0 ? in : memory.layers[i - 1].data;
      const int64_t step = i == 0 ? stride : kTogether;
      weight_grads -= int64_t(width_in) * width_out;
      if (bf16) correlate_bf16(grads, width_out, from, step, width_in, weight_grads, memory.factors());
      if (!bf16) correlate_block(grads, width_out, from, step, width_in, weight_grads);
      float* const to = memory.grads[i & 1].data;
      back[i].multiply(i == 0 ? After::kNothing : After::kGate, grads, kTogether, to, from, memory);
      grads = to;
    }
    return grads;
  }
};

// Copies samples of planes into a block; zeros where there are no more.
static inline void take_block(const float* planes, int count, int64_t stride, int64_t left, float* block) {
  const int64_t n = left < kTogether ? left : kTogether;
  for (int i = 0; i < count; ++i) {
    memcpy(block + int64_t(i) * kTogether, planes + i * stride, 4 * size_t(n));
    if (n < kTogether) memset(block + int64_t(i) * kTogether + n, 0, 4 * size_t(kTogether - n));
  }
}
static inline void put_block(const float* block, int count, int64_t stride, int64_t left, float* planes) {
  const int64_t n = left < kTogether ? left : kTogether;
  for (int i = 0; i < count; ++i) memcpy(planes + i * stride, block + int64_t(i) * kTogether, 4 * size_t(n));
}

// sums[i] = the parts' i-th numbers, added in their order.
static inline void add_parts(const float* partial, int64_t parts, int64_t count, float* sums) {
  memset(sums, 0, 4 * size_t(count));
  for (int64_t part = 0; part < parts; ++part) {
    for (int64_t i = 0; i < count; ++i) sums[i] += partial[part * count + i];
  }
}

}  // namespace recon::RECON_ISA
