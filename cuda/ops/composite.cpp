// Opacities a register at a time, then the ray's samples one after another: each needs what the last one left.
#include "ops/composite.h"

#include "math/emission.h"
#include "ops/entry_points.h"
#include "ops/pairs.h"

namespace recon::RECON_ISA {

constexpr int64_t kSomeRays = 64;  // that a thread takes

// Calls use(sample, transmittance before, opacity) until the light is used up; returns the sample it stopped at.
template <class Use>
static int64_t walk(const CompositeArgs& a, int64_t ray, const Use& use) {
  const int64_t end = a.offsets[ray + 1];
  float transmittance = 1;
  for (int64_t at = a.offsets[ray]; at < end; at += kLanes) {
    const int64_t left = end - at;
    const f32 width = load_up_to(a.t1 + at, left) - load_up_to(a.t0 + at, left);
    const f32 opacities = opacity_of(load_up_to(a.density + at, left) * width);
    for (int lane = 0; lane < kLanes && lane < left; ++lane) {
      if (transmittance < a.min_transmittance) return at + lane;
      use(at + lane, transmittance, opacities[lane]);
      transmittance *= 1 - opacities[lane];
    }
  }
  return end;
}

static void composite_ray(const CompositeArgs& a, int64_t ray) {
  float red = 0, green = 0, blue = 0, alpha = 0, depth = 0;
  const int64_t stop = walk(a, ray, [&](int64_t at, float transmittance, float opacity) {
    const float weight = transmittance * opacity;
    a.weights[at] = weight;
    red += weight * a.rgb[at], green += weight * a.rgb[a.n + at], blue += weight * a.rgb[2 * a.n + at];
    alpha += weight, depth += weight * 0.5f * (a.t0[at] + a.t1[at]);
  });
  for (int64_t at = stop; at < a.offsets[ray + 1]; ++at) a.weights[at] = 0;
  a.pixels[3 * ray] = red, a.pixels[3 * ray + 1] = green, a.pixels[3 * ray + 2] = blue;
  a.alpha[ray] = alpha, a.depth[ray] = depth;
}

// With q the cotangent of a sample's weight: density moves its own weight, and takes light from all behind it.
static void composite_ray_backward(const CompositeArgs& a, int64_t ray) {
  const float* const g = a.pixel_grads + 3 * ray;
  const int64_t begin = a.offsets[ray], end = a.offsets[ray + 1];
  const int64_t stop = walk(a, ray, [&](int64_t at, float transmittance, float opacity) {
    a.density_grads[at] = transmittance * (1 - opacity);  // what is left behind, for now
  });
  for (int64_t at = stop; at < end; ++at) {
    a.density_grads[at] = a.rgb_grads[at] = a.rgb_grads[a.n + at] = a.rgb_grads[2 * a.n + at] = 0;
  }
  float behind = 0;
  for (int64_t at = stop - 1; at >= begin; --at) {
    const float weight = a.weights[at], mid = 0.5f * (a.t0[at] + a.t1[at]);
    const float q = g[0] * a.rgb[at] + g[1] * a.rgb[a.n + at] + g[2] * a.rgb[2 * a.n + at] + a.alpha_grads[ray] +
                    a.depth_grads[ray] * mid + a.weight_grads[at];
    a.density_grads[at] = (a.t1[at] - a.t0[at]) * (a.density_grads[at] * q - behind);
    for (int i = 0; i < 3; ++i) a.rgb_grads[i * a.n + at] = weight * g[i];
    behind += weight * q;
  }
}

void composite(const CompositeArgs& a) {
#pragma omp parallel for num_threads(a.threads) schedule(dynamic, kSomeRays)
  for (int64_t ray = 0; ray < a.ray_count; ++ray) composite_ray(a, ray);
}

void composite_backward(const CompositeArgs& a) {
#pragma omp parallel for num_threads(a.threads) schedule(dynamic, kSomeRays)
  for (int64_t ray = 0; ray < a.ray_count; ++ray) composite_ray_backward(a, ray);
}

// Weights and weighted distances of the samples on one side.
struct Side {
  double weight = 0, moment = 0;
  void add(double w, double mid) { weight += w, moment += w * mid; }
};

static void distortion_ray(const DistortionArgs& a, int64_t ray) {
  Side before;
  double sum = 0;
  for (int64_t at = a.offsets[ray]; at < a.offsets[ray + 1]; ++at) {
    const double w = double(a.weights[at]), mid = 0.5 * (double(a.t0[at]) + double(a.t1[at]));
    sum += 2 * w * (mid * before.weight - before.moment) + w * w * double(a.t1[at] - a.t0[at]) / 3;
    before.add(w, mid);
  }
  a.distortion[ray] = float(a.scale * sum);
}

static void distortion_ray_backward(const DistortionArgs& a, int64_t ray) {
  Side before, behind;
  const auto mid_of = [&](int64_t at) { return 0.5 * (double(a.t0[at]) + double(a.t1[at])); };
  for (int64_t at = a.offsets[ray]; at < a.offsets[ray + 1]; ++at) behind.add(double(a.weights[at]), mid_of(at));
  const double g = double(a.grads[ray]) * double(a.scale);
  for (int64_t at = a.offsets[ray]; at < a.offsets[ray + 1]; ++at) {
    const double w = double(a.weights[at]), mid = mid_of(at);
    behind.add(-w, mid);
    const double pairs = mid * before.weight - before.moment + behind.moment - mid * behind.weight;
    a.weight_grads[at] = float(g * (2 * pairs + 2.0 / 3 * w * double(a.t1[at] - a.t0[at])));
    before.add(w, mid);
  }
}

void distortion(const DistortionArgs& a) {
#pragma omp parallel for num_threads(a.threads) schedule(static)
  for (int64_t ray = 0; ray < a.ray_count; ++ray) distortion_ray(a, ray);
}

void distortion_backward(const DistortionArgs& a) {
#pragma omp parallel for num_threads(a.threads) schedule(static)
  for (int64_t ray = 0; ray < a.ray_count; ++ray) distortion_ray_backward(a, ray);
}

}  // namespace recon::RECON_ISA
