// Multi-view stereo by PatchMatch: planes over one photo's pixels, and how well the other photos agree with them.
#pragma once
#include <stdint.h>

namespace recon {

struct MatchArgs {
  int width, height;
  const float* gray;        // [h w], 0..255
  const int32_t* quads;     // the other photos, one after the other: each pixel's byte and its three next ones'
  const float* depths;      // their inverse depths, laid out alike; null where there are none yet
  const float* maps;        // [k 24]: turn and shift to each other photo, and the way back
  const int64_t* sizes;     // [k 3]: its width, height and first quad
  int sources, best;        // costs of the `best` photos are averaged
  int radius, step;         // of the patch: (2 radius + 1)^2 samples `step` pixels apart
  float colour, space;      // of the weights
  float focal;              // pixels
  float low, high;          // inverse depths that may be
  float agreement, most;    // cost of one pixel on the way there and back, and at how many pixels it ends
  float* planes;            // [3 h w]: inverse depth, change across, change down
  float* costs;             // [h w]
  float depth_change, slope_change;  // of what is tried: shares of the inverse depth, and slopes
  int thorough;             // whether far neighbours, planes from nowhere and finer changes are tried, too
  uint32_t seed, sweep;
  int threads;
};

}  // namespace recon
