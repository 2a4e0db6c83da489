#include "splat_frame.h"

#include <omp.h>
#include <string.h>

#include <algorithm>
#include <chrono>

#include "ops/kernels.h"

namespace recon {
namespace {

// Seconds since it was made or asked last.
class Stopwatch {
 public:
  double lap() {
    const auto before = last_;
    last_ = std::chrono::steady_clock::now();
    return std::chrono::duration<double>(last_ - before).count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace

void SplatFrame::forward(const Splat& splat) {
  s_ = splat;
  const Kernels& k = kernels();
  const size_t gaussians = size_t(s_.block_count) * kBlock;
  s_.tiles_x = (s_.width + kTile - 1) / kTile;
  s_.tiles_y = (s_.height + kTile - 1) / kTile;
  const size_t tiles = size_t(s_.tiles_x) * size_t(s_.tiles_y);
  s_.threads = omp_get_max_threads();

  s_.records = records_.at_least(gaussians * kRecord);
  s_.rects = rects_.at_least(gaussians * 4);
  s_.tile_mask = tile_mask_.at_least(gaussians);
  s_.tile_count = tile_count_.at_least(gaussians);
  s_.slot_start = slot_start_.at_least(gaussians);
  for (int i = 0; i < 2; ++i) {
    s_.keys[i] = keys_[i].at_least(gaussians);
    s_.order[i] = order_[i].at_least(gaussians);
  }
  s_.histograms = histograms_.at_least(size_t(s_.threads) * std::max<size_t>(kRadix, tiles));
  s_.thread_sums = thread_sums_.at_least(2 * (size_t(s_.threads) + 1));
  s_.tile_start = tile_start_.at_least(tiles + 1);
  s_.tile_order = tile_order_.at_least(tiles);
  s_.tile_done = tile_done_.at_least(tiles);

  Stopwatch watch;
  k.splat_project(s_);
  seconds_.project = watch.lap();
  k.splat_sort(s_);
  seconds_.sort = watch.lap();
  const size_t pairs = size_t(s_.pair_count);
  s_.pair_gaussian = pair_gaussian_.at_least(pairs);
  s_.pair_slot = pair_slot_.at_least(pairs);
  s_.pair_mask = pair_mask_.at_least(pairs);
  k.splat_emit(s_);
  seconds_.bin = watch.lap();
  k.splat_blend(s_);
  seconds_.blend = watch.lap();
}

void SplatFrame::backward(SplatBackward backward, SplatGather gather) {
  if (s_.block_count == 0) return;  // and empty tensors have no address, which would mean other things below
  const Kernels& k = kernels();
  backward.pair_grads = pair_grads_.at_least(size_t(s_.pair_count) * kPairGrad);
  gather.pair_grads = backward.pair_grads;
  gather.pose_partials = pose_partials_.at_least(size_t(s_.block_count) * 15);
  Stopwatch watch;
  k.splat_blend_backward(s_, backward);
  seconds_.blend_backward = watch.lap();
  k.splat_gather(s_, gather);
  seconds_.gather = watch.lap();
}

void SplatFrame::lift(SplatLift lift) {
  const size_t nodes = size_t(nodes_under_tile(lift.columns, s_.width)) * size_t(nodes_under_tile(lift.rows, s_.height));
  lift.pair_nodes = pair_nodes_.at_least(size_t(s_.pair_count) * nodes);
  lift.pair_tile = pair_tile_.at_least(size_t(s_.pair_count));
  kernels().splat_lift(s_, lift);
}

void SplatFrame::camera_gradient(float* grad) const {
  double sum[15] = {};
  double* partials = const_cast<Buffer<double>&>(pose_partials_).at_least(size_t(s_.block_count) * 15);
  for (int64_t block = 0; block < s_.block_count; ++block)
    for (int i = 0; i < 15; ++i) sum[i] += partials[15 * block + i];
  // The position is -R^T t: its cotangent p gives dR_ij = -t_i p_j and dt = -R p.
  const float* m = s_.cam_from_world;
  const double* p = sum + 12;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) grad[4 * i + j] = float(sum[3 * i + j] - double(m[4 * i + 3]) * p[j]);
    grad[4 * i + 3] = float(sum[9 + i] - (m[4 * i] * p[0] + m[4 * i + 1] * p[1] + m[4 * i + 2] * p[2]));
  }
}

void SplatFrame::seen(bool* out) const {
  for (int64_t i = 0; i < s_.block_count * kBlock; ++i) out[i] = s_.tile_count[i] != 0;
}

}  // namespace recon
