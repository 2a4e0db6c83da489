// One rendered view and the scratch memory it took: kept between steps, so that a step allocates nothing.
#pragma once
#include <stddef.h>
#include <stdlib.h>

#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

#include "ops/lift.h"
#include "ops/splat.h"

namespace recon {

// Memory that only grows, not initialised. Large buffers ask for huge pages: records and pair gradients are visited in the
// order of tiles, which is random in memory, and a page walk costs more than the line it leads to.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { free(data_); }

  T* at_least(size_t count) {
    if (count <= count_ && data_ != nullptr) return data_;
    count_ = count + count / 4 + 64;
    free(data_);
    const size_t bytes = count_ * sizeof(T), alignment = bytes >= kHugePage ? kHugePage : 64;
    const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    data_ = static_cast<T*>(aligned_alloc(alignment, rounded));
    if (data_ == nullptr) throw std::bad_alloc();
#ifdef __linux__
    if (alignment == kHugePage) madvise(data_, rounded, MADV_HUGEPAGE);  // a wish: refused, all works as before
#endif
    return data_;
  }

 private:
  static constexpr size_t kHugePage = size_t(2) << 20;
  T* data_ = nullptr;
  size_t count_ = 0;
};

// What each pass of the last forward and of the last backward took.
struct SplatSeconds {
  double project = 0, sort = 0, bin = 0, blend = 0, blend_backward = 0, gather = 0;
};

class SplatFrame {
 public:
  // Renders the view that `splat` describes; its blocks, camera, images and options are the caller's to fill.
  void forward(const Splat& splat);
  // The way back to the pairs and from there to parameters; `gather` says where to.
  void backward(SplatBackward backward, SplatGather gather);
  // Adds the features of a map, weighted as the last forward blended; `lift` says which and where to.
  void lift(SplatLift lift);
  // Sums of the camera's cotangents: d/d cam_from_world [3][4].
  void camera_gradient(float* grad) const;
  void seen(bool* out) const;

  int64_t seen_count() const { return s_.seen_count; }
  int64_t pair_count() const { return s_.pair_count; }
  const SplatSeconds& seconds() const { return seconds_; }
  const Splat& splat() const { return s_; }
  // Whether pixels still have the buffers of this frame: false until the first forward. (No Gaussians, no blocks.)
  bool rendered() const { return s_.alpha != nullptr; }

 private:
  Splat s_{};
  SplatSeconds seconds_;
  Buffer<float> records_, pair_grads_, pair_nodes_;
  Buffer<uint16_t> rects_;
  Buffer<uint32_t> tile_mask_, tile_count_, keys_[2], order_[2], histograms_, tile_start_, tile_order_, slot_start_,
      pair_gaussian_, pair_slot_, pair_mask_, tile_done_, pair_tile_;
  Buffer<uint64_t> thread_sums_;
  Buffer<double> pose_partials_;
};

}  // namespace recon
