// The photometric loss of 3D Gaussian splatting (Kerbl et al. 2023, eq. 7) and its gradient, in one pass over the image:
// the render over a background, through an exposure, against a photo: (1 - w) L1 + w (1 - SSIM), weighted by a mask.
#pragma once
#include <stdint.h>

namespace recon {

struct PhotometricArgs {
  int width, height, threads;
  const float *rgb, *alpha;        // [3 h w] premultiplied, [h w]
  const uint8_t* target;           // [3 h w]
  const float* background;         // [3], or null: nothing is composed
  const float* exposure;           // [3 4] affine colour transform, or null: identity
  const uint8_t* target_alpha;     // [h w], or null: opaque
  const uint8_t* mask;             // [h w], or null: every pixel counts the same
  float ssim_weight;
  float *grad_rgb, *grad_alpha;    // [3 h w], [h w]
  float* grad_exposure;            // [3 4], or null
  float* losses;                   // [3]: L1, SSIM, the loss
  float* scratch;                  // [threads, photometric_scratch(width)]
  double* partial;                 // [photometric_bands(height), kPhotometricSums]
};

constexpr int kPhotometricSums = 16;  // L1, 1 - SSIM, 12 of the exposure's gradient

// Rows are shared out in bands whose number depends on the height only, so sums are the same for any thread count. An
// even number of about 34 rows each: 20 rows of overlap are computed twice, and 2, 4 and 8 threads get equal parts.
constexpr int photometric_bands(int height) {
  if (height < 34) return 1;
  return 2 * ((height + 34) / 68 > 0 ? (height + 34) / 68 : 1);
}
// Rows a stage takes at a time, and rows of a map kept for the next stage.
constexpr int kPhotometricRowsAtOnce = 5, kPhotometricRingRows = 16;
// Floats per row of scratch: the columns of the image and 16 on both sides for the window to reach into. An odd number
// of cache lines, so that rows do not compete for the same places of the cache.
constexpr int photometric_stride(int width) { return (((width + 15) / 16 + 2) | 1) * 16; }
constexpr int64_t photometric_scratch(int width) {
  return int64_t(7) * (kPhotometricRingRows + kPhotometricRowsAtOnce) * photometric_stride(width);
}

}  // namespace recon
