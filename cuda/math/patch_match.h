// How alike a patch of one photo and what another photo shows of it are, if the scene is a plane there.
//
// A plane over the picture is its inverse depth w at a pixel's centre and the change of w per pixel across and down: w is
// affine over the picture, and so are the homogeneous coordinates turn (x, y, 1) + shift w in the other photo.
// Sources: Schoenberger et al. 2016 (COLMAP MVS), eq. 4 and 5, for the weights; Xu & Tao 2019 (ACMM), section 3.
#pragma once
#include "math/number.h"

namespace recon::RECON_ISA {

// Whole numbers, as many as F has lanes.
template <class F>
struct WholeOf;
template <>
struct WholeOf<float> {
  using type = int32_t;
};
template <class F>
using Whole = typename WholeOf<F>::type;

RECON_HD int32_t whole_of(float a) { return int32_t(a); }
RECON_HD float number_of(int32_t a) { return float(a); }
template <class T>
RECON_HD T element(const T* from, int32_t at) { return from[at]; }
RECON_HD void put(float* to, int32_t at, float value) { to[at] = value; }

#ifndef RECON_ONE_LANE
template <>
struct WholeOf<f32> {
  using type = i32;
};
RECON_HD i32 whole_of(f32 a) { return __builtin_convertvector(a, i32); }
RECON_HD f32 number_of(i32 a) { return __builtin_convertvector(a, f32); }
RECON_HD i32 element(const int32_t* from, i32 at) {
#if defined(__AVX512F__)
  return (i32)_mm512_i32gather_epi32((__m512i)at, from, 4);
#else  // not the gather instruction: see ops/pairs.h
  i32 out;
  for (int lane = 0; lane < kLanes; ++lane) out[lane] = from[at[lane]];
  return out;
#endif
}
RECON_HD f32 element(const float* from, i32 at) { return bits_of(element(reinterpret_cast<const int32_t*>(from), at)); }
RECON_HD void put(float* to, i32 at, f32 value) {
  for (int lane = 0; lane < kLanes; ++lane) to[at[lane]] = value[lane];
}
#endif

template <class F>
struct LocalPlane {
  F inverse, across, down;

  RECON_HD F at(float dx, float dy) const { return inverse + across * dx + down * dy; }
};

// From a pixel (x, y) with inverse depth w to another picture: (X, Y, Z) = turn (x, y, 1) + shift w, pixel (X, Y) / Z.
struct PixelMap {
  float turn[9], shift[3];
};

constexpr int kMostSamples = 49;
constexpr float kNoise = 2.0f;      // variance of gray levels that is noise: what is flatter has no texture to compare
constexpr float kUnseen = 1.0f;     // cost of what lies outside the other photo or behind it: as if nothing were alike
constexpr float kNearest = 1e-6f;   // least Z that is in front

// The reference side of a patch: levels relative to their weighted mean, weights of sum 1.
template <class F>
struct Patch {
  F level[kMostSamples], weight[kMostSamples];
  F mean, variance;
};

// `colour` and `space` are one over twice the variance of the weights' Gaussians, in levels and pixels.
template <class F>
RECON_HD void read_patch(Patch<F>& patch, const float* gray, int width, int height, Whole<F> x, Whole<F> y, int radius,
                         int step, float colour, float space) {
  const F here = element(gray, y * width + x), fx = number_of(x), fy = number_of(y);
  const F zero = here - here, one = zero + 1.0f;
  F sum = zero, mean = zero;
  int i = 0;
  for (int dy = -radius; dy <= radius; ++dy) {
    for (int dx = -radius; dx <= radius; ++dx, ++i) {
      const float ox = float(dx * step), oy = float(dy * step);
      const F px = clamp_to(fx + ox, zero, zero + float(width - 1)), py = clamp_to(fy + oy, zero, zero + float(height - 1));
      const F level = element(gray, whole_of(py) * width + whole_of(px)), change = level - here;
      const F weight = exp_of(max_of(zero - (change * change * colour + (ox * ox + oy * oy) * space), zero - 30.0f));
      // What lies outside has no weight.
      const F moved = absolute(px - fx - ox) + absolute(py - fy - oy);
      patch.weight[i] = where(lt(moved, one * 0.5f), weight, zero);
      patch.level[i] = level;
      sum = sum + patch.weight[i], mean = mean + patch.weight[i] * level;
    }
  }
  const F scale = 1.0f / sum;
  patch.mean = mean * scale;
  F variance = zero;
  for (int k = 0; k < i; ++k) {
    patch.weight[k] = patch.weight[k] * scale;
    patch.level[k] = patch.level[k] - patch.mean;
    variance = variance + patch.weight[k] * patch.level[k] * patch.level[k];
  }
  patch.variance = variance;
}

// The level between four pixels, whose levels are the bytes of a quad: here, right, below, below right.
template <class F, class I>
RECON_HD F between(I quad, F fx, F fy) {
  const F a = number_of(quad & 0xff), b = number_of((quad >> 8) & 0xff);
  const F c = number_of((quad >> 16) & 0xff), d = number_of((quad >> 24) & 0xff);
  const F top = a + fx * (b - a), bottom = c + fx * (d - c);
  return top + fy * (bottom - top);
}

// One minus the weighted normalised correlation, 0..1, with what `quads` (width x height) shows of the plane.
template <class F>
RECON_HD F unlikeness(const Patch<F>& patch, int radius, int step, LocalPlane<F> plane, F x, F y, const PixelMap& to,
                      const int32_t* quads, int width, int height) {
  const float *t = to.turn, *s = to.shift;
  const F X = t[0] * x + t[1] * y + t[2] + s[0] * plane.inverse, Xa = t[0] + s[0] * plane.across, Xd = t[1] + s[0] * plane.down;
  const F Y = t[3] * x + t[4] * y + t[5] + s[1] * plane.inverse, Ya = t[3] + s[1] * plane.across, Yd = t[4] + s[1] * plane.down;
  const F Z = t[6] * x + t[7] * y + t[8] + s[2] * plane.inverse, Za = t[6] + s[2] * plane.across, Zd = t[7] + s[2] * plane.down;
  const F zero = x - x;
  const F inside_x = X - clamp_to(X, zero, Z * float(width)), inside_y = Y - clamp_to(Y, zero, Z * float(height));
  const Mask<F> seen = both(ge(Z, kNearest), lt(absolute(inside_x) + absolute(inside_y), 1e-30f));
  const F right = zero + (float(width) - 1.001f), bottom = zero + (float(height) - 1.001f);
  F mean = zero, square = zero, common = zero;
  int i = 0;
  for (int dy = -radius; dy <= radius; ++dy) {
    const float oy = float(dy * step);
    for (int dx = -radius; dx <= radius; ++dx, ++i) {
      const float ox = float(dx * step);
      const F ahead = reciprocal(max_of(Z + Za * ox + Zd * oy, zero + kNearest));
      const F u = clamp_to((X + Xa * ox + Xd * oy) * ahead - 0.5f, zero, right);
      const F v = clamp_to((Y + Ya * ox + Yd * oy) * ahead - 0.5f, zero, bottom);
      const Whole<F> column = whole_of(u), row = whole_of(v);
      const F level =
          between(element(quads, row * width + column), u - number_of(column), v - number_of(row)) - patch.mean;
      const F weighted = patch.weight[i] * level;
      mean = mean + weighted, square = square + weighted * level, common = common + weighted * patch.level[i];
    }
  }
  const F variance = max_of(square - mean * mean, zero);
  const F likeness = common / square_root((patch.variance + kNoise) * (variance + kNoise));
  return where(seen, clamp_to(1.0f - likeness, zero, zero + kUnseen), kUnseen);
}

// How many pixels off the way there and back ends, at most `most`, if the other photo's inverse depths are `depths`.
template <class F>
RECON_HD F way_back_error(F inverse, F x, F y, const PixelMap& to, const PixelMap& back, const float* depths, int width,
                          int height, float most) {
  const float *t = to.turn, *s = to.shift;
  const F zero = x - x;
  const F Z = t[6] * x + t[7] * y + t[8] + s[2] * inverse, ahead = reciprocal(max_of(Z, zero + kNearest));
  const F u = (t[0] * x + t[1] * y + t[2] + s[0] * inverse) * ahead, v = (t[3] * x + t[4] * y + t[5] + s[1] * inverse) * ahead;
  const Whole<F> column = whole_of(clamp_to(u, zero, zero + (float(width) - 0.5f)));
  const Whole<F> row = whole_of(clamp_to(v, zero, zero + (float(height) - 0.5f)));
  const F there = element(depths, row * width + column);
  t = back.turn, s = back.shift;
  const F Zb = t[6] * u + t[7] * v + t[8] + s[2] * there, behind = reciprocal(max_of(Zb, zero + kNearest));
  const F dx = (t[0] * u + t[1] * v + t[2] + s[0] * there) * behind - x;
  const F dy = (t[3] * u + t[4] * v + t[5] + s[1] * there) * behind - y;
  const F off = min_of(square_root(dx * dx + dy * dy), zero + most);
  return where(both(both(ge(Z, kNearest), ge(Zb, kNearest)), ge(there, kNearest)), off, zero + most);
}

}  // namespace recon::RECON_ISA
