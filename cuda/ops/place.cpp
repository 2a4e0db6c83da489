// A ray's samples, a register of them at a time; rays are independent both ways.
#include "math/place.h"
#include "ops/entry_points.h"
#include "ops/march.h"
#include "ops/pairs.h"

namespace recon::RECON_ISA {

constexpr int64_t kFewRays = 32;  // that a thread takes

struct Middle {
  f32 mid;
  Vec3<f32> y;  // relative to the centre, in radii
};

static Middle middle_of(const PlaceArgs& a, int64_t ray, int64_t at, int64_t left) {
  const float *const o = a.origins + 3 * ray, *const d = a.directions + 3 * ray;
  const f32 mid = 0.5f * (load_up_to(a.t0 + at, left) + load_up_to(a.t1 + at, left));
  const float scale = 1 / a.radius;
  const auto axis = [&](int i) { return (d[i] * mid + (o[i] - a.center[i])) * scale; };
  return {mid, {axis(0), axis(1), axis(2)}};
}

static void place_ray(const PlaceArgs& a, int64_t ray) {
  for (int64_t at = a.offsets[ray]; at < a.offsets[ray + 1]; at += kLanes) {
    const int64_t left = a.offsets[ray + 1] - at;
    const Middle m = middle_of(a, ray, at, left);
    const InCube<f32> in = in_cube(m.y, a.contract);
    store_up_to(a.positions + at, in.position.x, left);
    store_up_to(a.positions + a.n + at, in.position.y, left);
    store_up_to(a.positions + 2 * a.n + at, in.position.z, left);
    if (a.sigmas != nullptr) store_up_to(a.sigmas + at, m.mid * in.shrink * (a.cone_radius[ray] / a.radius), left);
  }
}

static void place_ray_backward(const PlaceArgs& a, int64_t ray) {
  Vec3<f32> origin{}, direction{};
  for (int64_t at = a.offsets[ray]; at < a.offsets[ray + 1]; at += kLanes) {
    const int64_t left = a.offsets[ray + 1] - at;
    const Middle m = middle_of(a, ray, at, left);
    const auto axis = [&](int i) { return load_up_to(a.position_grads + i * a.n + at, left); };  // zeros behind
    Vec3<f32> g = in_cube_vjp(m.y, a.contract, Vec3<f32>{axis(0), axis(1), axis(2)});
    const float scale = 1 / a.radius;
    g = {scale * g.x, scale * g.y, scale * g.z};
    origin = origin + g;
    direction = direction + Vec3<f32>{m.mid * g.x, m.mid * g.y, m.mid * g.z};
  }
  float *const o = a.origin_grads + 3 * ray, *const d = a.direction_grads + 3 * ray;
  o[0] = sum_lanes(origin.x), o[1] = sum_lanes(origin.y), o[2] = sum_lanes(origin.z);
  d[0] = sum_lanes(direction.x), d[1] = sum_lanes(direction.y), d[2] = sum_lanes(direction.z);
}

void place_samples(const PlaceArgs& a) {
#pragma omp parallel for num_threads(a.threads) schedule(static, kFewRays)
  for (int64_t ray = 0; ray < a.ray_count; ++ray) place_ray(a, ray);
}

void place_backward(const PlaceArgs& a) {
#pragma omp parallel for num_threads(a.threads) schedule(static, kFewRays)
  for (int64_t ray = 0; ray < a.ray_count; ++ray) place_ray_backward(a, ray);
}

}  // namespace recon::RECON_ISA
