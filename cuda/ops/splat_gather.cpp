// Stage 4: each Gaussian's pair gradients to gradients of its parameters, and on, where asked, straight through Adam, so
// that the gradients of the parameters never touch memory. Gaussians that no tile took are left alone.
#include "math/adam.h"
#include "math/sh.h"
#include "ops/blocks.h"
#include "ops/entry_points.h"
#include "ops/tiles.h"

namespace recon::RECON_ISA {
namespace {

// Sums over a Gaussian's pairs, one row per lane, then transposed: sums[field][lane].
void sum_pairs(const Splat& s, const SplatGather& d, int64_t first, float sums[kPairGrad][kLanes]) {
  for (int lane = 0; lane < kLanes; ++lane) {
    float row[kPairGrad] = {};
    const int64_t gaussian = first + lane;
    const uint32_t count = s.tile_count[gaussian];
    const float* pair = count == 0 ? nullptr : d.pair_grads + kPairGrad * int64_t(s.slot_start[gaussian]);
    for (uint32_t i = 0; i < count; ++i, pair += kPairGrad)
      for (int field = 0; field < kPairGrad; ++field) row[field] += pair[field];
    for (int field = 0; field < kPairGrad; ++field) sums[field][lane] = row[field];
  }
}

// Where a parameter's gradient goes.
struct Sink {
  const Splat& s;
  const SplatGather& d;
  const AdamStep* steps;
  mask seen;
  int64_t at;  // of lane 0 in plane 0

  RECON_HD void operator()(int plane, f32 gradient) const {
    const int64_t i = at + int64_t(plane) * kBlock;
    if (d.grads != nullptr) {
      store(d.grads + i, where(seen, gradient, f32{}));
      return;
    }
    const f32 p0 = load(d.parameters + i), m0 = load(d.first + i), v0 = load(d.second + i);
    f32 p = p0, m = m0, v = v0;
    adam(p, m, v, gradient, steps[plane]);
    store(d.parameters + i, where(seen, p, p0));
    store(d.first + i, where(seen, m, m0));
    store(d.second + i, where(seen, v, v0));
  }
};

void count_views(const Splat& s, const SplatGather& d, int64_t block, int half, mask seen, f32 gx, f32 gy, f32 radius) {
  float* stats = d.stats + block * 3 * kBlock + half;
  const float longest = float(s.width > s.height ? s.width : s.height);
  const f32 gradient = square_root(gx * gx + gy * gy) * (0.5f * longest);
  store(stats, load(stats) + where(seen, gradient, f32{}));
  store(stats + kBlock, load(stats + kBlock) + where(seen, all_lanes(1.0f), f32{}));
  const f32 largest = load(stats + 2 * kBlock);
  store(stats + 2 * kBlock, where(seen, max_of(largest, radius * (1.0f / longest)), largest));
}

void gather_lanes(const Splat& s, const SplatGather& d, const CameraView& view, const AdamStep* steps, int64_t block,
                  int half, double* pose) {
  const int64_t first = block * kBlock + half;
  float counts[kLanes];
  bool any = false;
  for (int lane = 0; lane < kLanes; ++lane) {
    counts[lane] = s.tile_count[first + lane] != 0 ? 1.0f : 0.0f;
    any |= counts[lane] != 0;
  }
  const int64_t at = block * s.planes * kBlock + half;
  if (!any) {
    if (d.grads != nullptr)
      for (int plane = 0; plane < s.planes; ++plane) store(d.grads + at + plane * kBlock, f32{});
    return;
  }
  const mask seen = ge(load(counts), 0.5f);
  float sums[kPairGrad][kLanes];
  sum_pairs(s, d, first, sums);
  float clamped[kLanes], radius[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    const float* record = s.records + (first + lane) * kRecord;
    clamped[lane] = counts[lane] != 0 ? record[kClamped] : 0.0f;
    radius[lane] = counts[lane] != 0 ? max_of(record[kRadiusX], record[kRadiusY]) : 0.0f;
  }

  const Gaussian3D<f32> g = load_gaussian(s.blocks + at);
  const Projection<f32> k = project_axes(view, g);
  const Gaussian2D<f32> flat = project_gaussian(view, s.antialiased, g, k);

  // Moments to cotangents of the 2D Gaussian: exponent = -(a dx^2 + c dy^2) / 2 - b dx dy.
  const f32 mx = load(sums[kVx]), my = load(sums[kVy]);
  const Gaussian2DGrad<f32> cotangent = {flat.a * mx + flat.b * my, flat.b * mx + flat.c * my, load(sums[kDdepth]),
                                         -0.5f * load(sums[kVxx]), -load(sums[kVxy]), -0.5f * load(sums[kVyy]),
                                         load(sums[kV])};
  CameraGrad<f32> camera;
  Gaussian3D<f32> out = project_gaussian_vjp(view, s.antialiased, g, k, cotangent, camera);

  // Colour: 0.5 + sum of coefficient times basis, no gradient where it was clamped at zero.
  Vec3<f32> towards;
  f32 inverse_distance, basis[16], g_basis[16], g_rgb[3];
  towards = direction_to(view, g.mean, inverse_distance);
  sh_basis(s.sh_degree, towards, basis);
  const i32 clamped_bits = bits_of(load(clamped));
  for (int channel = 0; channel < 3; ++channel) {
    const i32 free = (clamped_bits & (1 << channel)) == 0;
    g_rgb[channel] = bits_of(bits_of(load(sums[kDr + channel])) & free);
  }
  const int coefficients = (s.sh_degree + 1) * (s.sh_degree + 1);
  for (int i = 0; i < coefficients; ++i) {
    const float* sh = s.blocks + at + (kSh + 3 * i) * kBlock;
    g_basis[i] = g_rgb[0] * load(sh) + g_rgb[1] * load(sh + kBlock) + g_rgb[2] * load(sh + 2 * kBlock);
  }
  Vec3<f32> g_towards = sh_basis_vjp(s.sh_degree, towards, g_basis);
  const f32 radial = dot(g_towards, towards);
  const Vec3<f32> g_offset = {(g_towards.x - radial * towards.x) * inverse_distance,
                              (g_towards.y - radial * towards.y) * inverse_distance,
                              (g_towards.z - radial * towards.z) * inverse_distance};
  out.mean = out.mean + g_offset;

  if (d.opacity_pull != 0.0f) {
    const f32 opacity = 1.0f / inverse_opacity(g.opacity_logit);
    out.opacity_logit += d.opacity_pull * opacity * (1.0f - opacity);
  }
  if (d.scale_pull != 0.0f) {
    out.log_scale.x += d.scale_pull * k.s0;
    out.log_scale.y += d.scale_pull * k.s1;
    out.log_scale.z += d.scale_pull * k.s2;
  }

  const Sink sink = {s, d, steps, seen, at};
  sink(kMean, out.mean.x), sink(kMean + 1, out.mean.y), sink(kMean + 2, out.mean.z);
  sink(kLogScale, out.log_scale.x), sink(kLogScale + 1, out.log_scale.y), sink(kLogScale + 2, out.log_scale.z);
  sink(kQuat, out.quat.w), sink(kQuat + 1, out.quat.x), sink(kQuat + 2, out.quat.y), sink(kQuat + 3, out.quat.z);
  sink(kOpacity, out.opacity_logit);
  for (int i = 0; i < coefficients; ++i)
    for (int channel = 0; channel < 3; ++channel) sink(kSh + 3 * i + channel, basis[i] * g_rgb[channel]);
  if (d.grads != nullptr)
    for (int plane = kSh + 3 * coefficients; plane < s.planes; ++plane) store(d.grads + at + plane * kBlock, f32{});

  if (d.stats != nullptr)
    count_views(s, d, block, half, seen, load(sums[kAbsX]) * kLn2, load(sums[kAbsY]) * kLn2, load(radius));
  const f32 partial[15] = {camera.rotation[0], camera.rotation[1], camera.rotation[2], camera.rotation[3],
                           camera.rotation[4], camera.rotation[5], camera.rotation[6], camera.rotation[7],
                           camera.rotation[8], camera.translation.x, camera.translation.y, camera.translation.z,
                           -g_offset.x, -g_offset.y, -g_offset.z};
  for (int i = 0; i < 15; ++i) pose[i] += double(sum_lanes(where(seen, partial[i], f32{})));
}

}  // namespace

void splat_gather(const Splat& s, const SplatGather& d) {
  const CameraView view = view_of(s);
  AdamStep steps[kSh + 3 * 16];
  if (d.grads == nullptr)
    for (int plane = 0; plane < s.planes; ++plane) steps[plane] = adam_at(d.step, d.learning_rates[plane], d.beta1, d.beta2, d.epsilon);
#pragma omp parallel for schedule(dynamic, 16)
  for (int64_t block = 0; block < s.block_count; ++block) {
    double* pose = d.pose_partials + 15 * block;
    for (int i = 0; i < 15; ++i) pose[i] = 0;
    for (int half = 0; half < kBlock; half += kLanes) gather_lanes(s, d, view, steps, block, half, pose);
  }
}

}  // namespace recon::RECON_ISA
