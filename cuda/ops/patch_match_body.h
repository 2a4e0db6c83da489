// What PatchMatch does at a pixel, or a register of them. Pixels of one colour of a checkerboard read those of the other,
// so the order in which they come changes nothing.
#pragma once
#include "math/patch_match.h"
#include "math/philox.h"
#include "ops/patch_match.h"

#ifdef __CUDACC__
#define RECON_CALLED __host__ __device__ __noinline__
#else
#define RECON_CALLED __attribute__((noinline))
#endif

namespace recon::RECON_ISA {

constexpr int kMostBest = 4;
constexpr float kSteepest = 4.0f;     // slope of a plane, in units of its distance: 76 degrees
constexpr float kFreshSlope = 1.5f;   // of planes from nowhere

RECON_HD uint32_t unsigned_of(int32_t a) { return uint32_t(a); }
#ifndef RECON_ONE_LANE
RECON_HD u32 unsigned_of(i32 a) { return (u32)a; }
#endif

template <class U>
RECON_HD Random4<U> draw(U pixel, const MatchArgs& a, uint32_t round) {
  const U zero = pixel ^ pixel;
  return philox<U>({pixel, zero + a.sweep, zero + round, zero}, a.seed, 0);
}

template <class F>
struct Matcher {
  const MatchArgs& a;
  Whole<F> column, row;
  F x, y;  // of the pixels' centres
  Patch<F> patch;

  RECON_HD Matcher(const MatchArgs& args, Whole<F> column, Whole<F> row)
      : a(args), column(column), row(row), x(number_of(column) + 0.5f), y(number_of(row) + 0.5f) {
    read_patch(patch, a.gray, a.width, a.height, column, row, a.radius, a.step, a.colour, a.space);
  }

  // The mean over the photos that agree best.
  RECON_CALLED F cost(LocalPlane<F> plane) const {  // called two dozen times: once in the program
    F least[kMostBest];
    const F zero = x - x;
    for (int i = 0; i < kMostBest; ++i) least[i] = zero + 1e9f;
    for (int k = 0; k < a.sources; ++k) {
      PixelMap to, back;
      const float* const map = a.maps + 24 * k;
      for (int i = 0; i < 9; ++i) to.turn[i] = map[i], back.turn[i] = map[12 + i];
      for (int i = 0; i < 3; ++i) to.shift[i] = map[9 + i], back.shift[i] = map[21 + i];
      const int width = int(a.sizes[3 * k]), height = int(a.sizes[3 * k + 1]);
      const int64_t first = a.sizes[3 * k + 2];
      F cost = unlikeness(patch, a.radius, a.step, plane, x, y, to, a.quads + first, width, height);
      if (a.depths != nullptr)
        cost = cost + a.agreement * way_back_error(plane.inverse, x, y, to, back, a.depths + first, width, height, a.most);
      for (int i = 0; i < kMostBest; ++i) {
        const F worse = max_of(least[i], cost);
        least[i] = min_of(least[i], cost);
        cost = worse;
      }
    }
    const int count = a.best < a.sources ? a.best : a.sources;
    F sum = zero;
    for (int i = 0; i < kMostBest; ++i)
      if (i < count) sum = sum + least[i];
    return sum * (1.0f / float(count));
  }

  RECON_HD Whole<F> index(Whole<F> column, Whole<F> row) const { return row * a.width + column; }

  RECON_HD LocalPlane<F> plane_of(Whole<F> at) const {
    const int64_t pixels = int64_t(a.width) * a.height;
    return {element(a.planes, at), element(a.planes + pixels, at), element(a.planes + 2 * pixels, at)};
  }

  RECON_HD LocalPlane<F> limited(LocalPlane<F> plane) const {
    const F zero = x - x;
    const F inverse = clamp_to(plane.inverse, zero + a.low, zero + a.high), steepest = inverse * (kSteepest / a.focal);
    return {inverse, clamp_to(plane.across, zero - steepest, steepest), clamp_to(plane.down, zero - steepest, steepest)};
  }

  RECON_HD void take_if_better(LocalPlane<F>& plane, F& least, LocalPlane<F> other) const {
    other = limited(other);
    const F theirs = cost(other);
    const Mask<F> better = lt(theirs, least);
    plane = {where(better, other.inverse, plane.inverse), where(better, other.across, plane.across),
             where(better, other.down, plane.down)};
    least = where(better, theirs, least);
  }

  // The plane, continued to here, of whichever of the pixels at these offsets has the least cost.
  RECON_HD LocalPlane<F> best_of(const int8_t (*offsets)[2], int count) const {
    const F zero = x - x;
    F least = zero + 1e9f, dx = zero, dy = zero;
    for (int i = 0; i < count; ++i) {
      const F ox = zero + float(offsets[i][0]), oy = zero + float(offsets[i][1]);
      const F px = clamp_to(x + ox, zero + 0.5f, zero + (float(a.width) - 0.5f));
      const F py = clamp_to(y + oy, zero + 0.5f, zero + (float(a.height) - 0.5f));
      const F moved = absolute(px - x - ox) + absolute(py - y - oy);  // beyond the border there is nothing
      const F theirs = where(lt(moved, 0.5f), element(a.costs, index(whole_of(px), whole_of(py))), zero + 1e8f);
      const Mask<F> better = lt(theirs, least);
      least = where(better, theirs, least), dx = where(better, px - x, dx), dy = where(better, py - y, dy);
    }
    // Where all lie beyond the border, the first one's clamped pixel may be of this colour: take the pixel itself.
    const Mask<F> any = lt(least, 1e7f);
    dx = where(any, dx, zero), dy = where(any, dy, zero);
    const LocalPlane<F> plane = plane_of(index(whole_of(x + dx), whole_of(y + dy)));
    return {plane.inverse - plane.across * dx - plane.down * dy, plane.across, plane.down};
  }
};

// -1..1, from the high bits of a random word.
template <class F, class U>
RECON_HD F signed_share(U word) {
  return float_of(word >> 8) * (2.0f * 0x1p-24f) - 1.0f;
}

// Eight regions of the other colour: near ones fan out, far ones are straight. Source: ACMM, figure 3.
constexpr int kNear = 5, kFar = 6;

template <class F>
RECON_HD void sweep_pixel(const MatchArgs& a, Whole<F> column, Whole<F> row) {
  constexpr int8_t near[4][kNear][2] = {{{0, -1}, {-1, -2}, {1, -2}, {-2, -3}, {2, -3}},
                                        {{0, 1}, {-1, 2}, {1, 2}, {-2, 3}, {2, 3}},
                                        {{-1, 0}, {-2, -1}, {-2, 1}, {-3, -2}, {-3, 2}},
                                        {{1, 0}, {2, -1}, {2, 1}, {3, -2}, {3, 2}}};
  constexpr int8_t far[4][kFar][2] = {{{0, -3}, {0, -5}, {0, -7}, {0, -9}, {0, -13}, {0, -17}},
                                      {{0, 3}, {0, 5}, {0, 7}, {0, 9}, {0, 13}, {0, 17}},
                                      {{-3, 0}, {-5, 0}, {-7, 0}, {-9, 0}, {-13, 0}, {-17, 0}},
                                      {{3, 0}, {5, 0}, {7, 0}, {9, 0}, {13, 0}, {17, 0}}};
  const Matcher<F> m(a, column, row);
  const Whole<F> at = m.index(column, row);
  LocalPlane<F> plane = m.plane_of(at);
  F least = element(a.costs, at);
  for (int region = 0; region < 4; ++region) m.take_if_better(plane, least, m.best_of(near[region], kNear));
  if (a.thorough != 0)
    for (int region = 0; region < 4; ++region) m.take_if_better(plane, least, m.best_of(far[region], kFar));

  const uint32_t rounds = a.thorough != 0 ? 2 : 1;
  for (uint32_t round = 0; round < rounds; ++round) {
    const auto random = draw(unsigned_of(at), a, round);
    const F share = signed_share<F>(random.a), sx = signed_share<F>(random.b), sy = signed_share<F>(random.c);
    const float finer = round == 0 ? 1.0f : 0.25f;
    const F inverse = plane.inverse * (1.0f + finer * a.depth_change * share), slope = plane.inverse * (finer * a.slope_change / a.focal);
    m.take_if_better(plane, least, {inverse, plane.across, plane.down});
    m.take_if_better(plane, least, {plane.inverse, plane.across + slope * sx, plane.down + slope * sy});
    const F other = signed_share<F>(random.d);
    m.take_if_better(plane, least, {plane.inverse * (1.0f + finer * a.depth_change * other), plane.across + slope * sy, plane.down - slope * sx});
    if (a.thorough != 0) {
      const F anywhere = a.low + (a.high - a.low) * (0.5f + 0.5f * other), steep = anywhere * (kFreshSlope / a.focal);
      m.take_if_better(plane, least, {anywhere, steep * sx, steep * sy});
    }
  }
  const int64_t pixels = int64_t(a.width) * a.height;
  put(a.planes, at, plane.inverse), put(a.planes + pixels, at, plane.across), put(a.planes + 2 * pixels, at, plane.down);
  put(a.costs, at, least);
}

template <class F>
RECON_HD void price_pixel(const MatchArgs& a, Whole<F> column, Whole<F> row) {
  const Matcher<F> m(a, column, row);
  const Whole<F> at = m.index(column, row);
  put(a.costs, at, m.cost(m.plane_of(at)));
}

}  // namespace recon::RECON_ISA
