// Adam's two moments in a byte each.
//
// The second, v, is a logarithm: codes 1..255 are 2^-80 to 2^4.7 in thirds of an octave, so its root, which divides the
// step, is known to 6 %. The first, m, is kept as a share of that root: |m| / sqrt(v) stays below 7.3 for beta 0.9 and 0.999
// (by Cauchy-Schwarz, (1 - beta1) / sqrt((1 - beta2) (1 - beta1^2 / beta2))), and its code is the root of the share, finer
// near zero. Both are rounded at random so that their mean is exact: rounding to nearest would stop v, which moves by a
// thousandth a step. Code 0 is zero. After Dettmers et al. 2022, "8-bit Optimizers via Block-wise Quantization", without
// the blocks: neighbours in a block are Gaussians of very different size, and codes of their own need no common scale.
#pragma once
#include "math/number.h"

namespace recon::RECON_ISA {

constexpr float kSecondSteps = 3.0f, kSecondLowest = -80.0f;  // codes an octave; log2 of code 1
constexpr float kSecondStep = 0.25992105f;                    // 2^(1/3) - 1
constexpr float kFirstLargest = 7.3f;                         // |m| / sqrt(v) at code 127

struct MomentCodes {
  int8_t first;
  uint8_t second;
};
struct MomentPair {
  float first, second;
};

RECON_HD float second_of(int code) {
  return code == 0 ? 0.0f : exp2_of(float(code - 1) * (1.0f / kSecondSteps) + kSecondLowest);
}

RECON_HD MomentPair decode_moments(MomentCodes codes) {
  const float second = second_of(codes.second), root = float(codes.first) * (1.0f / 127);
  return {root * absolute(root) * kFirstLargest * square_root(second), second};
}

// 16 random bits each.
RECON_HD MomentCodes encode_moments(MomentPair m, uint32_t random_first, uint32_t random_second) {
  if (!(m.second > 0.0f)) return {0, 0};
  const float place = min_of(max_of((log2_of(m.second) - kSecondLowest) * kSecondSteps, 0.0f), 254.0f);
  const int below = int(place);
  const float low = second_of(below + 1);
  const float share = (m.second - low) / (low * kSecondStep);  // of the way to the next code
  const bool up = below < 254 && float(random_second) * 0x1p-16f < share;
  const int second = below + 1 + int(up);

  const float ratio = min_of(absolute(m.first) / (square_root(second_of(second)) * kFirstLargest), 1.0f);
  const int root = int(square_root(ratio) * 127.0f);
  const float here = float(root * root), next = float((root + 1) * (root + 1));
  const bool more = root < 127 && float(random_first) * 0x1p-16f < (ratio * (127.0f * 127.0f) - here) / (next - here);
  const int first = root + int(more);
  return {int8_t(m.first < 0.0f ? -first : first), uint8_t(second)};
}

// Random bits of an element at a step: MurmurHash3's last mixing (Appleby 2011) of the two.
RECON_HD uint32_t rounding_bits(uint32_t element, uint32_t step) {
  uint32_t h = element * 0x9E3779B9u + step * 0x85EBCA6Bu + 0x27220A95u;
  h = (h ^ h >> 16) * 0x85EBCA6Bu;
  h = (h ^ h >> 13) * 0xC2B2AE35u;
  return h ^ h >> 16;
}

}  // namespace recon::RECON_ISA
