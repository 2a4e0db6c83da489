// Stage 1: every Gaussian of every block to a 2D record, kLanes at a time.
#include "math/footprint.h"
#include "math/sh.h"
#include "ops/blocks.h"
#include "ops/entry_points.h"
#include "ops/tiles.h"

namespace recon::RECON_ISA {
namespace {

// The tiles of one Gaussian: rectangle, mask and count. Zero when no pixel centre lies in its box.
void find_tiles(const Splat& s, int64_t gaussian) {
  const float* record = s.records + gaussian * kRecord;
  s.tile_count[gaussian] = 0;
  TileRect box;
  if (!tiles_in_box(record, s.width, s.height, box)) return;
  const int tx0 = box.x0, ty0 = box.y0, tx1 = box.x1, ty1 = box.y1;
  uint16_t* rect = s.rects + 4 * gaussian;
  rect[0] = uint16_t(tx0), rect[1] = uint16_t(ty0), rect[2] = uint16_t(tx1), rect[3] = uint16_t(ty1);
  const int columns = box.columns(), rows = box.rows();
  if (columns <= 4 && rows <= 4) {
    const uint32_t bits = group_bits(columns, rows) & (box.is_line() ? ~0u : touched_tiles(record, tx0, ty0));
    s.tile_mask[gaussian] = bits;
    s.tile_count[gaussian] = uint32_t(__builtin_popcount(bits));
    return;
  }
  uint32_t count = 0;
  for (int y = ty0; y <= ty1; y += 4)
    for (int x = tx0; x <= tx1; x += 4)
      count += uint32_t(__builtin_popcount(touched_tiles(record, x, y) & group_bits(min_int(tx1 - x + 1, 4), min_int(ty1 - y + 1, 4))));
  s.tile_count[gaussian] = count;
}

void project_lanes(const Splat& s, const CameraView& view, int64_t first, const float* planes) {
  const Gaussian3D<f32> g = load_gaussian(planes);
  const Projection<f32> k = project_axes(view, g);
  const Gaussian2D<f32> out = project_gaussian(view, s.antialiased, g, k);
  const f32 width = all_lanes(float(s.width)), height = all_lanes(float(s.height));
  mask seen = both(out.seen, both(lt(out.x - out.radius_x, width), ge(out.x + out.radius_x, f32{})));
  seen = both(seen, both(lt(out.y - out.radius_y, height), ge(out.y + out.radius_y, f32{})));
  uint32_t lanes = lanes_of(seen);
  for (int lane = 0; lane < kLanes; ++lane) s.tile_count[first + lane] = 0;
  if (lanes == 0) return;

  Vec3<f32> towards;
  f32 basis[16], rgb[3];
  f32 inverse_distance;
  towards = direction_to(view, g.mean, inverse_distance);
  sh_basis(s.sh_degree, towards, basis);
  const int coefficients = (s.sh_degree + 1) * (s.sh_degree + 1);
  i32 clamped = {};
  for (int channel = 0; channel < 3; ++channel) {
    f32 sum = all_lanes(0.5f);
    for (int i = 0; i < coefficients; ++i) sum += basis[i] * load(planes + (kSh + 3 * i + channel) * kBlock);
    rgb[channel] = max_of(sum, 0.0f);
    clamped |= (sum < 0.0f) & (1 << channel);
  }

  const f32 fields[kRecord] = {out.x, out.y, out.a * (-0.5f * kLog2E), out.b * -kLog2E, out.c * (-0.5f * kLog2E),
                               out.log2_opacity, rgb[0], rgb[1], rgb[2], out.depth, out.radius_x, out.radius_y,
                               bits_of(clamped), out.x_rest, out.y_rest, f32{}};
  float rows[kRecord][kLanes];
  for (int field = 0; field < kRecord; ++field) store(rows[field], fields[field]);
  for (; lanes != 0; lanes &= lanes - 1) {
    const int lane = __builtin_ctz(lanes);
    float* record = s.records + (first + lane) * kRecord;
    for (int field = 0; field < kRecord; ++field) record[field] = rows[field][lane];
    find_tiles(s, first + lane);
  }
}

}  // namespace

void splat_project(const Splat& s) {
  const CameraView view = view_of(s);
#pragma omp parallel for schedule(dynamic, 16)
  for (int64_t block = 0; block < s.block_count; ++block)
    for (int half = 0; half < kBlock; half += kLanes)
      project_lanes(s, view, block * kBlock + half, s.blocks + block * s.planes * kBlock + half);
}

}  // namespace recon::RECON_ISA
