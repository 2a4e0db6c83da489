// The two formulas of 3D Gaussian splatting as Markov chain Monte Carlo (Kheradmand et al. 2024).
#pragma once
#include "math/vec.h"

namespace recon::RECON_ISA {

constexpr float kNoiseSharpness = 100.0f;  // k of eq. 8
constexpr float kNoiseOpacity = 0.005f;    // t of eq. 8: Gaussians more opaque than this hardly move

template <class F>
RECON_HD F sigmoid(F a) {
  return 1.0f / (1.0f + exp_of(-clamp_to(a, F{} - 85.0f, F{} + 85.0f)));
}

// How much a Gaussian of this opacity is shaken: sigmoid(-k (opacity - t)).
template <class F>
RECON_HD F noise_strength(F opacity_logit) {
  return sigmoid(-kNoiseSharpness * (sigmoid(opacity_logit) - kNoiseOpacity));
}

// Covariance times `normal`, R S^2 R^T normal: noise as wide as the Gaussian is, along each of its axes (eq. 8).
template <class F>
RECON_HD Vec3<F> shape_noise(Vec3<F> log_scale, Quat<F> rotation, Vec3<F> normal) {
  const Mat3<F> r = rotation_of(rotation);
  const Vec3<F> local = transposed_times(r, normal);
  const float low = -40.0f, high = 40.0f;
  return r * Vec3<F>{local.x * exp_of(2.0f * clamp_to(log_scale.x, F{} + low, F{} + high)),
                     local.y * exp_of(2.0f * clamp_to(log_scale.y, F{} + low, F{} + high)),
                     local.z * exp_of(2.0f * clamp_to(log_scale.z, F{} + low, F{} + high))};
}

// What each of `copies` Gaussians in one place must be so that together they look like the one they replace (eq. 9):
// its new opacity, and the factor on its scales.
struct Relocation {
  double opacity, scale;
};

// The double sum of eq. 9 over binomials (i - 1, k) is collapsed by sum_i binomial(i - 1, k) = binomial(N, k + 1).
// In double: its terms alternate in sign and grow to 1e5 before they cancel. 0 < opacity < 1.
RECON_HD Relocation relocate(double opacity, int copies) {
  const double shared = -expm1(log1p(-opacity) / copies);
  double binomial = 1, power = -1, sum = 0;
  for (int k = 1; k <= copies; ++k) {
    binomial *= double(copies - k + 1) / k;
    power *= -shared;
    sum += binomial * power / sqrt(double(k));
  }
  return {shared, opacity / sum};
}

}  // namespace recon::RECON_ISA
