// Lifting a map of features to the Gaussians that a view shows: each gets, summed over the pixels, its weight in the pixel
// times the feature there.
//
// The map is coarser than the image: the feature at a pixel is bilinear between nodes, whose centres lie where those of a
// resized image would. So weights are summed by node first, for each (tile, Gaussian) pair; then each Gaussian mixes the
// features of its nodes. Channels cost nothing per pixel.
#pragma once
#include "math/number.h"
#include "ops/splat.h"

namespace recon {

constexpr int kMostNodes = 6;  // under a tile, along an axis: a cell of the map spans at least 4 pixels
constexpr int kMostTileNodes = kMostNodes * kMostNodes;

struct SplatLift {
  const float* map;  // [rows][columns][channels]
  int columns, rows, channels;
  float* sums;       // [gaussians][channels], added to
  float* weights;    // [gaussians], added to
  int64_t gaussians;

  float* pair_nodes;    // [pairs][nodes], by slot: the weights; nodes row by row from the tile's first
  uint32_t* pair_tile;  // [pairs], by slot
};

// Nodes along an axis that the pixels of a tile may lie between.
inline int nodes_under_tile(int nodes, int pixels) { return int(15.0f * float(nodes) / float(pixels)) + 3; }

namespace RECON_ISA {

// Where between the nodes a pixel centre lies; beyond the first and the last, on them.
RECON_HD float node_at(float centre, int nodes, int pixels) {
  const float at = centre * float(nodes) / float(pixels) - 0.5f, last = float(nodes - 1);
  return at < 0.0f ? 0.0f : at > last ? last : at;
}
RECON_HD int first_node(int tile, int nodes, int pixels) { return int(node_at(float(tile * kTile) + 0.5f, nodes, pixels)); }
// The share of a node in what lies at `at`.
RECON_HD float share_of(int node, float at) {
  const float away = at > float(node) ? at - float(node) : float(node) - at;
  return away < 1.0f ? 1.0f - away : 0.0f;
}

}  // namespace RECON_ISA
}  // namespace recon
