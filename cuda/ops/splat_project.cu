// Stage 1 on CUDA: a thread a Gaussian. Blocks of 16 make half a warp read one 64-byte line a plane.
#include "math/sh.h"
#include "ops/splat_tiles.h"
#include "ops/splat_workspace.h"

namespace recon {
namespace {

using namespace simt;
using namespace RECON_ISA;

constexpr int kThreads = 128;

// Colour towards the camera, not below zero; bit c of the result: channel c was.
RECON_DEVICE int colour_of(const SplatDevice& s, const CameraView& view, Vec3<float> mean, const float* at, float* rgb) {
  float inverse_distance, basis[16] = {};
  sh_basis(s.sh_degree, direction_to(view, mean, inverse_distance), basis);
  const int coefficients = (s.sh_degree + 1) * (s.sh_degree + 1);
  for (int channel = 0; channel < 3; ++channel) rgb[channel] = 0.5f;
#pragma unroll
  for (int i = 0; i < 16; ++i) {
    if (i >= coefficients) continue;
    for (int channel = 0; channel < 3; ++channel) rgb[channel] += basis[i] * at[(kSh + 3 * i + channel) * kBlock];
  }
  int clamped = 0;
  for (int channel = 0; channel < 3; ++channel) {
    clamped |= int(rgb[channel] < 0.0f) << channel;
    rgb[channel] = max_of(rgb[channel], 0.0f);
  }
  return clamped;
}

// The shape's part of the record; false where no pixel centre is in its box.
RECON_DEVICE bool shape_of(const SplatDevice& s, const CameraView& view, const Gaussian3D<float>& g, float* record, TileRect& rect) {
  const Gaussian2D<float> flat = project_gaussian(view, s.antialiased, g, project_axes(view, g));
  record[kX] = flat.x, record[kRestX] = flat.x_rest, record[kRadiusX] = flat.radius_x;
  record[kY] = flat.y, record[kRestY] = flat.y_rest, record[kRadiusY] = flat.radius_y;
  record[kA] = flat.a * (-0.5f * kLog2E), record[kB] = flat.b * -kLog2E, record[kC] = flat.c * (-0.5f * kLog2E);
  record[kO] = flat.log2_opacity;
  record[kDepth] = flat.depth;
  return flat.seen && tiles_in_box(record, s.width, s.height, rect);
}

__global__ __launch_bounds__(kThreads) void project(SplatDevice s) {
  const int64_t gaussian = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  const CameraView& view = s.inputs->view;
  float record[kRecord] = {};
  TileRect rect{0, 0, -1, -1};
  bool in_box = false;
  const float* at = s.blocks;
  Gaussian3D<float> g{};
  if (gaussian < s.gaussians) {
    at += first_plane(s, gaussian);
    g = load_gaussian(at);
    in_box = shape_of(s, view, g, record, rect);
  }
  const bool large = in_box && rect.columns() * rect.rows() > kMaskedTiles;
  uint32_t mask = 0;
  if (in_box && !large) mask = touched_mask(record, rect);
  uint32_t count = uint32_t(__popc(mask));
  for (unsigned left = ballot(kFullWarp, large); left != 0; left &= left - 1) {
    const int owner = __ffs(int(left)) - 1;
    const uint32_t its = for_each_tile_of_lane(owner, record, rect, s.tiles_x, [](int, uint32_t) {});
    if (lane() == owner) count = its;
  }

  if (gaussian < s.gaussians) s.tile_count[gaussian] = count;
  if (count > 0) {
    float rgb[3];
    const int clamped = colour_of(s, view, g.mean, at, rgb);
    float4* out = s.records + gaussian * (kRecord / 4);
    out[0] = make_float4(record[kX], record[kY], record[kA], record[kB]);
    out[1] = make_float4(record[kC], record[kO], rgb[0], rgb[1]);
    out[2] = make_float4(rgb[2], record[kDepth], record[kRadiusX], record[kRadiusY]);
    out[3] = make_float4(__int_as_float(clamped), record[kRestX], record[kRestY], 0.0f);
    s.rects[gaussian] = make_ushort4((unsigned short)(rect.x0), (unsigned short)(rect.y0), (unsigned short)(rect.x1),
                                     (unsigned short)(rect.y1));
    s.tile_mask[gaussian] = mask;
  }
  const unsigned seen = ballot(kFullWarp, count > 0);
  if (lane() == 0 && seen != 0) atomic_add(s.counts->seen, (unsigned long long)(__popc(seen)));
  const unsigned long long pairs = warp_sum(kFullWarp, (unsigned long long)(count));
  if (lane() == 0 && pairs > 0) atomic_add(s.counts->pairs, pairs);
}

}  // namespace

void cuda_splat_project(const SplatJob& job) {
  const SplatDevice s = lay_out(job);
  const cudaStream_t stream = stream_of(job.stream);
  set_bytes(s.counts, 0, sizeof(SplatCounts), stream);
  launch(project, dim3(blocks_for(s.gaussians, kThreads)), dim3(kThreads), 0, stream, s);
}

}  // namespace recon
