// Each task takes a band of rows and one channel after another through three stages, a row at a time, each stage a few
// rows behind the one before, all in rings of 11 rows that stay in the core's cache:
//   colours    row i: the composed image x, the target y, x^2 + y^2, xy
//   slopes     row i - 5: window means of the four, hence SSIM and its slopes
//   gradient   row i - 10: window means of the slopes, hence the gradient in x
// A last stage carries the gradient through exposure and background, once all three channels of the band are there.
#include "ops/photometric.h"

#include <omp.h>
#include <string.h>

#include "math/ssim.h"

namespace recon::RECON_ISA {

static constexpr int kPad = 16;
typedef uint8_t bytes __attribute__((vector_size(RECON_LANES)));

static RECON_HD f32 load_some(const float* from, int count) {
  if (count >= kLanes) return load(from);
  f32 v{};
  for (int i = 0; i < count; ++i) v[i] = from[i];
  return v;
}
static RECON_HD void store_some(float* to, f32 v, int count) {
  if (count >= kLanes) return store(to, v);
  for (int i = 0; i < count; ++i) to[i] = v[i];
}
// 0..255 as 0..1.
static RECON_HD f32 load_share(const uint8_t* from, int count) {
  bytes v{};
  if (count >= kLanes) {
    __builtin_memcpy(&v, from, sizeof v);
  } else {
    for (int i = 0; i < count; ++i) v[i] = from[i];
  }
  return __builtin_convertvector(__builtin_convertvector(v, i32), f32) * (1.0f / 255);
}

// Rows of one map, the newest eleven.
struct Ring {
  float* rows;
  int stride;
  float* row(int i) const { return rows + int64_t((i + 22) % kSsimTaps) * stride; }  // i >= -22
};

struct Band {
  const PhotometricArgs& args;
  int first, last;   // rows of the gradient
  int stride;        // floats per scratch row
  int columns;       // width rounded up to lanes
  float weight;      // of a pixel that the mask lets through, in the means over the image
  Ring x, y, squares, product;                  // colours
  Ring slope_x, slope_squares, slope_product;   // weighted
  float* means[4];                              // one row each, with zeros on both sides
  float* blurred[3];                            // of the slopes, likewise
  double sums[kPhotometricSums];
};

// Window mean along the column, of the rows around `centre`.
static void blur_rows(const Ring& ring, int centre, int columns, float* out) {
  const float* r[kSsimTaps];
  for (int k = 0; k < kSsimTaps; ++k) r[k] = ring.row(centre - kSsimRadius + k);
  for (int i = 0; i < columns; i += kLanes) {
    f32 sum = kSsimWindow[0] * load(r[5] + i);
    sum += kSsimWindow[1] * (load(r[4] + i) + load(r[6] + i));
    sum += kSsimWindow[2] * (load(r[3] + i) + load(r[7] + i));
    sum += kSsimWindow[3] * (load(r[2] + i) + load(r[8] + i));
    sum += kSsimWindow[4] * (load(r[1] + i) + load(r[9] + i));
    sum += kSsimWindow[5] * (load(r[0] + i) + load(r[10] + i));
    store(out + i, sum);
  }
}
// Window mean along the row at columns `at`...
static RECON_HD f32 blur_columns(const float* at) {
  f32 sum = kSsimWindow[0] * load(at);
  sum += kSsimWindow[1] * (load(at - 1) + load(at + 1));
  sum += kSsimWindow[2] * (load(at - 2) + load(at + 2));
  sum += kSsimWindow[3] * (load(at - 3) + load(at + 3));
  sum += kSsimWindow[4] * (load(at - 4) + load(at + 4));
  sum += kSsimWindow[5] * (load(at - 5) + load(at + 5));
  return sum;
}

static RECON_HD f32 mask_weight(const Band& band, int64_t pixel, int count) {
  if (band.args.mask == nullptr) return all_lanes(band.weight);
  return load_share(band.args.mask + pixel, count) * band.weight;
}

static void clear_row(const Ring& ring, int i, int from, int to) {
  memset(ring.row(i) + from, 0, sizeof(float) * (to - from));
}

static void colour_row(Band& band, int channel, int i) {
  const PhotometricArgs& a = band.args;
  const Ring* const rings[4] = {&band.x, &band.y, &band.squares, &band.product};
  const bool inside = i >= 0 && i < a.height;
  const int columns = inside ? a.width : 0;
  const int64_t plane = int64_t(a.width) * a.height, pixel = int64_t(i) * a.width;
  float *x_row = band.x.row(i), *y_row = band.y.row(i), *squares = band.squares.row(i), *product = band.product.row(i);
  float gain[3] = {}, behind = a.background != nullptr ? a.background[channel] : 0.0f, offset = 0;
  const float target_behind = behind;
  gain[channel] = 1;
  if (a.exposure != nullptr) {
    const float* e = a.exposure + 4 * channel;
    behind = 0;
    for (int c = 0; c < 3; ++c) {
      gain[c] = e[c];
      if (a.background != nullptr) behind += e[c] * a.background[c];
    }
    offset = e[3];
  }
  for (int j = 0; j < columns; j += kLanes) {
    const int count = columns - j;
    const float* from = a.rgb + pixel + j;
    f32 x;
    if (a.exposure != nullptr) {
      x = gain[0] * load_some(from, count) + gain[1] * load_some(from + plane, count) +
          gain[2] * load_some(from + 2 * plane, count) + offset;
    } else {
      x = load_some(from + channel * plane, count);
    }
    if (a.background != nullptr) x += behind * (1.0f - load_some(a.alpha + pixel + j, count));
    f32 y = load_share(a.target + channel * plane + pixel + j, count);
    if (a.target_alpha != nullptr) {
      const f32 cover = load_share(a.target_alpha + pixel + j, count);
      y = y * cover + target_behind * (1.0f - cover);
    }
    store(x_row + j, x);
    store(y_row + j, y);
    store(squares + j, x * x + y * y);
    store(product + j, x * y);
  }
  for (const Ring* ring : rings) clear_row(*ring, i, columns, band.columns);
}

static void slope_row(Band& band, int i) {
  const PhotometricArgs& a = band.args;
  const Ring* const slopes[3] = {&band.slope_x, &band.slope_squares, &band.slope_product};
  if (i < 0 || i >= a.height) {
    for (const Ring* ring : slopes) clear_row(*ring, i, 0, band.columns);
    return;
  }
  const Ring* const colours[4] = {&band.x, &band.y, &band.squares, &band.product};
  for (int k = 0; k < 4; ++k) blur_rows(*colours[k], i, band.columns, band.means[k]);
  f32 unlike{};
  for (int j = 0; j < band.columns; j += kLanes) {
    const SsimMeans<f32> means = {blur_columns(band.means[0] + j), blur_columns(band.means[1] + j),
                                  blur_columns(band.means[2] + j), blur_columns(band.means[3] + j)};
    SsimSlopes<f32> slope;
    const f32 value = ssim_with_slopes(means, slope);
    f32 weight = mask_weight(band, int64_t(i) * a.width + j, a.width - j);
    if (a.width - j < kLanes) {  // lanes beyond the image count nothing
      for (int k = a.width - j; k < kLanes; ++k) weight[k] = 0;
    }
    unlike += weight * (1.0f - value);
    const f32 slope_weight = weight * -a.ssim_weight;
    store(band.slope_x.row(i) + j, slope.x * slope_weight);
    store(band.slope_squares.row(i) + j, slope.squares * slope_weight);
    store(band.slope_product.row(i) + j, slope.product * slope_weight);
  }
  if (i >= band.first && i < band.last) band.sums[1] += double(sum_lanes(unlike));
}

static void gradient_row(Band& band, int channel, int i) {
  const PhotometricArgs& a = band.args;
  blur_rows(band.slope_x, i, band.columns, band.blurred[0]);
  blur_rows(band.slope_squares, i, band.columns, band.blurred[1]);
  blur_rows(band.slope_product, i, band.columns, band.blurred[2]);
  const float *x_row = band.x.row(i), *y_row = band.y.row(i);
  const int64_t pixel = int64_t(i) * a.width;
  float* out = a.grad_rgb + (int64_t(channel) * a.height + i) * a.width;
  f32 distance{};
  for (int j = 0; j < a.width; j += kLanes) {
    const f32 x = load(x_row + j), y = load(y_row + j), difference = x - y;
    const f32 weight = mask_weight(band, pixel + j, a.width - j);
    const f32 l1_weight = weight * (1.0f - a.ssim_weight);
    distance += weight * absolute(difference);  // zero beyond the image, where x = y = 0
    const f32 sign = where(lt(difference, 0.0f), -l1_weight, where(lt(-difference, 0.0f), l1_weight, 0.0f));
    const SsimSlopes<f32> blurred = {blur_columns(band.blurred[0] + j), blur_columns(band.blurred[1] + j),
                                     blur_columns(band.blurred[2] + j)};
    store_some(out + j, sign + ssim_vjp(x, y, blurred), a.width - j);
  }
  band.sums[0] += double(sum_lanes(distance));
}

// From the gradient in the composed and exposed colours, which lies in `grad_rgb`, to those of its ingredients.
static void ingredient_row(Band& band, int i) {
  const PhotometricArgs& a = band.args;
  const int64_t plane = int64_t(a.width) * a.height, pixel = int64_t(i) * a.width;
  f32 sums[12] = {};
  for (int j = 0; j < a.width; j += kLanes) {
    const int count = a.width - j;
    f32 g[3], alpha{};
    for (int c = 0; c < 3; ++c) g[c] = load_some(a.grad_rgb + c * plane + pixel + j, count);
    if (a.exposure != nullptr) {
      const float* e = a.exposure;
      for (int k = 0; k < 3; ++k) {
        f32 colour = load_some(a.rgb + k * plane + pixel + j, count);
        if (a.background != nullptr) colour += a.background[k] * (1.0f - load_some(a.alpha + pixel + j, count));
        for (int c = 0; c < 3; ++c) sums[4 * c + k] += g[c] * colour;
      }
      for (int c = 0; c < 3; ++c) sums[4 * c + 3] += g[c];
      const f32 r = e[0] * g[0] + e[4] * g[1] + e[8] * g[2], s = e[1] * g[0] + e[5] * g[1] + e[9] * g[2],
                t = e[2] * g[0] + e[6] * g[1] + e[10] * g[2];
      g[0] = r, g[1] = s, g[2] = t;
      for (int c = 0; c < 3; ++c) store_some(a.grad_rgb + c * plane + pixel + j, g[c], count);
    }
    if (a.background != nullptr) {
      for (int c = 0; c < 3; ++c) alpha -= a.background[c] * g[c];
    }
    store_some(a.grad_alpha + pixel + j, alpha, count);
  }
  if (a.exposure == nullptr) return;
  for (int k = 0; k < 12; ++k) band.sums[2 + k] += double(sum_lanes(sums[k]));
}

static void photometric_band(const PhotometricArgs& a, int index, float weight, float* scratch) {
  const int bands = photometric_bands(a.height), stride = photometric_stride(a.width);
  Band band{a,  int(int64_t(a.height) * index / bands), int(int64_t(a.height) * (index + 1) / bands), stride,
            (a.width + kLanes - 1) / kLanes * kLanes, weight, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}};
  Ring* const rings[7] = {&band.x,       &band.y,             &band.squares,      &band.product,
                          &band.slope_x, &band.slope_squares, &band.slope_product};
  float* next = scratch + kPad;
  for (Ring* ring : rings) {
    *ring = {next, stride};
    next += int64_t(kSsimTaps) * stride;
  }
  memset(next - kPad, 0, sizeof(float) * 7 * stride);
  for (int k = 0; k < 4; ++k) band.means[k] = next + int64_t(k) * stride;
  for (int k = 0; k < 3; ++k) band.blurred[k] = next + int64_t(k + 4) * stride;
  for (int channel = 0; channel < 3; ++channel) {
    for (int i = band.first - 2 * kSsimRadius; i < band.last + 2 * kSsimRadius; ++i) {
      colour_row(band, channel, i);
      if (i >= band.first) slope_row(band, i - kSsimRadius);
      if (i >= band.first + 2 * kSsimRadius) gradient_row(band, channel, i - 2 * kSsimRadius);
    }
  }
  for (int i = band.first; i < band.last; ++i) ingredient_row(band, i);
  memcpy(a.partial + int64_t(index) * kPhotometricSums, band.sums, sizeof band.sums);
}

void photometric(const PhotometricArgs& a) {
  const int bands = photometric_bands(a.height);
  const int64_t pixels = int64_t(a.width) * a.height;
  double total = double(pixels);
  if (a.mask != nullptr) {
    int64_t sum = 0;
    for (int64_t i = 0; i < pixels; ++i) sum += a.mask[i];
    total = double(sum) / 255;
  }
  const float weight = total > 0 ? float(1 / (3 * total)) : 0.0f;
#pragma omp parallel for num_threads(a.threads) schedule(dynamic, 1)
  for (int i = 0; i < bands; ++i) {
    photometric_band(a, i, weight, a.scratch + omp_get_thread_num() * photometric_scratch(a.width));
  }
  double sums[kPhotometricSums] = {};
  for (int i = 0; i < bands; ++i) {
    for (int k = 0; k < kPhotometricSums; ++k) sums[k] += a.partial[int64_t(i) * kPhotometricSums + k];
  }
  a.losses[0] = float(sums[0]);
  a.losses[1] = float(1 - sums[1]);
  a.losses[2] = float((1 - double(a.ssim_weight)) * sums[0] + double(a.ssim_weight) * sums[1]);
  if (a.grad_exposure == nullptr) return;
  for (int k = 0; k < 12; ++k) a.grad_exposure[k] = float(sums[2 + k]);
}

}  // namespace recon::RECON_ISA
