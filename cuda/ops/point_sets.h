// Sets of points in space: points spread evenly over a set, and the neighbours of places in it. Sets are independent.
#pragma once
#include <stdint.h>

namespace recon {

struct FarthestArgs {
  const float* points;  // [sets 3 n]
  int64_t sets, n, count;
  float* distances;  // [sets n], squared, to the nearest chosen point: workspace
  int64_t* chosen;   // [sets count]
  int threads;
};

struct BallArgs {
  const float* points;   // [sets 3 n]
  const float* centers;  // [sets centers 3]
  int64_t sets, n, center_count, count;
  float radius;
  int64_t* neighbours;  // [sets centers count]
  int threads;
};

}  // namespace recon
