// Reading a block's Gaussians into registers, and the view they are seen from.
#pragma once
#include "math/splat.h"
#include "ops/splat.h"

namespace recon::RECON_ISA {

// `planes` points at the first of kLanes Gaussians in a block's first plane.
RECON_HD Gaussian3D<f32> load_gaussian(const float* planes) {
  const auto plane = [planes](int i) { return load(planes + i * kBlock); };
  return {{plane(kMean), plane(kMean + 1), plane(kMean + 2)},
          {plane(kLogScale), plane(kLogScale + 1), plane(kLogScale + 2)},
          {plane(kQuat), plane(kQuat + 1), plane(kQuat + 2), plane(kQuat + 3)},
          plane(kOpacity)};
}

// Unit vector from the camera to a point.
RECON_HD Vec3<f32> direction_to(const CameraView& view, Vec3<f32> mean, f32& inverse_distance) {
  const Vec3<f32> d = {mean.x - view.position.x, mean.y - view.position.y, mean.z - view.position.z};
  inverse_distance = 1.0f / square_root(max_of(dot(d, d), 1e-20f));
  return {d.x * inverse_distance, d.y * inverse_distance, d.z * inverse_distance};
}

static inline CameraView view_of(const Splat& s) {
  CameraView view;
  const float* m = s.cam_from_world;
  for (int row = 0; row < 3; ++row)
    for (int column = 0; column < 3; ++column) view.rotation.m[3 * row + column] = m[4 * row + column];
  view.translation = {m[3], m[7], m[11]};
  const Vec3<float> back = transposed_times(view.rotation, view.translation);
  view.position = {-back.x, -back.y, -back.z};
  view.fx = s.fx, view.fy = s.fy, view.cx = s.cx, view.cy = s.cy;
  const float margin_u = 0.15f * float(s.width) / s.fx, margin_v = 0.15f * float(s.height) / s.fy;
  view.u_min = -s.cx / s.fx - margin_u, view.u_max = (float(s.width) - s.cx) / s.fx + margin_u;
  view.v_min = -s.cy / s.fy - margin_v, view.v_max = (float(s.height) - s.cy) / s.fy + margin_v;
  return view;
}

}  // namespace recon::RECON_ISA
