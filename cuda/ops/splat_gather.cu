// Stage 4 on CUDA: each Gaussian's pair gradients to gradients of its parameters, and on, where asked, straight through
// Adam, so that the gradients of the parameters never touch memory. Gaussians that no tile took are left alone.
#include "math/sh.h"
#include "ops/moments_device.h"
#include "ops/splat_workspace.h"

namespace recon {
namespace {

using namespace simt;
using namespace RECON_ISA;

constexpr int kThreads = 128;
constexpr uint32_t kManyPairs = 16;  // a Gaussian with more is summed by the whole warp

// Where a parameter's gradient goes. `i`: of the parameter, in its plane. The camera's gradient goes with gradients only.
struct ToGradients {
  static constexpr bool kPose = true;
  float* grads;
  RECON_DEVICE bool wanted(const SplatInputs&, const float*) const { return true; }
  RECON_DEVICE void operator()(int, int64_t i, float gradient) const { grads[i] = gradient; }
  RECON_DEVICE void nothing(int64_t i) const { grads[i] = 0.0f; }
};
template <class Moments>
struct ToAdam {
  static constexpr bool kPose = false;
  float* parameters;
  Moments moments;
  const SplatInputs* inputs;
  RECON_DEVICE bool wanted(const SplatInputs&, const float* loss) const {
    return loss == nullptr || absolute(*loss) <= 3e38f;  // false when it is not a number
  }
  RECON_DEVICE void operator()(int plane, int64_t i, float gradient) const {
    adam_element(parameters, moments, i, gradient, inputs->adam[plane], inputs->step);
  }
  RECON_DEVICE void nothing(int64_t) const {}
};

RECON_DEVICE void add_pair(const float4* pair, float* sums) {
#pragma unroll
  for (int part = 0; part < kPairGrad / 4; ++part) {
    const float4 four = pair[part];
    sums[4 * part] += four.x, sums[4 * part + 1] += four.y, sums[4 * part + 2] += four.z, sums[4 * part + 3] += four.w;
  }
}

// Sums over the pairs of each lane's Gaussian. All lanes must come here.
RECON_DEVICE void sum_pairs(const SplatDevice& s, uint32_t count, uint32_t start, float* sums) {
  const bool many = count > kManyPairs;
  for (uint32_t i = 0; i < (many ? 0 : count); ++i) add_pair(s.pair_grads + (int64_t(start) + i) * (kPairGrad / 4), sums);
  for (unsigned left = ballot(kFullWarp, many); left != 0; left &= left - 1) {
    const int owner = __ffs(int(left)) - 1;
    const uint32_t its_count = shuffle(kFullWarp, count, owner), its_start = shuffle(kFullWarp, start, owner);
    float part[kPairGrad] = {};
    for (uint32_t i = uint32_t(lane()); i < its_count; i += kWarp)
      add_pair(s.pair_grads + (int64_t(its_start) + i) * (kPairGrad / 4), part);
#pragma unroll
    for (int field = 0; field < kPairGrad; ++field) {
      const float total = warp_sum(kFullWarp, part[field]);
      if (lane() == owner) sums[field] = total;
    }
  }
}

RECON_DEVICE void count_view(const SplatDevice& s, int64_t gaussian, float* stats, const float* sums, float radius) {
  float* at = stats + gaussian / kBlock * 3 * kBlock + gaussian % kBlock;
  const float longest = float(max(s.width, s.height)), gx = sums[kAbsX] * kLn2, gy = sums[kAbsY] * kLn2;
  at[0] += square_root(gx * gx + gy * gy) * (0.5f * longest);
  at[kBlock] += 1.0f;
  at[2 * kBlock] = max_of(at[2 * kBlock], radius * (1.0f / longest));
}

// One Gaussian, whose pairs are summed: everything to the sink, the camera's cotangents to `pose`.
template <class Sink>
RECON_DEVICE void way_back(const SplatDevice& s, const Sink& sink, int64_t gaussian, const float* sums, float* stats, float* pose) {
  const SplatInputs& in = *s.inputs;
  const CameraView& view = in.view;
  const int64_t first = first_plane(s, gaussian);
  const float* at = s.blocks + first;
  const Gaussian3D<float> g = load_gaussian(at);
  const Projection<float> k = project_axes(view, g);
  const Gaussian2D<float> flat = project_gaussian(view, s.antialiased, g, k);
  // Moments to cotangents of the 2D Gaussian: exponent = -(a dx^2 + c dy^2) / 2 - b dx dy.
  const float mx = sums[kVx], my = sums[kVy];
  const Gaussian2DGrad<float> cotangent = {flat.a * mx + flat.b * my, flat.b * mx + flat.c * my, sums[kDdepth],
                                           -0.5f * sums[kVxx], -sums[kVxy], -0.5f * sums[kVyy], sums[kV]};
  CameraGrad<float> camera;
  Gaussian3D<float> out = project_gaussian_vjp(view, s.antialiased, g, k, cotangent, camera);

  // Colour: 0.5 + sum of coefficient times basis, no gradient where it was clamped at zero.
  const float4* record = s.records + gaussian * (kRecord / 4);
  const int clamped = __float_as_int(record[3].x);
  float inverse_distance, basis[16] = {}, g_basis[16] = {}, g_rgb[3];
  const Vec3<float> towards = direction_to(view, g.mean, inverse_distance);
  sh_basis(s.sh_degree, towards, basis);
  for (int channel = 0; channel < 3; ++channel) g_rgb[channel] = clamped >> channel & 1 ? 0.0f : sums[kDr + channel];
  const int coefficients = (s.sh_degree + 1) * (s.sh_degree + 1);
#pragma unroll
  for (int i = 0; i < 16; ++i) {
    if (i >= coefficients) continue;
    for (int channel = 0; channel < 3; ++channel) {
      const int plane = kSh + 3 * i + channel;
      g_basis[i] += g_rgb[channel] * at[plane * kBlock];
      sink(plane, first + plane * kBlock, basis[i] * g_rgb[channel]);
    }
  }
  for (int plane = kSh + 3 * coefficients; plane < s.planes; ++plane) sink.nothing(first + plane * kBlock);
  const Vec3<float> g_towards = sh_basis_vjp(s.sh_degree, towards, g_basis);
  const float radial = dot(g_towards, towards);
  const Vec3<float> g_offset = {(g_towards.x - radial * towards.x) * inverse_distance,
                                (g_towards.y - radial * towards.y) * inverse_distance,
                                (g_towards.z - radial * towards.z) * inverse_distance};
  out.mean = out.mean + g_offset;

  const float opacity = 1.0f / inverse_opacity(g.opacity_logit);
  out.opacity_logit += in.opacity_pull * opacity * (1.0f - opacity);
  const float shape[kSh] = {out.mean.x, out.mean.y, out.mean.z, out.log_scale.x + in.scale_pull * k.s0,
                            out.log_scale.y + in.scale_pull * k.s1, out.log_scale.z + in.scale_pull * k.s2,
                            out.quat.w, out.quat.x, out.quat.y, out.quat.z, out.opacity_logit};
#pragma unroll
  for (int plane = 0; plane < kSh; ++plane) sink(plane, first + plane * kBlock, shape[plane]);

  if (stats != nullptr) count_view(s, gaussian, stats, sums, max_of(record[2].z, record[2].w));
  for (int i = 0; i < 9; ++i) pose[i] = camera.rotation[i];
  pose[9] = camera.translation.x, pose[10] = camera.translation.y, pose[11] = camera.translation.z;
  pose[12] = -g_offset.x, pose[13] = -g_offset.y, pose[14] = -g_offset.z;
}

template <class Sink>
__global__ __launch_bounds__(kThreads) void gather(SplatDevice s, Sink sink, float* stats, const float* loss) {
  const int64_t gaussian = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  const bool inside = gaussian < s.gaussians;
  const uint32_t count = inside && !too_many(s) && sink.wanted(*s.inputs, loss) ? s.tile_count[gaussian] : 0;
  float sums[kPairGrad] = {}, pose[kPoseSums] = {};
  sum_pairs(s, count, count > 0 ? s.slot_start[gaussian] : 0, sums);
  if (count > 0) way_back(s, sink, gaussian, sums, stats, pose);
  if (count == 0 && inside)
    for (int plane = 0; plane < s.planes; ++plane) sink.nothing(first_plane(s, gaussian) + plane * kBlock);
  if constexpr (Sink::kPose) {
    for (int i = 0; i < kPoseSums; ++i) {
      const double total = warp_sum(kFullWarp, double(pose[i]));
      if (lane() == 0 && inside) s.pose_partials[gaussian / kWarp * kPoseSums + i] = total;
    }
  }
}

// Sums of the camera's cotangents: d/d cam_from_world [3][4], and zeros below.
__global__ __launch_bounds__(kThreads) void camera_gradient(SplatDevice s, float* grad) {
  SHARED_ARRAY(double, scratch, kWarp);
  const int64_t warps = (s.gaussians + kWarp - 1) / kWarp;
  double sums[kPoseSums];
  for (int i = 0; i < kPoseSums; ++i) {
    double mine = 0;
    for (int64_t w = threadIdx.x; w < warps; w += kThreads) mine += s.pose_partials[w * kPoseSums + i];
    sums[i] = block_sum(mine, scratch);
    block_sync();
  }
  if (threadIdx.x != 0) return;
  // The position is -R^T t: its cotangent p gives dR_ij = -t_i p_j and dt = -R p.
  const CameraView& view = s.inputs->view;
  const float t[3] = {view.translation.x, view.translation.y, view.translation.z};
  const double* p = sums + 12;
  for (int i = 0; i < 3; ++i) {
    const float* r = view.rotation.m + 3 * i;
    for (int j = 0; j < 3; ++j) grad[4 * i + j] = float(sums[3 * i + j] - double(t[i]) * p[j]);
    grad[4 * i + 3] = float(sums[9 + i] - (r[0] * p[0] + r[1] * p[1] + r[2] * p[2]));
  }
  for (int j = 0; j < 4; ++j) grad[12 + j] = 0.0f;
}

template <class Sink>
void run(const SplatDevice& s, const SplatGradients& d, const Sink& sink, cudaStream_t stream) {
  launch(gather<Sink>, dim3(blocks_for(s.gaussians, kThreads)), dim3(kThreads), 0, stream, s, sink, d.stats, d.loss);
  if (d.grad_camera != nullptr) launch(camera_gradient, dim3(1), dim3(kThreads), 0, stream, s, d.grad_camera);
}

}  // namespace

void cuda_splat_gather(const SplatDevice& s, const SplatGradients& d, cudaStream_t stream) {
  if (d.grads != nullptr) return run(s, d, ToGradients{d.grads}, stream);
  if (d.coded) {
    const CodedMoments moments = {static_cast<int8_t*>(d.first), static_cast<uint8_t*>(d.second)};
    return run(s, d, ToAdam<CodedMoments>{d.parameters, moments, s.inputs}, stream);
  }
  const FloatMoments moments = {static_cast<float*>(d.first), static_cast<float*>(d.second)};
  run(s, d, ToAdam<FloatMoments>{d.parameters, moments, s.inputs}, stream);
}

}  // namespace recon
