// Farthest points and balls, a register of points at a time. The same comparisons in every build: no distance is fused
// differently, so all instruction sets choose the same points but for distances equal to the last bit.
#include "ops/point_sets.h"

#include "math/number.h"
#include "ops/entry_points.h"
#include "ops/pairs.h"

namespace recon::RECON_ISA {

struct Place {
  float x, y, z;
};

static Place place_of(const float* points, int64_t n, int64_t i) { return {points[i], points[n + i], points[2 * n + i]}; }

static f32 squared_distance(const float* points, int64_t n, int64_t at, int64_t left, Place p) {
  const f32 dx = load_up_to(points + at, left) - p.x, dy = load_up_to(points + n + at, left) - p.y,
            dz = load_up_to(points + 2 * n + at, left) - p.z;
  return fused(dz, dz, fused(dy, dy, dx * dx));
}

// The middle of the box around the points: the same whatever their order.
static Place middle_of(const float* points, int64_t n) {
  float middle[3];
  for (int axis = 0; axis < 3; ++axis) {
    const float* const values = points + axis * n;
    float low = values[0], high = values[0];
    for (int64_t i = 1; i < n; ++i) low = min_of(low, values[i]), high = max_of(high, values[i]);
    middle[axis] = 0.5f * (low + high);
  }
  return {middle[0], middle[1], middle[2]};
}

// Lowers each point's distance to that of `from` where it is nearer; returns the first of the farthest points.
static int64_t farthest_after(const float* points, int64_t n, Place from, float* distances) {
  f32 farthest = all_lanes(-1);
  for (int64_t at = 0; at < n; at += kLanes) {
    const int64_t left = n - at;
    const f32 nearest = min_of(load_up_to(distances + at, left), squared_distance(points, n, at, left, from));
    store_up_to(distances + at, nearest, left);
    if (left >= kLanes) {
      farthest = max_of(farthest, nearest);
    } else {
      for (int lane = 0; lane < left; ++lane) farthest[lane] = max_of(farthest[lane], nearest[lane]);
    }
  }
  float most = farthest[0];
  for (int lane = 1; lane < kLanes; ++lane) most = max_of(most, farthest[lane]);
  for (int64_t at = 0; at + kLanes <= n; at += kLanes) {
    const uint32_t lanes = lanes_of(ge(load(distances + at), most));
    if (lanes != 0) return at + __builtin_ctz(lanes);
  }
  for (int64_t at = n - n % kLanes; at < n; ++at)
    if (distances[at] >= most) return at;
  return 0;  // of points that are not numbers
}

static void spread_set(const FarthestArgs& a, int64_t set) {
  const float* const points = a.points + 3 * a.n * set;
  float* const distances = a.distances + a.n * set;
  for (int64_t i = 0; i < a.n; ++i) distances[i] = 1e30f;
  int64_t next = farthest_after(points, a.n, middle_of(points, a.n), distances);
  for (int64_t i = 0; i < a.n; ++i) distances[i] = 1e30f;
  for (int64_t i = 0; i < a.count; ++i) {
    a.chosen[a.count * set + i] = next;
    if (i + 1 < a.count) next = farthest_after(points, a.n, place_of(points, a.n, next), distances);
  }
}

void farthest_points(const FarthestArgs& a) {
#pragma omp parallel for num_threads(a.threads) schedule(dynamic)
  for (int64_t set = 0; set < a.sets; ++set) spread_set(a, set);
}

static int64_t nearest_to(const float* points, int64_t n, Place center) {
  int64_t nearest = 0;
  float least = 1e30f;
  for (int64_t at = 0; at < n; at += kLanes) {
    const f32 distance = squared_distance(points, n, at, n - at, center);
    for (int lane = 0; lane < kLanes && at + lane < n; ++lane) {
      if (distance[lane] < least) least = distance[lane], nearest = at + lane;
    }
  }
  return nearest;
}

static void fill_ball(const BallArgs& a, int64_t set, const float* at_center, int64_t* neighbours) {
  const float* const points = a.points + 3 * a.n * set;
  const Place center = {at_center[0], at_center[1], at_center[2]};
  const f32 reach = all_lanes(a.radius * a.radius);
  int64_t found = 0;
  for (int64_t at = 0; at < a.n && found < a.count; at += kLanes) {
    uint32_t inside = lanes_of(ge(reach, squared_distance(points, a.n, at, a.n - at, center)));
    for (; inside != 0 && found < a.count; inside &= inside - 1) {
      const int64_t i = at + __builtin_ctz(inside);
      if (i < a.n) neighbours[found++] = i;
    }
  }
  if (found == 0) neighbours[found++] = nearest_to(points, a.n, center);
  for (int64_t i = found; i < a.count; ++i) neighbours[i] = neighbours[0];
}

void ball_query(const BallArgs& a) {
#pragma omp parallel for num_threads(a.threads) schedule(dynamic, 64)
  for (int64_t i = 0; i < a.sets * a.center_count; ++i)
    fill_ball(a, i / a.center_count, a.centers + 3 * i, a.neighbours + a.count * i);
}

}  // namespace recon::RECON_ISA
