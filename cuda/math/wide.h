// Sixteen floats side by side on every processor: a register with AVX-512, two of eight otherwise. Two keep a core's units
// busy where one waits for itself, and what is said of all sixteen is worked out once.
#pragma once
#include "math/number.h"

namespace recon::RECON_ISA {

constexpr int kWide = 16;
constexpr int kParts = kWide / kLanes;  // registers

#if RECON_LANES == 16

typedef f32 f32x16;
typedef mask mask16;
RECON_HD f32x16 load_wide(const float* from) { return load(from); }
RECON_HD f32x16 all_wide(float a) { return all_lanes(a); }
RECON_HD f32 part_of(const f32x16& a, int) { return a; }
RECON_HD f32& part_of(f32x16& a, int) { return a; }
// Adds a product's lanes to fewer lanes, whose sum is wanted in the end.
RECON_HD void add_product(f32& sum, f32x16 a, f32x16 b) { sum += a * b; }

#else

struct mask16 {
  mask low, high;
};
struct f32x16 {
  f32 low, high;
};
RECON_HD f32x16 load_wide(const float* from) { return {load(from), load(from + kLanes)}; }
RECON_HD void store(float* to, f32x16 v) { store(to, v.low), store(to + kLanes, v.high); }
RECON_HD f32x16 all_wide(float a) { return {all_lanes(a), all_lanes(a)}; }
RECON_HD f32 part_of(const f32x16& a, int part) { return part == 0 ? a.low : a.high; }
RECON_HD f32& part_of(f32x16& a, int part) { return part == 0 ? a.low : a.high; }
RECON_HD void add_product(f32& sum, f32x16 a, f32x16 b) {
  sum += a.low * b.low;
  sum += a.high * b.high;
}

RECON_HD f32x16 operator+(f32x16 a, f32x16 b) { return {a.low + b.low, a.high + b.high}; }
RECON_HD f32x16 operator-(f32x16 a, f32x16 b) { return {a.low - b.low, a.high - b.high}; }
RECON_HD f32x16 operator*(f32x16 a, f32x16 b) { return {a.low * b.low, a.high * b.high}; }
RECON_HD f32x16 operator+(f32x16 a, f32 b) { return {a.low + b, a.high + b}; }
RECON_HD f32x16 operator+(f32x16 a, float b) { return {a.low + b, a.high + b}; }
RECON_HD f32x16 operator-(f32x16 a, float b) { return {a.low - b, a.high - b}; }
RECON_HD f32x16 operator*(f32x16 a, float b) { return {a.low * b, a.high * b}; }
RECON_HD f32x16 operator-(float a, f32x16 b) { return {a - b.low, a - b.high}; }
RECON_HD f32x16 operator*(float a, f32x16 b) { return b * a; }
RECON_HD f32x16& operator+=(f32x16& a, f32x16 b) { return a = a + b; }
RECON_HD f32x16& operator-=(f32x16& a, f32x16 b) { return a = a - b; }

RECON_HD mask16 lt(f32x16 a, f32x16 b) { return {lt(a.low, b.low), lt(a.high, b.high)}; }
RECON_HD mask16 lt(f32x16 a, float b) { return {lt(a.low, b), lt(a.high, b)}; }
RECON_HD mask16 ge(f32x16 a, float b) { return {ge(a.low, b), ge(a.high, b)}; }
RECON_HD mask16 both(mask16 a, mask16 b) { return {both(a.low, b.low), both(a.high, b.high)}; }
RECON_HD uint32_t lanes_of(mask16 m) { return lanes_of(m.low) | lanes_of(m.high) << kLanes; }
RECON_HD f32x16 where(mask16 m, f32x16 yes, f32x16 no) {
  return {where(m.low, yes.low, no.low), where(m.high, yes.high, no.high)};
}
RECON_HD f32x16 where(mask16 m, float yes, f32x16 no) {
  return {where(m.low, yes, no.low), where(m.high, yes, no.high)};
}
RECON_HD f32x16 min_of(f32x16 a, float b) { return {min_of(a.low, b), min_of(a.high, b)}; }
RECON_HD f32x16 exp2_of(f32x16 a) { return {exp2_of(a.low), exp2_of(a.high)}; }

#endif

}  // namespace recon::RECON_ISA
