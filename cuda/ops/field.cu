// Both networks on CUDA, a block of samples through all layers in shared memory. On the way back only samples that have a
// gradient are computed: those behind a surface have none.
#include "device_library.h"
#include "ops/network_device.h"
#include "ops/radiance_cuda.h"
#include "ops/shelf.h"

namespace recon {
namespace {

struct FieldJob {
  PlacedNetwork density, colour;
  Sheet sheet;
  int planes, joined;  // in shared memory; the first of the colour network's inputs
  int grads[2];
};

FieldJob job_of(const FieldArgs& a, bool backward) {
  FieldJob job{};
  const auto take = [&job](int count) { return job.planes += count, job.planes - count; };
  const auto place = [&](const NetworkShape& shape, const float* weights, int first, int last) {
    PlacedNetwork net{shape, weights, {}};
    net.planes[0] = first;
    for (int i = 1; i < shape.layers; ++i) net.planes[i] = take(shape.widths[i]);
    net.planes[shape.layers] = last;
    return net;
  };
  const int encoded = take(a.density.widths[0]), rgb = take(3);
  job.joined = take(a.colour.widths[0]);
  job.density = place(a.density, a.density_weights, encoded, job.joined + a.ray_width);
  job.colour = place(a.colour, a.colour_weights, job.joined, rgb);
  const int widest = widest_of(a.density) > widest_of(a.colour) ? widest_of(a.density) : widest_of(a.colour);
  for (int& stack : job.grads) stack = take(backward ? widest : 0);
  job.sheet = sheet_for(job.planes);
  return job;
}

// What lies in the workspace.
struct Parts {
  float* weights;       // [parts, weights of both], gradients
  float* rays;          // [ray_width, n], gradients
  int32_t* active;      // samples with a gradient, in order
  uint8_t* is_active;   // [n]
  int64_t* count;       // of the active
  Scratch scratch;
  size_t bytes;
};

Parts parts_of(const FieldArgs& a, const Sheet& sheet) {
  Shelf shelf(a.workspace);
  Parts p{};
  p.weights = shelf.take<float>(network_parts(a.n, sheet) * (a.density.weights() + a.colour.weights()));
  p.rays = shelf.take<float>(a.n * a.ray_width);
  p.active = shelf.take<int32_t>(a.n), p.is_active = shelf.take<uint8_t>(a.n), p.count = shelf.take<int64_t>(1);
  select_indices(p.scratch, p.is_active, p.active, p.count, a.n, stream_of(a.stream));
  p.scratch.data = shelf.take<uint8_t>(int64_t(p.scratch.bytes));
  p.bytes = shelf.used();
  return p;
}

// Samples of one stretch, of all or of the active.
struct Stretch {
  const int32_t* active;
  int64_t first, n;
  RECON_DEVICE int64_t operator()(int i) const {
    if (first + i >= n) return -1;
    return active == nullptr ? first + i : active[first + i];
  }
};

// From the encoded positions to the outputs of both networks.
template <bool kBf16, class Shared>
RECON_DEVICE void run_field(const FieldArgs& a, const FieldJob& job, Shared& shared, const Stretch& samples) {
  const Sheet& sheet = job.sheet;
  take_planes(a.encoded, a.density.widths[0], a.stride, sheet, shared, job.density.planes[0], samples);
  for (int i = thread_rank(); i < a.ray_width * sheet.pairs; i += kThreads) {
    const int plane = i / sheet.pairs, pair = i % sheet.pairs;
    const auto feature = [&](int64_t sample) {
      if (sample < 0) return 0.0f;
      const int32_t ray = a.rays[sample];
      return ray >= 0 && ray < a.ray_count ? a.ray_features[int64_t(ray) * a.ray_width + plane] : NAN;
    };
    shared[sheet.at(job.joined + plane, pair)] = make_float2(feature(samples(2 * pair)), feature(samples(2 * pair + 1)));
  }
  block_sync();
  run_forward<kBf16>(job.density, sheet, shared);
  run_forward<kBf16>(job.colour, sheet, shared);
}

template <bool kBf16>
__global__ __launch_bounds__(kThreads) void forward(FieldArgs a, FieldJob job) {
  DYNAMIC_SHARED(float2, shared, 0, job.planes * job.sheet.pitch);
  const Stretch samples = {nullptr, int64_t(blockIdx.x) * 2 * job.sheet.pairs, a.n};
  run_field<kBf16>(a, job, shared, samples);
  put_planes(a.raw_density, 1, a.n, job.sheet, shared, job.density.planes[a.density.layers], samples);
  put_planes(a.raw_rgb, 3, a.n, job.sheet, shared, job.colour.planes[a.colour.layers], samples);
}

__global__ __launch_bounds__(kThreads) void find_active(FieldArgs a, uint8_t* is_active) {
  const int64_t at = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (at >= a.n) return;
  const float *const red = a.rgb_grads, *const green = red + a.n, *const blue = green + a.n;
  is_active[at] = !(a.density_grads[at] == 0 && red[at] == 0 && green[at] == 0 && blue[at] == 0);
}

template <bool kBf16>
__global__ __launch_bounds__(kThreads) void backward(FieldArgs a, FieldJob job, Parts parts, int of_density, int of_colour) {
  DYNAMIC_SHARED(float2, shared, 0, job.planes * job.sheet.pitch);
  const Sheet& sheet = job.sheet;
  float* const density_sums = parts.weights + int64_t(blockIdx.x) * (of_density + of_colour);
  float* const colour_sums = density_sums + of_density;
  for (int i = thread_rank(); i < of_density + of_colour; i += kThreads) density_sums[i] = 0;
  const int64_t count = *parts.count, together = 2 * sheet.pairs;
  for (int64_t first = int64_t(blockIdx.x) * together; first < count; first += int64_t(gridDim.x) * together) {
    const Stretch samples = {parts.active, first, count};
    block_sync();
    take_planes(a.rgb_grads, 3, a.n, sheet, shared, job.grads[0], samples);
    run_field<kBf16>(a, job, shared, samples);
    WayBack way = {job.grads[0], job.grads[0], job.grads[1]};
    run_backward<kBf16>(job.colour, sheet, shared, colour_sums, way, true);
    put_planes(parts.rays, a.ray_width, a.n, sheet, shared, way.from, samples);
    way.from += a.ray_width;
    for (int pair = thread_rank(); pair < sheet.pairs; pair += kThreads) {
      const int64_t one = samples(2 * pair), other = samples(2 * pair + 1);
      float2 value = shared[sheet.at(way.from, pair)];
      if (one >= 0) value.x += a.density_grads[one];
      if (other >= 0) value.y += a.density_grads[other];
      shared[sheet.at(way.from, pair)] = value;
    }
    block_sync();
    run_backward<kBf16>(job.density, sheet, shared, density_sums, way, true);
    put_planes(a.encoded_grads, a.density.widths[0], a.stride, sheet, shared, way.from, samples);
  }
}

// A warp a ray: the sum over its samples, which lie side by side.
__global__ __launch_bounds__(kThreads) void add_rays(FieldArgs a, const float* of_samples) {
  const int64_t ray = int64_t(blockIdx.x) * kWarps + warp();
  if (ray >= a.ray_count) return;
  const auto first_of = [&](int64_t wanted) {
    int64_t low = 0, high = a.n;
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (a.rays[middle] < wanted)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  };
  const int64_t begin = first_of(ray), end = first_of(ray + 1);
  for (int i = 0; i < a.ray_width; ++i) {
    float sum = 0;
    for (int64_t at = begin + lane(); at < end; at += kWarp) sum += of_samples[i * a.n + at];
    sum = warp_sum(kFullWarp, sum);
    if (lane() == 0) a.ray_grads[ray * a.ray_width + i] = sum;
  }
}

}  // namespace

int64_t cuda_field_workspace(const FieldArgs& args) {
  return int64_t((parts_of(args, job_of(args, true).sheet).bytes + 3) / sizeof(float));
}

void cuda_field_forward(const FieldArgs& args) {
  const FieldJob job = job_of(args, false);
  launch(args.bf16 && has_tensor_cores() ? forward<true> : forward<false>, dim3(unsigned(blocks_of(args.n, job.sheet))),
         dim3(kThreads), sheet_bytes(job.sheet, job.planes), stream_of(args.stream), args, job);
}

void cuda_field_backward(const FieldArgs& args) {
  const FieldJob job = job_of(args, true);
  Parts parts = parts_of(args, job.sheet);
  const cudaStream_t stream = stream_of(args.stream);
  const int64_t of_density = args.density.weights(), of_colour = args.colour.weights();
  set_bytes(args.encoded_grads, 0, sizeof(float) * size_t(args.density.widths[0] * args.stride), stream);
  set_bytes(parts.rays, 0, sizeof(float) * size_t(args.n * args.ray_width), stream);
  launch(find_active, dim3(blocks_for(args.n, kThreads)), dim3(kThreads), 0, stream, args, parts.is_active);
  select_indices(parts.scratch, parts.is_active, parts.active, parts.count, args.n, stream);
  const int64_t blocks = network_parts(args.n, job.sheet);
  launch(args.bf16 && has_tensor_cores() ? backward<true> : backward<false>, dim3(unsigned(blocks)), dim3(kThreads),
         sheet_bytes(job.sheet, job.planes), stream, args, job, parts, int(of_density), int(of_colour));
  launch(add_parts, dim3(blocks_for(of_density + of_colour, kThreads)), dim3(kThreads), 0, stream, parts.weights, blocks,
         of_density + of_colour, args.density_weight_grads);
  launch(add_rays, dim3(blocks_for(args.ray_count, kWarps)), dim3(kThreads), 0, stream, args, parts.rays);
}

}  // namespace recon
