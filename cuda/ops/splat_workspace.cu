// Where everything of one view lies in its workspace, and the stages in their order.
#include "ops/splat_workspace.h"

#include "ops/shelf.h"

namespace recon {
namespace {

using namespace simt;

__global__ void put(SplatInputs value, SplatInputs* to) {
  if (threadIdx.x == 0) to->view = value.view;
  if (threadIdx.x == 0) to->opacity_pull = value.opacity_pull, to->scale_pull = value.scale_pull, to->step = value.step;
  if (threadIdx.x < kMaxAdamPlanes) to->adam[threadIdx.x] = value.adam[threadIdx.x];
}

__global__ void read_seen(SplatDevice s, bool* seen) {
  const int64_t gaussian = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (gaussian < s.gaussians) seen[gaussian] = s.tile_count[gaussian] != 0;
}

}  // namespace

SplatDevice lay_out(const SplatJob& job, size_t* bytes) {
  const Splat& v = job.view;
  SplatDevice s{};
  s.width = v.width, s.height = v.height, s.planes = v.planes, s.sh_degree = v.sh_degree, s.antialiased = v.antialiased;
  s.tiles_x = (v.width + kTile - 1) / kTile, s.tiles_y = (v.height + kTile - 1) / kTile;
  s.gaussians = v.block_count * kBlock;
  s.limits = {job.seen_limit < s.gaussians ? job.seen_limit : s.gaussians, job.pair_limit};
  s.blocks = v.blocks, s.rgb = v.rgb, s.alpha = v.alpha, s.depth = v.depth, s.median = v.median;
  const int64_t tiles = int64_t(s.tiles_x) * s.tiles_y, segments = segment_limit(s);

  Shelf shelf(job.workspace);
  s.counts = shelf.take<SplatCounts>(1);
  s.inputs = shelf.take<SplatInputs>(1);
  s.records = shelf.take<float4>(s.gaussians * (kRecord / 4));
  s.rects = shelf.take<ushort4>(s.gaussians);
  s.tile_mask = shelf.take<uint32_t>(s.gaussians);
  s.tile_count = shelf.take<uint32_t>(s.gaussians);
  s.slot_start = shelf.take<uint32_t>(s.gaussians);
  s.order[0] = shelf.take<uint32_t>(s.gaussians);  // whatever the limit, all that are seen are found
  s.order[1] = shelf.take<uint32_t>(s.limits.seen);
  for (uint32_t*& depths : s.depths) depths = shelf.take<uint32_t>(s.limits.seen);
  s.rank_count = shelf.take<uint32_t>(s.limits.seen);
  s.rank_start = shelf.take<uint32_t>(s.limits.seen);
  for (uint32_t*& keys : s.tiles) keys = shelf.take<uint32_t>(s.limits.pairs);
  for (uint32_t*& slots : s.slots) slots = shelf.take<uint32_t>(s.limits.pairs);
  s.slot_gaussian = shelf.take<uint32_t>(s.limits.pairs);
  s.pair_gaussian = shelf.take<uint32_t>(s.limits.pairs);
  s.ranges = shelf.take<uint2>(tiles);
  s.tile_done = shelf.take<uint32_t>(tiles);
  s.segment_tile = shelf.take<int>(segments);
  if (job.backward) {
    s.pair_grads = shelf.take<float4>(s.limits.pairs * (kPairGrad / 4));
    s.checkpoints = shelf.take<float4>(segments * kTilePixels);
    if (v.depth != nullptr) s.depth_checkpoints = shelf.take<float>(segments * kTilePixels);
    s.pose_partials = shelf.take<double>((s.gaussians + kWarp - 1) / kWarp * kPoseSums);
  }
  s.sort_scratch = shelf.rest();
  if (bytes != nullptr) *bytes = shelf.used() + order_library_bytes(s) + kGuardBytes;
  return s;
}

size_t cuda_splat_bytes(const SplatJob& job) {
  size_t bytes = 0;
  lay_out(job, &bytes);
  return bytes;
}

void cuda_splat_inputs(const SplatJob& job, const SplatUpdate& update) {
  SplatInputs inputs{};
  inputs.view = RECON_ISA::view_of(job.view);
  inputs.opacity_pull = update.opacity_pull, inputs.scale_pull = update.scale_pull;
  inputs.step = uint32_t(update.step);
  for (int plane = 0; update.learning_rates != nullptr && plane < job.view.planes; ++plane)
    inputs.adam[plane] =
        RECON_ISA::adam_at(update.step, update.learning_rates[plane], update.beta1, update.beta2, update.epsilon);
  launch(put, dim3(1), dim3(kMaxAdamPlanes), 0, stream_of(job.stream), inputs, lay_out(job).inputs);
}

void cuda_splat_picture(const SplatJob& job) {
  const SplatDevice s = lay_out(job);
  cuda_splat_order(s, stream_of(job.stream));
  cuda_splat_blend(s, stream_of(job.stream));
}

void cuda_splat_backward(const SplatJob& job, const SplatGradients& d) {
  const SplatDevice s = lay_out(job);
  cuda_splat_blend_backward(s, d, stream_of(job.stream));
  cuda_splat_gather(s, d, stream_of(job.stream));
}

void cuda_splat_seen(const SplatJob& job, bool* seen) {
  const SplatDevice s = lay_out(job);
  launch(read_seen, dim3(blocks_for(s.gaussians, 256)), dim3(256), 0, stream_of(job.stream), s, seen);
}

}  // namespace recon
