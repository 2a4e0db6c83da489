// Lifting on the CPU: the blend's walk once more, with weights going to the map's nodes; then the Gaussians' turn.
#include "ops/entry_points.h"
#include "ops/splat_blocks.h"

namespace recon::RECON_ISA {
namespace {

// The shares of the nodes along an axis in the pixels of a strip of blocks; nodes outside low..high have none.
struct Strip {
  f32x16 shares[kMostNodes];
  int low, high;
};
RECON_HD Strip strip_of(const float* lanes, int tile, int offset, int nodes, int pixels) {
  const int first = first_node(tile, nodes, pixels);
  Strip strip;
  strip.low = kMostNodes, strip.high = -1;
  for (int i = 0; i < kMostNodes; ++i) {
    float shares[kWide];
    bool any = false;
    for (int lane = 0; lane < kWide; ++lane) {
      shares[lane] = share_of(first + i, node_at(float(tile * kTile + offset) + lanes[lane], nodes, pixels));
      any |= shares[lane] > 0.0f;
    }
    strip.shares[i] = load_wide(shares);
    if (any) strip.low = min_int(strip.low, i), strip.high = i;
  }
  return strip;
}

void weigh_tile(const Splat& s, const SplatLift& d, int tile) {
  const int tile_x = tile % s.tiles_x, tile_y = tile / s.tiles_x;
  const int across = nodes_under_tile(d.columns, s.width), nodes = across * nodes_under_tile(d.rows, s.height);
  const Lanes centres = pixel_centres();
  Strip columns[kTile / kSide], rows[kTile / kSide];
  for (int i = 0; i < kTile / kSide; ++i) {
    columns[i] = strip_of(centres.x, tile_x, kSide * i, d.columns, s.width);
    rows[i] = strip_of(centres.y, tile_y, kSide * i, d.rows, s.height);
  }
  f32x16 light[kBlocks];
  for (int block = 0; block < kBlocks; ++block) light[block] = inside(window_of(s, tile_x, tile_y, block));

  const uint32_t begin = s.tile_start[tile], end = s.tile_start[tile + 1], done = begin + s.tile_done[tile];
  Chunk chunk;
  for (uint32_t pair = begin; pair < done; pair += kChunk) {
    const int count = min_int(int(done - pair), kChunk);
    fetch(s, pair, count, tile_x, tile_y, chunk);
    for (int j = 0; j < count; ++j) {
      f32 sums[kMostTileNodes + 7];
      for (int i = 0; i < nodes; i += 8)
        for (int k = 0; k < 8; ++k) sums[i + k] = f32{};
      for (uint32_t blocks = s.pair_mask[pair + j]; blocks != 0; blocks &= blocks - 1) {
        const int block = __builtin_ctz(blocks);
        const f32 x = load(centres.x) + float(block_x(block));
        const f32x16 y = load_wide(centres.y) + float(block_y(block));
        const f32x16 w = weight_of(alpha_of(chunk.records[j], x, y), light[block]);
        light[block] -= w;
        const Strip &column = columns[block_x(block) / kSide], &row = rows[block_y(block) / kSide];
        for (int v = row.low; v <= row.high; ++v) {
          const f32x16 part = w * row.shares[v];
          for (int u = column.low; u <= column.high; ++u) add_product(sums[v * across + u], part, column.shares[u]);
        }
      }
      float totals[kMostTileNodes + 7];
      for (int i = 0; i < nodes; i += 8) sum_lanes_of_8(sums + i, totals + i);
      const int64_t slot = s.pair_slot[pair + j];
      d.pair_tile[slot] = uint32_t(tile);
      __builtin_memcpy(d.pair_nodes + slot * nodes, totals, size_t(nodes) * sizeof(float));
    }
  }
  for (uint32_t pair = done; pair < end; ++pair) {
    d.pair_tile[s.pair_slot[pair]] = uint32_t(tile);
    __builtin_memset(d.pair_nodes + int64_t(s.pair_slot[pair]) * nodes, 0, size_t(nodes) * sizeof(float));
  }
}

// Nodes of the map and their weights, collected until there are enough to pass over the channels once.
class Mixture {
 public:
  Mixture(const SplatLift& d, int64_t gaussian) : d_(d), sums_(d.sums + gaussian * d.channels) {}
  ~Mixture() { pour(); }
  void add(int64_t node, float weight) {
    if (count_ == kMost) pour();
    features_[count_] = d_.map + node * d_.channels;
    weights_[count_++] = weight;
  }

 private:
  static constexpr int kMost = 128, kAtOnce = 4 * kLanes;

  void pour() {
    int channel = 0;
    for (; channel + kAtOnce <= d_.channels; channel += kAtOnce) {
      f32 sum[4];
      for (int i = 0; i < 4; ++i) sum[i] = load(sums_ + channel + i * kLanes);
      for (int j = 0; j < count_; ++j)
        for (int i = 0; i < 4; ++i) sum[i] += weights_[j] * load(features_[j] + channel + i * kLanes);
      for (int i = 0; i < 4; ++i) store(sums_ + channel + i * kLanes, sum[i]);
    }
    for (; channel < d_.channels; ++channel) {
      float sum = sums_[channel];
      for (int j = 0; j < count_; ++j) sum += weights_[j] * features_[j][channel];
      sums_[channel] = sum;
    }
    count_ = 0;
  }

  const SplatLift& d_;
  float* sums_;
  const float* features_[kMost];
  float weights_[kMost];
  int count_ = 0;
};

void mix(const Splat& s, const SplatLift& d, int64_t gaussian) {
  const int across = nodes_under_tile(d.columns, s.width), down = nodes_under_tile(d.rows, s.height);
  Mixture mixture(d, gaussian);
  double total = 0;
  for (uint32_t i = 0; i < s.tile_count[gaussian]; ++i) {
    const int64_t slot = int64_t(s.slot_start[gaussian]) + i;
    const int tile = int(d.pair_tile[slot]);
    const int column = first_node(tile % s.tiles_x, d.columns, s.width);
    const int row = first_node(tile / s.tiles_x, d.rows, s.height);
    const float* weights = d.pair_nodes + slot * across * down;
    for (int v = 0; v < down; ++v)
      for (int u = 0; u < across; ++u, ++weights) {
        if (*weights == 0.0f) continue;  // nodes beyond the map among them
        mixture.add(int64_t(row + v) * d.columns + column + u, *weights);
        total += double(*weights);
      }
  }
  d.weights[gaussian] += float(total);
}

}  // namespace

void splat_lift(const Splat& s, const SplatLift& d) {
  const int tiles = s.tiles_x * s.tiles_y;
#pragma omp parallel for schedule(dynamic, 1)
  for (int i = 0; i < tiles; ++i) weigh_tile(s, d, int(s.tile_order[i]));
#pragma omp parallel for schedule(dynamic, 64)
  for (int64_t gaussian = 0; gaussian < d.gaussians; ++gaussian)
    if (s.tile_count[gaussian] != 0) mix(s, d, gaussian);
}

}  // namespace recon::RECON_ISA
