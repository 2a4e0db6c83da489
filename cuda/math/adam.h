// One step of Adam (Kingma & Ba 2015, algorithm 1), with the bias corrections folded into two factors.
#pragma once
#include "math/number.h"

namespace recon::RECON_ISA {

// What is the same for all parameters with one learning rate, at one step.
struct AdamStep {
  float rate;                 // learning rate / (1 - beta1^step)
  float gain1, gain2;         // 1 - beta1, 1 - beta2: taken in double, for 1 - 0.999f is off by 1e-5
  float inverse_root_debias;  // 1 / sqrt(1 - beta2^step)
  float epsilon;
};

// `step` counts from 1.
RECON_HD AdamStep adam_at(int64_t step, double learning_rate, double beta1, double beta2, double epsilon) {
  return {float(learning_rate / (1.0 - pow(beta1, double(step)))), float(1.0 - beta1), float(1.0 - beta2),
          float(1.0 / sqrt(1.0 - pow(beta2, double(step)))), float(epsilon)};
}

// Moves the parameter `p` and its moments `m`, `v` by the gradient `g`.
template <class F>
RECON_HD void adam(F& p, F& m, F& v, F g, const AdamStep& s) {
  m = m + s.gain1 * (g - m);
  v = v + s.gain2 * (g * g - v);
  p = p - s.rate * m / (square_root(v) * s.inverse_root_debias + s.epsilon);
}

}  // namespace recon::RECON_ISA
