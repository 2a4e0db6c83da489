// A network's layers on one block of samples, on CUDA: the planes that each layer puts out stay in shared memory.
#pragma once
#include "ops/network_tiles.h"

namespace recon {
namespace {

constexpr int kMostParts = 256;  // in which the gradient of the weights is summed

// A network, and the planes that hold what goes in and what each layer puts out.
struct PlacedNetwork {
  NetworkShape shape;
  const float* weights;
  int planes[kMaxLayers + 1];
};

// From the planes that hold the inputs to those of the outputs, which are there for all threads when it returns.
template <bool kBf16, class Shared>
RECON_DEVICE void run_forward(const PlacedNetwork& net, const Sheet& sheet, Shared& shared) {
  const float* weights = net.weights;
  for (int i = 0; i < net.shape.layers; ++i) {
    const int in = net.shape.widths[i], out = net.shape.widths[i + 1];
    const Matrix w = {weights, out, in, in, 1};
    if (i + 1 < net.shape.layers)
      multiply<kBf16, To::kHidden>(w, sheet, shared, net.planes[i], net.planes[i + 1], 0);
    else
      multiply<kBf16, To::kOutputs>(w, sheet, shared, net.planes[i], net.planes[i + 1], 0);
    block_sync();
    weights += in * out;
  }
}

// Where gradients are on their way back: in one of two stacks of planes, `from` somewhere in the first.
struct WayBack {
  int from, stack, other;
};

// After run_forward. Adds to the weights' gradient; leaves that of the inputs at `way.from`, unless nobody wants it.
template <bool kBf16, class Shared>
RECON_DEVICE void run_backward(const PlacedNetwork& net, const Sheet& sheet, Shared& shared, float* weight_grads, WayBack& way,
                               bool to_inputs) {
  const float* weights = net.weights;
  for (int i = 0; i < net.shape.layers; ++i) {
    const int count = net.shape.widths[i] * net.shape.widths[i + 1];
    weights += count, weight_grads += count;
  }
  for (int i = net.shape.layers - 1; i >= 0; --i) {
    const int in = net.shape.widths[i], out = net.shape.widths[i + 1];
    weights -= in * out, weight_grads -= in * out;
    correlate<kBf16>(sheet, shared, way.from, out, net.planes[i], in, weight_grads);
    const Matrix transposed = {weights, in, out, 1, in};
    if (i > 0) multiply<kBf16, To::kHiddenBack>(transposed, sheet, shared, way.from, way.other, net.planes[i]);
    if (i == 0 && to_inputs) multiply<kBf16, To::kInputs>(transposed, sheet, shared, way.from, way.other, 0);
    block_sync();
    way = {way.other, way.other, way.stack};
  }
}

// Samples of planes in global memory to shared ones, zeros where there are none; `sample_of(i)` is the i-th sample, or -1.
template <class Shared, class SampleOf>
RECON_DEVICE void take_planes(const float* planes, int count, int64_t stride, const Sheet& sheet, Shared& shared, int to,
                              const SampleOf& sample_of) {
  for (int i = thread_rank(); i < count * sheet.pairs; i += kThreads) {
    const int plane = i / sheet.pairs, pair = i % sheet.pairs;
    const int64_t first = sample_of(2 * pair), second = sample_of(2 * pair + 1);
    const float* const from = planes + plane * stride;
    shared[sheet.at(to + plane, pair)] = make_float2(first >= 0 ? from[first] : 0.0f, second >= 0 ? from[second] : 0.0f);
  }
}
template <class Shared, class SampleOf>
RECON_DEVICE void put_planes(float* planes, int count, int64_t stride, const Sheet& sheet, Shared& shared, int from,
                             const SampleOf& sample_of) {
  for (int i = thread_rank(); i < count * sheet.pairs; i += kThreads) {
    const int plane = i / sheet.pairs, pair = i % sheet.pairs;
    const int64_t first = sample_of(2 * pair), second = sample_of(2 * pair + 1);
    const float2 value = shared[sheet.at(from + plane, pair)];
    if (first >= 0) planes[plane * stride + first] = value.x;
    if (second >= 0) planes[plane * stride + second] = value.y;
  }
}

// --- the host's side --------------------------------------------------------------------------------------------------

inline size_t sheet_bytes(const Sheet& sheet, int planes) { return sizeof(float2) * size_t(sheet.pitch) * size_t(planes); }

// As many pairs as shared memory has room for, half of it if that will do, so that two blocks share a multiprocessor.
// With two more from plane to plane the lanes of a tile read other banks.
inline Sheet sheet_for(int planes) {
  const size_t most = most_shared_bytes();
  for (const size_t room : {most / 2, most}) {
    for (const int pairs : {32, 16, 8}) {
      const Sheet sheet = {pairs, pairs > 8 ? pairs + 2 : pairs};
      if (sheet_bytes(sheet, planes) <= room) return sheet;
    }
  }
  throw std::invalid_argument("this GPU's shared memory is too small for networks with so many and wide layers");
}

inline int64_t blocks_of(int64_t n, const Sheet& sheet) { return (n + 2 * sheet.pairs - 1) / (2 * sheet.pairs); }
inline int64_t network_parts(int64_t n, const Sheet& sheet) {
  return blocks_of(n, sheet) < kMostParts ? blocks_of(n, sheet) : kMostParts;
}

inline int widest_of(const NetworkShape& shape) {
  int widest = 0;
  for (int i = 0; i <= shape.layers; ++i) widest = shape.widths[i] > widest ? shape.widths[i] : widest;
  return widest;
}

// sums[i] = the parts' i-th numbers, added in their order.
__global__ __launch_bounds__(kThreads) void add_parts(const float* partial, int64_t parts, int64_t count, float* sums) {
  const int64_t i = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  float sum = 0;
  for (int64_t part = 0; part < parts; ++part) sum += partial[part * count + i];
  sums[i] = sum;
}

}  // namespace
}  // namespace recon
