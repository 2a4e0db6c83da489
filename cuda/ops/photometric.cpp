// Each task takes a band of rows and one channel after another through three stages, a row at a time, each stage a few
// rows behind the one before, all in rings of 11 rows that stay in the core's cache:
//   colours    row i: the composed image x and the target y, both shifted by a half; x^2 + y^2, xy
//   slopes     row i - 5: window means of the four, hence SSIM and its slopes
//   gradient   row i - 10: window means of the slopes, hence the gradient in x
// A last stage carries the gradient through exposure and background, once all three channels of the band are there.
#include "ops/photometric.h"

#include <omp.h>
#include <string.h>

#include "math/ssim.h"
#include "ops/entry_points.h"

namespace recon::RECON_ISA {

static constexpr int kPad = 16;  // columns on both sides of a row
// Beyond the border the images are black: what their shifted maps hold there.
static constexpr float kBlackSquares = 2 * kSsimShift * kSsimShift, kBlackProduct = kSsimShift * kSsimShift;
static constexpr int kRowsAtOnce = kPhotometricRowsAtOnce, kRingRows = kPhotometricRingRows;
static_assert(kRingRows >= 2 * kSsimRadius + kRowsAtOnce, "rings overlap");

// The first `count` lanes where the row ends inside the vector, all of them otherwise.
template <bool kTail>
static RECON_HD f32 load_some(const float* from, int count) {
  if (!kTail) return load(from);
  float lanes[kLanes] = {};
  for (int i = 0; i < count; ++i) lanes[i] = from[i];
  return load(lanes);
}
template <bool kTail>
static RECON_HD void store_some(float* to, f32 v, int count) {
  if (!kTail) return store(to, v);
  for (int i = 0; i < count; ++i) to[i] = v[i];
}
static RECON_HD f32 widen(const uint8_t* from) {
#if defined(__AVX512F__)
  return (f32)_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)from)));
#elif defined(__AVX2__)
  return (f32)_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)from)));
#else
  i32 v;
  for (int i = 0; i < kLanes; ++i) v[i] = from[i];
  return __builtin_convertvector(v, f32);
#endif
}
// v / 255 for whole v, correctly rounded, so that an exact render differs from its photo by nothing at all.
static RECON_HD f32 share(f32 v) {
#if defined(__FMA__)
  const f32 guess = v * (1.0f / 255);
  return guess + (v - guess * 255.0f) * (1.0f / 255);  // fused: the remainder is exact
#else
  return v / 255.0f;
#endif
}
// 0..255 as 0..1.
template <bool kTail>
static RECON_HD f32 load_share(const uint8_t* from, int count) {
  if (!kTail) return share(widen(from));
  uint8_t lanes[kLanes] = {};
  for (int i = 0; i < count; ++i) lanes[i] = from[i];
  return share(widen(lanes));
}

// Rows of one map, the newest sixteen.
struct Ring {
  float* rows;
  int stride;
  float* row(int i) const { return rows + int64_t(i & (kRingRows - 1)) * stride; }  // negative i are rows too
};

struct Band {
  const PhotometricArgs& args;
  int first, last;   // rows of the gradient
  int columns;       // width rounded up to lanes
  float weight;      // of a pixel that the mask lets through, in the means over the image
  Ring x, y, squares, product;                  // colours
  Ring slope_x, slope_squares, slope_product;   // weighted
  float* means[4];                              // kRowsAtOnce rows each, with black on both sides
  float* blurred[3];                            // of the slopes, with zeros on both sides
  double sums[kPhotometricSums];
};

// Window means along the columns, of kRowsAtOnce rows from `first` on: each row that is read serves all of them.
static void blur_rows(const Ring& ring, int first, int columns, float* out) {
  constexpr int kReads = kSsimTaps + kRowsAtOnce - 1;
  const float* rows[kReads];
  for (int k = 0; k < kReads; ++k) rows[k] = ring.row(first - kSsimRadius + k);
  for (int j = 0; j < columns; j += kLanes) {
    f32 sums[kRowsAtOnce] = {};
#pragma GCC unroll 16
    for (int k = 0; k < kReads; ++k) {
      const f32 v = load(rows[k] + j);
#pragma GCC unroll 8
      for (int r = 0; r < kRowsAtOnce; ++r) {
        const int tap = k - r - kSsimRadius;
        if (tap >= -kSsimRadius && tap <= kSsimRadius) sums[r] += kSsimWindow[tap < 0 ? -tap : tap] * v;
      }
    }
    for (int r = 0; r < kRowsAtOnce; ++r) store(out + r * ring.stride + j, sums[r]);
  }
}
// Window means along the row, at the columns from `at` on.
static RECON_HD f32 blur_columns(const float* at) {
  f32 sum = kSsimWindow[0] * load(at);
  sum += kSsimWindow[1] * (load(at - 1) + load(at + 1));
  sum += kSsimWindow[2] * (load(at - 2) + load(at + 2));
  sum += kSsimWindow[3] * (load(at - 3) + load(at + 3));
  sum += kSsimWindow[4] * (load(at - 4) + load(at + 4));
  sum += kSsimWindow[5] * (load(at - 5) + load(at + 5));
  return sum;
}

template <bool kTail>
static RECON_HD f32 mask_weight(const Band& band, int64_t pixel, int count) {
  if (band.args.mask == nullptr) return all_lanes(band.weight);
  return load_share<kTail>(band.args.mask + pixel, count) * band.weight;
}

// Calls `vector` for each full vector of a row, then `tail` for what is left, with the column and the lanes in use.
template <class Vector, class Tail>
static RECON_HD void along_row(int width, Vector vector, Tail tail) {
  int j = 0;
  for (; j + kLanes <= width; j += kLanes) vector(j, kLanes);
  if (j < width) tail(j, width - j);
}

static void fill(float* row, int from, int to, float value) {
  for (int j = from; j < to; ++j) row[j] = value;
}

// How one channel of the compared colours is made of the render's: x = gain . rgb + behind (1 - alpha) + offset.
struct Mix {
  bool exposed, composed, cut_out;
  float gain[3], behind, offset, target_behind;
};

static Mix mix_of(const PhotometricArgs& a, int channel) {
  Mix mix{a.exposure != nullptr, a.background != nullptr, a.target_alpha != nullptr, {}, 0, 0, 0};
  if (mix.composed) mix.target_behind = mix.behind = a.background[channel];
  if (!mix.exposed) return mix;
  const float* e = a.exposure + 4 * channel;
  mix.behind = 0;
  for (int c = 0; c < 3; ++c) {
    mix.gain[c] = e[c];
    if (mix.composed) mix.behind += e[c] * a.background[c];
  }
  mix.offset = e[3] - kSsimShift;
  return mix;
}

template <bool kTail>
static RECON_HD void colours(const PhotometricArgs& a, const Mix& mix, int channel, int64_t pixel, int count, f32& x,
                             f32& y) {
  const int64_t plane = int64_t(a.width) * a.height;
  if (mix.exposed) {
    x = mix.gain[0] * load_some<kTail>(a.rgb + pixel, count) +
        mix.gain[1] * load_some<kTail>(a.rgb + pixel + plane, count) +
        mix.gain[2] * load_some<kTail>(a.rgb + pixel + 2 * plane, count) + mix.offset;
  } else {
    x = load_some<kTail>(a.rgb + pixel + channel * plane, count) - kSsimShift;
  }
  if (mix.composed) x += mix.behind * (1.0f - load_some<kTail>(a.alpha + pixel, count));
  y = load_share<kTail>(a.target + pixel + channel * plane, count);
  if (mix.cut_out) {
    const f32 cover = load_share<kTail>(a.target_alpha + pixel, count);
    y = y * cover + mix.target_behind * (1.0f - cover);
  }
  y -= kSsimShift;
}

static void colour_row(const Band& band, int channel, int i) {
  const PhotometricArgs a = band.args;
  const Mix mix = mix_of(a, channel);
  const bool inside = i >= 0 && i < a.height;
  const int64_t row = int64_t(i) * a.width;
  float *x_row = band.x.row(i), *y_row = band.y.row(i), *squares = band.squares.row(i), *product = band.product.row(i);
  const auto put = [=](int j, f32 x, f32 y) {
    store(x_row + j, x);
    store(y_row + j, y);
    store(squares + j, x * x + y * y);
    store(product + j, x * y);
  };
  const auto vector = [&](int j, int count) {
    f32 x, y;
    colours<false>(a, mix, channel, row + j, count, x, y);
    put(j, x, y);
  };
  const auto tail = [&](int j, int count) {
    f32 x, y;
    colours<true>(a, mix, channel, row + j, count, x, y);
    put(j, x, y);
  };
  const int columns = inside ? a.width : 0;
  along_row(columns, vector, tail);
  fill(x_row, columns, band.columns, -kSsimShift);
  fill(y_row, columns, band.columns, -kSsimShift);
  fill(squares, columns, band.columns, kBlackSquares);
  fill(product, columns, band.columns, kBlackProduct);
}

// `offset` is where row i lies in `band.means`.
static void slope_row(Band& band, int i, int64_t offset) {
  const PhotometricArgs a = band.args;
  float *x_row = band.slope_x.row(i), *squares_row = band.slope_squares.row(i), *product_row = band.slope_product.row(i);
  const bool inside = i >= 0 && i < a.height;
  const int columns = inside ? a.width : 0;
  const int64_t row = int64_t(i) * a.width;
  const float* const means[4] = {band.means[0] + offset, band.means[1] + offset, band.means[2] + offset,
                                 band.means[3] + offset};
  f32 unlike{};
  const auto slopes = [&](int j, f32 weight) {
    const SsimMeans<f32> at = {blur_columns(means[0] + j), blur_columns(means[1] + j),
                                  blur_columns(means[2] + j), blur_columns(means[3] + j)};
    SsimSlopes<f32> slope;
    unlike += weight * (1.0f - ssim_with_slopes(at, slope));
    const f32 slope_weight = weight * -a.ssim_weight;
    store(x_row + j, slope.x * slope_weight);
    store(squares_row + j, slope.squares * slope_weight);
    store(product_row + j, slope.product * slope_weight);
  };
  const auto vector = [&](int j, int count) { slopes(j, mask_weight<false>(band, row + j, count)); };
  const auto tail = [&](int j, int count) {
    float used[kLanes] = {};  // lanes beyond the image count nothing
    for (int k = 0; k < count; ++k) used[k] = 1;
    slopes(j, mask_weight<true>(band, row + j, count) * load(used));
  };
  along_row(columns, vector, tail);
  fill(x_row, columns, band.columns, 0.0f);
  fill(squares_row, columns, band.columns, 0.0f);
  fill(product_row, columns, band.columns, 0.0f);
  if (i >= band.first && i < band.last) band.sums[1] += double(sum_lanes(unlike));
}

static void slope_rows(Band& band, int first) {
  blur_rows(band.x, first, band.columns, band.means[0]);
  blur_rows(band.y, first, band.columns, band.means[1]);
  blur_rows(band.squares, first, band.columns, band.means[2]);
  blur_rows(band.product, first, band.columns, band.means[3]);
  for (int r = 0; r < kRowsAtOnce; ++r) slope_row(band, first + r, int64_t(r) * band.x.stride);
}

// `offset` is where row i lies in `band.blurred`.
static void gradient_row(Band& band, int channel, int i, int64_t offset) {
  const PhotometricArgs a = band.args;
  const float* const slopes[3] = {band.blurred[0] + offset, band.blurred[1] + offset, band.blurred[2] + offset};
  const float *x_row = band.x.row(i), *y_row = band.y.row(i);
  const int64_t row = int64_t(i) * a.width;
  float* out = a.grad_rgb + (int64_t(channel) * a.height + i) * a.width;
  f32 distance{};
  const auto gradient = [&](int j, f32 weight) {
    const f32 x = load(x_row + j), y = load(y_row + j), difference = x - y;
    const f32 l1_weight = weight * (1.0f - a.ssim_weight);
    distance += weight * absolute(difference);  // zero beyond the image, where x = y
    const f32 sign = where(lt(difference, 0.0f), -l1_weight, where(lt(-difference, 0.0f), l1_weight, 0.0f));
    const SsimSlopes<f32> blurred = {blur_columns(slopes[0] + j), blur_columns(slopes[1] + j),
                                     blur_columns(slopes[2] + j)};
    return sign + ssim_vjp(x, y, blurred);
  };
  const auto vector = [&](int j, int count) {
    store_some<false>(out + j, gradient(j, mask_weight<false>(band, row + j, count)), count);
  };
  const auto tail = [&](int j, int count) {
    store_some<true>(out + j, gradient(j, mask_weight<true>(band, row + j, count)), count);
  };
  along_row(a.width, vector, tail);
  band.sums[0] += double(sum_lanes(distance));
}

static void gradient_rows(Band& band, int channel, int first) {
  blur_rows(band.slope_x, first, band.columns, band.blurred[0]);
  blur_rows(band.slope_squares, first, band.columns, band.blurred[1]);
  blur_rows(band.slope_product, first, band.columns, band.blurred[2]);
  for (int r = 0; r < kRowsAtOnce && first + r < band.last; ++r) {
    gradient_row(band, channel, first + r, int64_t(r) * band.x.stride);
  }
}

// From the gradient in the composed and exposed colours, which lies in `grad_rgb`, to those of its ingredients.
template <bool kTail>
static RECON_HD void ingredients(const PhotometricArgs& a, int64_t pixel, int count, f32* sums) {
  const int64_t plane = int64_t(a.width) * a.height;
  f32 g[3], grad_alpha{};
  for (int c = 0; c < 3; ++c) g[c] = load_some<kTail>(a.grad_rgb + c * plane + pixel, count);
  if (a.exposure != nullptr) {
    const float* e = a.exposure;
    f32 behind{};
    if (a.background != nullptr) behind = 1.0f - load_some<kTail>(a.alpha + pixel, count);
    for (int k = 0; k < 3; ++k) {
      f32 colour = load_some<kTail>(a.rgb + k * plane + pixel, count);
      if (a.background != nullptr) colour += a.background[k] * behind;
      for (int c = 0; c < 3; ++c) sums[4 * c + k] += g[c] * colour;
    }
    for (int c = 0; c < 3; ++c) sums[4 * c + 3] += g[c];
    const f32 red = e[0] * g[0] + e[4] * g[1] + e[8] * g[2], green = e[1] * g[0] + e[5] * g[1] + e[9] * g[2],
              blue = e[2] * g[0] + e[6] * g[1] + e[10] * g[2];
    g[0] = red, g[1] = green, g[2] = blue;
    for (int c = 0; c < 3; ++c) store_some<kTail>(a.grad_rgb + c * plane + pixel, g[c], count);
  }
  if (a.background != nullptr) {
    for (int c = 0; c < 3; ++c) grad_alpha -= a.background[c] * g[c];
  }
  store_some<kTail>(a.grad_alpha + pixel, grad_alpha, count);
}

static void ingredient_row(Band& band, int i) {
  const PhotometricArgs a = band.args;
  const int64_t row = int64_t(i) * a.width;
  f32 sums[12] = {};
  along_row(
      a.width, [&](int j, int count) { ingredients<false>(a, row + j, count, sums); },
      [&](int j, int count) { ingredients<true>(a, row + j, count, sums); });
  if (a.exposure == nullptr) return;
  for (int k = 0; k < 12; ++k) band.sums[2 + k] += double(sum_lanes(sums[k]));
}

static void photometric_band(const PhotometricArgs& a, int index, float weight, float* scratch) {
  const int bands = photometric_bands(a.height), stride = photometric_stride(a.width);
  Band band{a,  int(int64_t(a.height) * index / bands), int(int64_t(a.height) * (index + 1) / bands),
            (a.width + kLanes - 1) / kLanes * kLanes, weight, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}};
  Ring* const rings[7] = {&band.x,       &band.y,             &band.squares,      &band.product,
                          &band.slope_x, &band.slope_squares, &band.slope_product};
  float* next = scratch + kPad;
  const auto take = [&](int rows) {
    float* const taken = next;
    next += int64_t(rows) * stride;
    return taken;
  };
  for (Ring* ring : rings) *ring = {take(kRingRows), stride};
  const float outside[7] = {-kSsimShift, -kSsimShift, kBlackSquares, kBlackProduct, 0, 0, 0};
  for (int k = 0; k < 7; ++k) {
    float* const rows = take(kRowsAtOnce);
    fill(rows - kPad, 0, kRowsAtOnce * stride, outside[k]);
    if (k < 4) band.means[k] = rows;
    if (k >= 4) band.blurred[k - 4] = rows;
  }
  for (int channel = 0; channel < 3; ++channel) {
    for (int i = band.first - 2 * kSsimRadius; i < band.last + 2 * kSsimRadius; i += kRowsAtOnce) {
      for (int r = 0; r < kRowsAtOnce; ++r) colour_row(band, channel, i + r);
      if (i >= band.first) slope_rows(band, i - kSsimRadius);
      if (i >= band.first + 2 * kSsimRadius) gradient_rows(band, channel, i - 2 * kSsimRadius);
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
