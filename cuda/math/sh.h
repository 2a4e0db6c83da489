// Real spherical harmonics up to degree 3, in the order and with the signs of 3D Gaussian splatting (Kerbl et al. 2023),
// which are those of Sloan 2013, "Efficient Spherical Harmonic Evaluation", with the Condon-Shortley phase.
#pragma once
#include "math/vec.h"

namespace recon::RECON_ISA {

// Values of the (degree + 1)^2 basis functions for a unit direction.
template <class F>
RECON_HD void sh_basis(int degree, Vec3<F> d, F* b) {
  const F x = d.x, y = d.y, z = d.z;
  b[0] = F{} + 0.28209479177387814f;
  if (degree < 1) return;
  b[1] = -0.48860251190291987f * y;
  b[2] = 0.48860251190291987f * z;
  b[3] = -0.48860251190291987f * x;
  if (degree < 2) return;
  const F xx = x * x, yy = y * y, zz = z * z;
  b[4] = 1.0925484305920792f * x * y;
  b[5] = -1.0925484305920792f * y * z;
  b[6] = 0.9461746957575601f * zz - 0.31539156525252005f;
  b[7] = -1.0925484305920792f * x * z;
  b[8] = 0.5462742152960396f * (xx - yy);
  if (degree < 3) return;
  b[9] = -0.5900435899266435f * y * (3.0f * xx - yy);
  b[10] = 2.890611442640554f * x * y * z;
  b[11] = -0.4570457994644658f * y * (5.0f * zz - 1.0f);
  b[12] = 0.3731763325901154f * z * (5.0f * zz - 3.0f);
  b[13] = -0.4570457994644658f * x * (5.0f * zz - 1.0f);
  b[14] = 1.445305721320277f * z * (xx - yy);
  b[15] = -0.5900435899266435f * x * (xx - 3.0f * yy);
}
// Cotangent of the direction (before normalisation is accounted for), given the cotangents `g` of the basis values.
template <class F>
RECON_HD Vec3<F> sh_basis_vjp(int degree, Vec3<F> d, const F* g) {
  const F x = d.x, y = d.y, z = d.z;
  Vec3<F> out{F{}, F{}, F{}};
  if (degree < 1) return out;
  out = {-0.48860251190291987f * g[3], -0.48860251190291987f * g[1], 0.48860251190291987f * g[2]};
  if (degree < 2) return out;
  const F a = 1.0925484305920792f * g[4], b = -1.0925484305920792f * g[5], c = 2.0f * 0.9461746957575601f * g[6],
          e = -1.0925484305920792f * g[7], f = 2.0f * 0.5462742152960396f * g[8];
  out = out + Vec3<F>{a * y + e * z + f * x, a * x + b * z - f * y, b * y + c * z + e * x};
  if (degree < 3) return out;
  const F xx = x * x, yy = y * y, zz = z * z;
  const F g9 = -0.5900435899266435f * g[9], g10 = 2.890611442640554f * g[10], g11 = -0.4570457994644658f * g[11],
          g12 = 0.3731763325901154f * g[12], g13 = -0.4570457994644658f * g[13], g14 = 1.445305721320277f * g[14],
          g15 = -0.5900435899266435f * g[15];
  return out + Vec3<F>{6.0f * g9 * x * y + g10 * y * z + g13 * (5.0f * zz - 1.0f) + 2.0f * g14 * x * z +
                           3.0f * g15 * (xx - yy),
                       3.0f * g9 * (xx - yy) + g10 * x * z + g11 * (5.0f * zz - 1.0f) - 2.0f * g14 * y * z -
                           6.0f * g15 * x * y,
                       g10 * x * y + 10.0f * g11 * y * z + g12 * (15.0f * zz - 3.0f) + 10.0f * g13 * x * z +
                           g14 * (xx - yy)};
}

}  // namespace recon::RECON_ISA
