// Small vectors, row-major 3x3 matrices, and unit quaternions.
#pragma once
#include "math/number.h"

namespace recon::RECON_ISA {

template <class F>
struct Vec3 {
  F x, y, z;
};

template <class F>
RECON_HD Vec3<F> operator+(Vec3<F> a, Vec3<F> b) {
  return {a.x + b.x, a.y + b.y, a.z + b.z};
}
template <class F>
RECON_HD F dot(Vec3<F> a, Vec3<F> b) {
  return a.x * b.x + a.y * b.y + a.z * b.z;
}

// Row-major: m[3 * row + column]. Matrices of the camera are plain floats, those of Gaussians are F.
template <class F>
struct Mat3 {
  F m[9];
};

template <class F, class G>
RECON_HD Vec3<F> operator*(const Mat3<G>& a, Vec3<F> v) {
  return {a.m[0] * v.x + a.m[1] * v.y + a.m[2] * v.z, a.m[3] * v.x + a.m[4] * v.y + a.m[5] * v.z,
          a.m[6] * v.x + a.m[7] * v.y + a.m[8] * v.z};
}
template <class F, class G>
RECON_HD Vec3<F> transposed_times(const Mat3<G>& a, Vec3<F> v) {
  return {a.m[0] * v.x + a.m[3] * v.y + a.m[6] * v.z, a.m[1] * v.x + a.m[4] * v.y + a.m[7] * v.z,
          a.m[2] * v.x + a.m[5] * v.y + a.m[8] * v.z};
}

template <class F>
struct Quat {
  F w, x, y, z;
};

template <class F>
RECON_HD F inverse_norm(Quat<F> q) {
  return 1.0f / square_root(max_of(q.w * q.w + q.x * q.x + q.y * q.y + q.z * q.z, 1e-24f));
}

// Rotation of the normalised quaternion.
template <class F>
RECON_HD Mat3<F> rotation_of(Quat<F> q) {
  const F n = inverse_norm(q);
  const F w = q.w * n, x = q.x * n, y = q.y * n, z = q.z * n;
  return {{1.0f - 2.0f * (y * y + z * z), 2.0f * (x * y - w * z), 2.0f * (x * z + w * y),  //
           2.0f * (x * y + w * z), 1.0f - 2.0f * (x * x + z * z), 2.0f * (y * z - w * x),  //
           2.0f * (x * z - w * y), 2.0f * (y * z + w * x), 1.0f - 2.0f * (x * x + y * y)}};
}
// Cotangent of the quaternion as stored, given the cotangent `g` of the rotation; it is orthogonal to q.
template <class F>
RECON_HD Quat<F> rotation_of_vjp(Quat<F> q, const Mat3<F>& g) {
  const F n = inverse_norm(q);
  const F w = q.w * n, x = q.x * n, y = q.y * n, z = q.z * n;
  const F* m = g.m;
  const F gw = 2.0f * (x * (m[7] - m[5]) + y * (m[2] - m[6]) + z * (m[3] - m[1]));
  const F gx = 2.0f * (-2.0f * x * (m[4] + m[8]) + y * (m[1] + m[3]) + z * (m[2] + m[6]) + w * (m[7] - m[5]));
  const F gy = 2.0f * (x * (m[1] + m[3]) - 2.0f * y * (m[0] + m[8]) + z * (m[5] + m[7]) + w * (m[2] - m[6]));
  const F gz = 2.0f * (x * (m[2] + m[6]) + y * (m[5] + m[7]) - 2.0f * z * (m[0] + m[4]) + w * (m[3] - m[1]));
  const F radial = gw * w + gx * x + gy * y + gz * z;
  return {(gw - radial * w) * n, (gx - radial * x) * n, (gy - radial * y) * n, (gz - radial * z) * n};
}

}  // namespace recon::RECON_ISA
