// Reading a block's Gaussians into registers.
#pragma once
#include "ops/view.h"

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

}  // namespace recon::RECON_ISA
