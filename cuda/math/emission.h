// Emission and absorption along a ray (Max 1995), samples in order.
#pragma once
#include "math/number.h"

namespace recon::RECON_ISA {

// How much of the light an interval of this optical thickness holds back: 1 - exp(-thickness), exact for thin ones too.
template <class F>
RECON_HD F opacity_of(F thickness) {
  const F thin = thickness * (1.0f - thickness * (0.5f - thickness * (1.0f / 6)));
  return where(lt(thickness, F{} + 0.01f), thin, 1.0f - exp_of(F{} - min_of(thickness, F{} + 80.0f)));
}

}  // namespace recon::RECON_ISA
