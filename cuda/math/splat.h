// Projection of a 3D Gaussian to a 2D one: EWA splatting (Zwicker et al. 2001) as in Kerbl et al. 2023, section 4.
//
// The 2D covariance is U U^T with U = J W R S (2x3), so no 3D covariance is ever formed: J the Jacobian of the pinhole
// projection at the centre, W the camera's rotation, R S the Gaussian's axes. Frames: world, camera (+z forward), pixels.
#pragma once
#include "math/twofold.h"
#include "math/vec.h"

namespace recon::RECON_ISA {

constexpr float kNear = 0.01f;          // world units; scenes are scaled so that cameras stand about 1 from their subject
constexpr float kDilation = 0.3f;       // square pixels, the smallest footprint (Kerbl et al. 2023)
constexpr float kMinAlpha = 1 / 255.f;  // below this a Gaussian does not touch a pixel
constexpr float kMaxAlpha = 0.999f;     // keeps 1 / (1 - alpha) finite; no gradient beyond
constexpr float kMinTransmittance = 1e-4f;  // a pixel with less light left takes no more Gaussians
constexpr float kLog2MinAlpha = -7.994353436858858f;
constexpr float kLog2MaxAlpha = -0.0014434169f;

struct CameraView {
  Mat3<float> rotation;  // cam_from_world
  Vec3<float> translation;
  Vec3<float> position;  // in the world
  float fx, fy, cx, cy;
  float u_min, u_max, v_min, v_max;  // the Jacobian is taken no farther out than this: 15 % beyond the image
};

template <class F>
struct Gaussian3D {
  Vec3<F> mean;
  Vec3<F> log_scale;
  Quat<F> quat;
  F opacity_logit;
};

template <class F>
struct Gaussian2D {
  F x, y;              // centre in whole pixels
  F x_rest, y_rest;    // and the rest, within half a pixel
  F depth;             // along z
  F a, b, c;           // inverse covariance: exponent = -(a dx^2 + c dy^2) / 2 - b dx dy
  F log2_opacity;
  F radius_x, radius_y;  // half sides of the box outside of which alpha < kMinAlpha; NaN-free only where `seen`
  Mask<F> seen;          // in front of the camera and opaque enough; the image bounds are not tested here
};

// What forward and backward both need.
template <class F>
struct Projection {
  Vec3<F> p;           // centre in the camera frame
  Twofold<F> px, py, pz;
  F iz, u, v, uc, vc;  // 1/z, x/z, y/z, and the latter two clamped to the view
  Mat3<F> axes;        // R
  F s0, s1, s2;        // scales
  F v0[3], v1[3];      // rows of J W
  F u0[3], u1[3];      // rows of U
  F xx, xy, yy;        // U U^T
  F det0, det;         // determinants without and with dilation
};

template <class F>
RECON_HD Projection<F> project_axes(const CameraView& camera, const Gaussian3D<F>& g) {
  Projection<F> k;
  k.px = precise_dot(camera.rotation.m, g.mean, camera.translation.x);
  k.py = precise_dot(camera.rotation.m + 3, g.mean, camera.translation.y);
  k.pz = precise_dot(camera.rotation.m + 6, g.mean, camera.translation.z);
  k.p = {k.px.high + k.px.low, k.py.high + k.py.low, k.pz.high + k.pz.low};
  k.iz = 1.0f / max_of(k.p.z, F{} + kNear);
  k.u = k.p.x * k.iz;
  k.v = k.p.y * k.iz;
  k.uc = clamp_to(k.u, F{} + camera.u_min, F{} + camera.u_max);
  k.vc = clamp_to(k.v, F{} + camera.v_min, F{} + camera.v_max);
  k.axes = rotation_of(g.quat);
  k.s0 = exp_of(clamp_to(g.log_scale.x, F{} - 30.0f, F{} + 30.0f));
  k.s1 = exp_of(clamp_to(g.log_scale.y, F{} - 30.0f, F{} + 30.0f));
  k.s2 = exp_of(clamp_to(g.log_scale.z, F{} - 30.0f, F{} + 30.0f));
  const float* w = camera.rotation.m;
  const F h0 = camera.fx * k.iz, h1 = camera.fy * k.iz;
  for (int j = 0; j < 3; ++j) {
    k.v0[j] = h0 * (w[j] - k.uc * w[6 + j]);
    k.v1[j] = h1 * (w[3 + j] - k.vc * w[6 + j]);
  }
  const F s[3] = {k.s0, k.s1, k.s2};
  for (int j = 0; j < 3; ++j) {
    k.u0[j] = s[j] * (k.v0[0] * k.axes.m[j] + k.v0[1] * k.axes.m[3 + j] + k.v0[2] * k.axes.m[6 + j]);
    k.u1[j] = s[j] * (k.v1[0] * k.axes.m[j] + k.v1[1] * k.axes.m[3 + j] + k.v1[2] * k.axes.m[6 + j]);
  }
  k.xx = k.u0[0] * k.u0[0] + k.u0[1] * k.u0[1] + k.u0[2] * k.u0[2];
  k.xy = k.u0[0] * k.u1[0] + k.u0[1] * k.u1[1] + k.u0[2] * k.u1[2];
  k.yy = k.u1[0] * k.u1[0] + k.u1[1] * k.u1[1] + k.u1[2] * k.u1[2];
  // |u0 x u1|^2, not xx yy - xy^2: the difference loses every digit for a needle.
  const F n0 = k.u0[1] * k.u1[2] - k.u0[2] * k.u1[1], n1 = k.u0[2] * k.u1[0] - k.u0[0] * k.u1[2],
          n2 = k.u0[0] * k.u1[1] - k.u0[1] * k.u1[0];
  k.det0 = max_of(n0 * n0 + n1 * n1 + n2 * n2, F{} + 1e-30f);
  k.det = k.det0 + kDilation * (k.xx + k.yy) + kDilation * kDilation;
  return k;
}

// 1 + exp(-logit), the reciprocal of the opacity.
template <class F>
RECON_HD F inverse_opacity(F logit) {
  return 1.0f + exp_of(F{} - clamp_to(logit, F{} - 30.0f, F{} + 30.0f));
}

// `antialiased`: the opacity is lowered by as much as dilation spread it, sqrt(det0 / det). Source: Yu et al. 2024,
// Mip-Splatting, equation 9.
template <class F>
RECON_HD Gaussian2D<F> project_gaussian(const CameraView& camera, bool antialiased, const Gaussian3D<F>& g,
                                        const Projection<F>& k) {
  const F xx = k.xx + kDilation, yy = k.yy + kDilation, inverse = 1.0f / k.det;
  Gaussian2D<F> out;
  const Twofold<F> x = times(F{} + camera.fx, quotient(k.px, k.pz)) + Twofold<F>{F{} + camera.cx, F{}};
  const Twofold<F> y = times(F{} + camera.fy, quotient(k.py, k.pz)) + Twofold<F>{F{} + camera.cy, F{}};
  out.x = nearest(x.high), out.x_rest = (x.high - out.x) + x.low;
  out.y = nearest(y.high), out.y_rest = (y.high - out.y) + y.low;
  out.depth = k.p.z;
  out.a = yy * inverse;
  out.b = F{} - k.xy * inverse;
  out.c = xx * inverse;
  out.log2_opacity = F{} - log2_of(inverse_opacity(g.opacity_logit));
  if (antialiased) out.log2_opacity = out.log2_opacity + 0.5f * log2_of(k.det0 * inverse);
  const F reach = 2.0f * kLn2 * (out.log2_opacity - kLog2MinAlpha);  // squared Mahalanobis distance where alpha = 1/255
  out.seen = both(lt(F{} + kNear, k.p.z), lt(F{}, reach));
  const F safe = max_of(reach, F{});
  out.radius_x = square_root(safe * xx);
  out.radius_y = square_root(safe * yy);
  return out;
}

// Cotangents of what `project_gaussian` returns. `log_opacity`: of the natural logarithm of the opacity.
template <class F>
struct Gaussian2DGrad {
  F x, y, depth, a, b, c, log_opacity;
};

// Cotangents of the camera, to be summed over Gaussians.
template <class F>
struct CameraGrad {
  F rotation[9];
  Vec3<F> translation;
};

template <class F>
RECON_HD Gaussian3D<F> project_gaussian_vjp(const CameraView& camera, bool antialiased, const Gaussian3D<F>& g,
                                            const Projection<F>& k, const Gaussian2DGrad<F>& d, CameraGrad<F>& pose) {
  Gaussian3D<F> out;
  out.opacity_logit = d.log_opacity * (1.0f - 1.0f / inverse_opacity(g.opacity_logit));

  // Inverse covariance: dC = -C^-1 dQ C^-1; then the compensation's two determinants.
  const F inverse = 1.0f / k.det, xx = k.xx + kDilation, yy = k.yy + kDilation;
  const F a = yy * inverse, b = F{} - k.xy * inverse, c = xx * inverse;
  F g_xx = F{} - (a * a * d.a + a * b * d.b + b * b * d.c);
  F g_yy = F{} - (b * b * d.a + b * c * d.b + c * c * d.c);
  F g_xy = F{} - (2.0f * a * b * d.a + (a * c + b * b) * d.b + 2.0f * b * c * d.c);
  if (antialiased) {
    const F g0 = 0.5f * d.log_opacity / k.det0, g1 = 0.5f * d.log_opacity * inverse;
    g_xx = g_xx + g0 * k.yy - g1 * yy;
    g_yy = g_yy + g0 * k.xx - g1 * xx;
    g_xy = g_xy - 2.0f * (g0 - g1) * k.xy;
  }

  const F s[3] = {k.s0, k.s1, k.s2};
  F g_v0[3] = {F{}, F{}, F{}}, g_v1[3] = {F{}, F{}, F{}}, g_scale[3];
  Mat3<F> g_axes;
  for (int j = 0; j < 3; ++j) {
    const F g_u0 = 2.0f * g_xx * k.u0[j] + g_xy * k.u1[j], g_u1 = 2.0f * g_yy * k.u1[j] + g_xy * k.u0[j];
    g_scale[j] = g_u0 * k.u0[j] + g_u1 * k.u1[j];
    const F h0 = s[j] * g_u0, h1 = s[j] * g_u1;
    for (int i = 0; i < 3; ++i) {
      g_axes.m[3 * i + j] = k.v0[i] * h0 + k.v1[i] * h1;
      g_v0[i] = g_v0[i] + k.axes.m[3 * i + j] * h0;
      g_v1[i] = g_v1[i] + k.axes.m[3 * i + j] * h1;
    }
  }
  out.log_scale = {g_scale[0], g_scale[1], g_scale[2]};
  out.quat = rotation_of_vjp(g.quat, g_axes);

  // V = J W, row 0: fx / z (w0 - uc w2).
  const float* w = camera.rotation.m;
  const F h0 = camera.fx * k.iz, h1 = camera.fy * k.iz;
  F g_iz = F{}, g_uc = F{}, g_vc = F{};
  for (int j = 0; j < 3; ++j) {
    g_iz = g_iz + camera.fx * g_v0[j] * (w[j] - k.uc * w[6 + j]) + camera.fy * g_v1[j] * (w[3 + j] - k.vc * w[6 + j]);
    g_uc = g_uc - h0 * g_v0[j] * w[6 + j];
    g_vc = g_vc - h1 * g_v1[j] * w[6 + j];
    pose.rotation[j] = h0 * g_v0[j];
    pose.rotation[3 + j] = h1 * g_v1[j];
    pose.rotation[6 + j] = F{} - h0 * k.uc * g_v0[j] - h1 * k.vc * g_v1[j];
  }
  const Mask<F> u_free = both(lt(F{} + camera.u_min, k.u), lt(k.u, F{} + camera.u_max));
  const Mask<F> v_free = both(lt(F{} + camera.v_min, k.v), lt(k.v, F{} + camera.v_max));
  const F g_u = camera.fx * d.x + where(u_free, g_uc, F{}), g_v = camera.fy * d.y + where(v_free, g_vc, F{});
  g_iz = g_iz + g_u * k.p.x + g_v * k.p.y;
  const Vec3<F> g_p = {g_u * k.iz, g_v * k.iz, d.depth - g_iz * k.iz * k.iz};
  out.mean = transposed_times(camera.rotation, g_p);
  const F gp[3] = {g_p.x, g_p.y, g_p.z}, m[3] = {g.mean.x, g.mean.y, g.mean.z};
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) pose.rotation[3 * i + j] = pose.rotation[3 * i + j] + gp[i] * m[j];
  pose.translation = g_p;
  return out;
}

}  // namespace recon::RECON_ISA
