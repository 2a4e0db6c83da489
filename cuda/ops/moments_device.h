// Where CUDA kernels find Adam's moments: floats, or codes of a byte each.
#pragma once
#include "math/adam.h"
#include "math/moment.h"
#include "simt.h"

namespace recon {

struct FloatMoments {
  float *first, *second;
  RECON_DEVICE RECON_ISA::MomentPair load(int64_t i) const { return {first[i], second[i]}; }
  RECON_DEVICE void store(int64_t i, RECON_ISA::MomentPair m, uint32_t) const { first[i] = m.first, second[i] = m.second; }
};

struct CodedMoments {
  int8_t* first;
  uint8_t* second;
  RECON_DEVICE RECON_ISA::MomentPair load(int64_t i) const { return RECON_ISA::decode_moments({first[i], second[i]}); }
  RECON_DEVICE void store(int64_t i, RECON_ISA::MomentPair m, uint32_t step) const {
    const uint32_t bits = RECON_ISA::rounding_bits(uint32_t(i), step);
    const RECON_ISA::MomentCodes codes = RECON_ISA::encode_moments(m, bits & 0xffffu, bits >> 16);
    first[i] = codes.first, second[i] = codes.second;
  }
};

// Moves one parameter by its gradient.
template <class Moments>
RECON_DEVICE void adam_element(float* parameters, const Moments& moments, int64_t i, float gradient,
                               const RECON_ISA::AdamStep& adam, uint32_t step) {
  RECON_ISA::MomentPair m = moments.load(i);
  float p = parameters[i];
  RECON_ISA::adam(p, m.first, m.second, gradient, adam);
  parameters[i] = p;
  moments.store(i, m, step);
}

}  // namespace recon
