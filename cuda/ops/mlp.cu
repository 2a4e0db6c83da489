// A network on CUDA, a block of samples through all of its layers in shared memory. On the way back the activations are
// computed again, as on the CPU.
#include "ops/network_device.h"
#include "ops/radiance_cuda.h"

namespace recon {
namespace {

struct MlpJob {
  PlacedNetwork net;
  Sheet sheet;
  int planes;     // in shared memory
  int grads[2];   // stacks of planes for the way back
};

MlpJob job_of(const MlpArgs& a, bool backward) {
  MlpJob job{};
  job.net.shape = a.shape, job.net.weights = a.weights;
  for (int i = 0; i <= a.shape.layers; ++i) job.net.planes[i] = job.planes, job.planes += a.shape.widths[i];
  for (int& stack : job.grads) stack = job.planes, job.planes += backward ? widest_of(a.shape) : 0;
  job.sheet = sheet_for(job.planes);
  return job;
}

// Samples of the block-th stretch.
struct Stretch {
  int64_t first, n;
  RECON_DEVICE int64_t operator()(int i) const { return first + i < n ? first + i : -1; }
};

template <bool kBf16>
__global__ __launch_bounds__(kThreads) void forward(MlpArgs a, MlpJob job) {
  DYNAMIC_SHARED(float2, shared, 0, job.planes * job.sheet.pitch);
  const Stretch samples = {int64_t(blockIdx.x) * 2 * job.sheet.pairs, a.n};
  const NetworkShape& shape = job.net.shape;
  take_planes(a.inputs, shape.widths[0], a.n, job.sheet, shared, 0, samples);
  block_sync();
  run_forward<kBf16>(job.net, job.sheet, shared);
  put_planes(a.outputs, shape.widths[shape.layers], a.n, job.sheet, shared, job.net.planes[shape.layers], samples);
}

template <bool kBf16>
__global__ __launch_bounds__(kThreads) void backward(MlpArgs a, MlpJob job, int count) {
  DYNAMIC_SHARED(float2, shared, 0, job.planes * job.sheet.pitch);
  float* const sums = a.workspace + int64_t(blockIdx.x) * count;
  for (int i = thread_rank(); i < count; i += kThreads) sums[i] = 0;
  const NetworkShape& shape = job.net.shape;
  for (int64_t first = int64_t(blockIdx.x) * 2 * job.sheet.pairs; first < a.n; first += int64_t(gridDim.x) * 2 * job.sheet.pairs) {
    const Stretch samples = {first, a.n};
    block_sync();
    take_planes(a.inputs, shape.widths[0], a.n, job.sheet, shared, 0, samples);
    take_planes(a.grads, shape.widths[shape.layers], a.n, job.sheet, shared, job.grads[0], samples);
    block_sync();
    run_forward<kBf16>(job.net, job.sheet, shared);
    WayBack way = {job.grads[0], job.grads[0], job.grads[1]};
    run_backward<kBf16>(job.net, job.sheet, shared, sums, way, a.input_grads != nullptr);
    if (a.input_grads != nullptr) put_planes(a.input_grads, shape.widths[0], a.n, job.sheet, shared, way.from, samples);
  }
}

}  // namespace

bool cuda_bf16_tiles() { return has_tensor_cores(); }

int64_t cuda_mlp_workspace(const MlpArgs& args) {
  return network_parts(args.n, job_of(args, true).sheet) * args.shape.weights();
}

void cuda_mlp_forward(const MlpArgs& args) {
  const MlpJob job = job_of(args, false);
  launch(args.bf16 && has_tensor_cores() ? forward<true> : forward<false>, dim3(unsigned(blocks_of(args.n, job.sheet))),
         dim3(kThreads), sheet_bytes(job.sheet, job.planes), stream_of(args.stream), args, job);
}

void cuda_mlp_backward(const MlpArgs& args) {
  const MlpJob job = job_of(args, true);
  const int64_t parts = network_parts(args.n, job.sheet), count = args.shape.weights();
  launch(args.bf16 && has_tensor_cores() ? backward<true> : backward<false>, dim3(unsigned(parts)), dim3(kThreads),
         sheet_bytes(job.sheet, job.planes), stream_of(args.stream), args, job, int(count));
  launch(add_parts, dim3(blocks_for(count, kThreads)), dim3(kThreads), 0, stream_of(args.stream), args.workspace, parts,
         count, args.weight_grads);
}

}  // namespace recon
