// The view that Gaussians are seen from, as the math wants it.
#pragma once
#include "math/splat.h"
#include "ops/splat.h"

namespace recon::RECON_ISA {

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
