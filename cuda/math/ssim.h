// Structural similarity of two images (Wang et al. 2004, eq. 13) under an 11-tap Gaussian window of deviation 1.5, for
// values in 0..1. Letters: x the image, y the target, blur() the window's weighted mean.
#pragma once
#include "math/number.h"

namespace recon::RECON_ISA {

constexpr int kSsimRadius = 5;
constexpr int kSsimTaps = 2 * kSsimRadius + 1;
// exp(-d^2 / (2 * 1.5^2)) for d = 0..5, over the sum of all eleven. A function, for device code cannot read the array.
constexpr float ssim_tap(int d) {
  return d == 0   ? 0.26601172486179436f
         : d == 1 ? 0.2130055377112537f
         : d == 2 ? 0.10936068950970002f
         : d == 3 ? 0.03600077212843083f
         : d == 4 ? 0.007598758135239185f
                  : 0.00102838008447911f;
}
constexpr float kSsimWindow[kSsimRadius + 1] = {ssim_tap(0), ssim_tap(1), ssim_tap(2),
                                                ssim_tap(3), ssim_tap(4), ssim_tap(5)};
// Images are kept less this. Variances do not change by it, and as differences of means of squares they lose fewer digits.
constexpr float kSsimShift = 0.5f;
constexpr float kSsimC1 = 0.01f * 0.01f, kSsimC2 = 0.03f * 0.03f;

// Window means at one pixel, of shifted images.
template <class F>
struct SsimMeans {
  F x, y;
  F squares;  // blur(x^2 + y^2): SSIM needs only the sum of the two variances
  F product;  // blur(x y)
};

// Derivatives of SSIM at one pixel in those means that depend on x.
template <class F>
struct SsimSlopes {
  F x, squares, product;
};

// SSIM at one pixel, and its slopes.
template <class F>
RECON_HD F ssim_with_slopes(const SsimMeans<F>& m, SsimSlopes<F>& slope) {
  const F x = m.x + kSsimShift, y = m.y + kSsimShift;
  const F luminance = 2.0f * x * y + kSsimC1, luminance_norm = x * x + y * y + kSsimC1;
  const F structure = 2.0f * (m.product - m.x * m.y) + kSsimC2;
  const F structure_norm = m.squares - m.x * m.x - m.y * m.y + kSsimC2;
  const F inverse = 1.0f / (luminance_norm * structure_norm);
  const F value = luminance * structure * inverse;
  slope.product = 2.0f * luminance * inverse;
  slope.squares = -value * inverse * luminance_norm;
  const F through_luminance = 2.0f * (y * structure * inverse - x * value * inverse * structure_norm);
  slope.x = through_luminance - m.y * slope.product - 2.0f * m.x * slope.squares;
  return value;
}

// d(SSIM summed with weights) / dx at one pixel, from the shifted images and the weighted slopes, blurred.
template <class F>
RECON_HD F ssim_vjp(F x, F y, const SsimSlopes<F>& blurred) {
  return blurred.x + 2.0f * x * blurred.squares + y * blurred.product;
}

}  // namespace recon::RECON_ISA
