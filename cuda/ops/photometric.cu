// The photometric loss on CUDA, a block of threads a square of pixels, in two passes over the image: window means of the
// colours, hence SSIM and its slopes; window means of the slopes, hence the gradient. Each pass blurs along rows, then along
// columns, in shared memory, with a margin of the window's radius around the square.
#include "math/ssim.h"
#include "ops/photometric_cuda.h"
#include "simt.h"

namespace recon {
namespace {

using namespace simt;
using namespace RECON_ISA;

constexpr int kSide = 16, kThreads = kSide * kSide;
constexpr int kReach = kSide + 2 * kSsimRadius;  // of a square and its margin
constexpr int kExposureSums = 12;

// Sums of a block in the gradient's pass, and of one channel of a block in the slopes' pass.
struct BlockSums {
  double l1, exposure[kExposureSums];
};

struct Loss {
  PhotometricArgs args;
  unsigned long long* mask_total;
  float* weight;       // of a pixel that the mask lets through, in the means over the image
  float* slopes[3];    // [3 h w] each, weighted
  double* unlike;      // [3][squares]
  BlockSums* sums;     // [squares]
  int squares_x, squares_y;
};

RECON_DEVICE float share(uint8_t v) { return float(v) / 255.0f; }

// One channel of the compared colours at a pixel, shifted; see the CPU's.
struct Colours {
  float x, y;
};
RECON_DEVICE Colours colours(const PhotometricArgs& a, int channel, int64_t pixel) {
  const int64_t plane = int64_t(a.width) * a.height;
  const float* e = a.exposure == nullptr ? nullptr : a.exposure + 4 * channel;
  Colours c;
  c.x = e == nullptr ? a.rgb[pixel + channel * plane] - kSsimShift
                     : e[0] * a.rgb[pixel] + e[1] * a.rgb[pixel + plane] + e[2] * a.rgb[pixel + 2 * plane] + (e[3] - kSsimShift);
  float target_behind = 0.0f;
  if (a.background != nullptr) {
    const float* b = a.background;
    target_behind = b[channel];
    c.x += (e == nullptr ? b[channel] : e[0] * b[0] + e[1] * b[1] + e[2] * b[2]) * (1.0f - a.alpha[pixel]);
  }
  c.y = share(a.target[pixel + channel * plane]);
  if (a.target_alpha != nullptr) {
    const float cover = share(a.target_alpha[pixel]);
    c.y = c.y * cover + target_behind * (1.0f - cover);
  }
  c.y -= kSsimShift;
  return c;
}

RECON_DEVICE float pixel_weight(const Loss& loss, int64_t pixel) {
  return loss.args.mask == nullptr ? *loss.weight : share(loss.args.mask[pixel]) * *loss.weight;
}

__global__ __launch_bounds__(kThreads) void sum_mask(Loss loss) {
  SHARED_ARRAY(unsigned, scratch, kWarp);
  const int64_t pixels = int64_t(loss.args.width) * loss.args.height, at = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  const unsigned sum = block_sum(at < pixels ? unsigned(loss.args.mask[at]) : 0u, scratch);
  if (threadIdx.x == 0) atomic_add(*loss.mask_total, (unsigned long long)(sum));
}

__global__ void find_weight(Loss loss) {
  const double total = loss.args.mask != nullptr ? double(*loss.mask_total) / 255
                                                 : double(loss.args.width) * double(loss.args.height);
  *loss.weight = total > 0 ? float(1 / (3 * total)) : 0.0f;
}

// Where a thread's i-th element of the square with its margin lies in the image.
struct Place {
  int x, y;
  RECON_DEVICE bool inside(const PhotometricArgs& a) const { return x >= 0 && y >= 0 && x < a.width && y < a.height; }
  RECON_DEVICE int64_t pixel(const PhotometricArgs& a) const { return int64_t(y) * a.width + x; }
};
RECON_DEVICE Place place_of(int i) {
  return {int(blockIdx.x) * kSide - kSsimRadius + i % kReach, int(blockIdx.y) * kSide - kSsimRadius + i / kReach};
}
RECON_DEVICE Place my_place() {
  return {int(blockIdx.x) * kSide + thread_rank() % kSide, int(blockIdx.y) * kSide + thread_rank() / kSide};
}
RECON_DEVICE float tap(int offset) { return ssim_tap(offset < 0 ? -offset : offset); }

__global__ __launch_bounds__(kThreads) void slopes(Loss loss) {
  SHARED_ARRAY(float2, images, kReach* kReach);
  SHARED_ARRAY(float4, rows, kReach* kSide);
  SHARED_ARRAY(double, scratch, kWarp);
  const PhotometricArgs& a = loss.args;
  const int channel = int(blockIdx.z);
  for (int i = thread_rank(); i < kReach * kReach; i += kThreads) {
    const Place at = place_of(i);
    Colours c = {-kSsimShift, -kSsimShift};  // beyond the border the images are black
    if (at.inside(a)) c = colours(a, channel, at.pixel(a));
    images[i] = make_float2(c.x, c.y);
  }
  block_sync();
  for (int i = thread_rank(); i < kReach * kSide; i += kThreads) {
    float4 sum = make_float4(0, 0, 0, 0);
#pragma unroll
    for (int k = -kSsimRadius; k <= kSsimRadius; ++k) {
      const float2 v = images[i / kSide * kReach + i % kSide + kSsimRadius + k];
      const float w = tap(k);
      sum.x += w * v.x, sum.y += w * v.y, sum.z += w * (v.x * v.x + v.y * v.y), sum.w += w * (v.x * v.y);
    }
    rows[i] = sum;
  }
  block_sync();
  SsimMeans<float> means{};
#pragma unroll
  for (int k = 0; k < kSsimTaps; ++k) {
    const float4 v = rows[thread_rank() + k * kSide];
    const float w = tap(k - kSsimRadius);
    means.x += w * v.x, means.y += w * v.y, means.squares += w * v.z, means.product += w * v.w;
  }
  const Place at = my_place();
  double unlike = 0;
  if (at.inside(a)) {
    SsimSlopes<float> slope;
    const int64_t pixel = at.pixel(a), out = pixel + channel * int64_t(a.width) * a.height;
    const float weight = pixel_weight(loss, pixel), slope_weight = weight * -a.ssim_weight;
    unlike = double(weight * (1.0f - ssim_with_slopes(means, slope)));
    loss.slopes[0][out] = slope.x * slope_weight;
    loss.slopes[1][out] = slope.squares * slope_weight;
    loss.slopes[2][out] = slope.product * slope_weight;
  }
  unlike = block_sum(unlike, scratch);
  const int square = int(blockIdx.y) * loss.squares_x + int(blockIdx.x);
  if (thread_rank() == 0) loss.unlike[int64_t(channel) * loss.squares_x * loss.squares_y + square] = unlike;
}

// The gradient in the composed and exposed colours of one channel, and the pixel's share of the mean distance.
template <class Slopes, class Rows>
RECON_DEVICE float channel_gradient(const Loss& loss, int channel, Slopes& slopes, Rows& rows, float& l1) {
  const PhotometricArgs& a = loss.args;
  const int64_t plane = int64_t(a.width) * a.height;
  for (int i = thread_rank(); i < kReach * kReach; i += kThreads) {
    const Place at = place_of(i);
    SsimSlopes<float> slope{};
    if (at.inside(a)) {
      const int64_t from = at.pixel(a) + channel * plane;
      slope = {loss.slopes[0][from], loss.slopes[1][from], loss.slopes[2][from]};
    }
    slopes[i] = slope;
  }
  block_sync();
  for (int i = thread_rank(); i < kReach * kSide; i += kThreads) {
    SsimSlopes<float> sum{};
#pragma unroll
    for (int k = -kSsimRadius; k <= kSsimRadius; ++k) {
      const SsimSlopes<float> v = slopes[i / kSide * kReach + i % kSide + kSsimRadius + k];
      const float w = tap(k);
      sum.x += w * v.x, sum.squares += w * v.squares, sum.product += w * v.product;
    }
    rows[i] = sum;
  }
  block_sync();
  SsimSlopes<float> blurred{};
#pragma unroll
  for (int k = 0; k < kSsimTaps; ++k) {
    const SsimSlopes<float> v = rows[thread_rank() + k * kSide];
    const float w = tap(k - kSsimRadius);
    blurred.x += w * v.x, blurred.squares += w * v.squares, blurred.product += w * v.product;
  }
  const Place at = my_place();
  if (!at.inside(a)) return 0.0f;
  const Colours c = colours(a, channel, at.pixel(a));
  const float difference = c.x - c.y, weight = pixel_weight(loss, at.pixel(a)), l1_weight = weight * (1.0f - a.ssim_weight);
  l1 += weight * absolute(difference);
  const float sign = difference < 0.0f ? -l1_weight : difference > 0.0f ? l1_weight : 0.0f;
  return sign + ssim_vjp(c.x, c.y, blurred);
}

// From the gradient `g` in the composed and exposed colours to those of their ingredients.
RECON_DEVICE void ingredients(const PhotometricArgs& a, int64_t pixel, float* g, float* exposure_sums) {
  const int64_t plane = int64_t(a.width) * a.height;
  if (a.exposure != nullptr) {
    const float* e = a.exposure;
    const float behind = a.background == nullptr ? 0.0f : 1.0f - a.alpha[pixel];
    for (int k = 0; k < 3; ++k) {
      const float colour = a.rgb[k * plane + pixel] + (a.background == nullptr ? 0.0f : a.background[k] * behind);
      for (int c = 0; c < 3; ++c) exposure_sums[4 * c + k] = g[c] * colour;
    }
    for (int c = 0; c < 3; ++c) exposure_sums[4 * c + 3] = g[c];
    const float red = e[0] * g[0] + e[4] * g[1] + e[8] * g[2], green = e[1] * g[0] + e[5] * g[1] + e[9] * g[2],
                blue = e[2] * g[0] + e[6] * g[1] + e[10] * g[2];
    g[0] = red, g[1] = green, g[2] = blue;
  }
  float grad_alpha = 0.0f;
  for (int c = 0; c < 3; ++c) {
    if (a.background != nullptr) grad_alpha -= a.background[c] * g[c];
    a.grad_rgb[c * plane + pixel] = g[c];
  }
  a.grad_alpha[pixel] = grad_alpha;
}

__global__ __launch_bounds__(kThreads) void gradient(Loss loss) {
  SHARED_ARRAY(SsimSlopes<float>, slopes, kReach* kReach);
  SHARED_ARRAY(SsimSlopes<float>, rows, kReach* kSide);
  SHARED_ARRAY(double, scratch, kWarp);
  const PhotometricArgs& a = loss.args;
  float g[3], l1 = 0.0f, exposure_sums[kExposureSums] = {};
#pragma unroll
  for (int channel = 0; channel < 3; ++channel) {
    g[channel] = channel_gradient(loss, channel, slopes, rows, l1);
  }
  const Place at = my_place();
  if (at.inside(a)) ingredients(a, at.pixel(a), g, exposure_sums);
  BlockSums sums{};
  sums.l1 = block_sum(double(l1), scratch);
  for (int k = 0; k < kExposureSums && a.exposure != nullptr; ++k) {
    block_sync();
    sums.exposure[k] = block_sum(double(exposure_sums[k]), scratch);
  }
  if (thread_rank() == 0) loss.sums[int(blockIdx.y) * loss.squares_x + int(blockIdx.x)] = sums;
}

// Adds up what the blocks left: one block, always in the same order.
__global__ __launch_bounds__(kThreads) void finish(Loss loss) {
  SHARED_ARRAY(double, scratch, kWarp);
  const PhotometricArgs& a = loss.args;
  const int squares = loss.squares_x * loss.squares_y;
  double l1 = 0, unlike = 0;
  for (int i = thread_rank(); i < squares; i += kThreads) l1 += loss.sums[i].l1;
  for (int i = thread_rank(); i < 3 * squares; i += kThreads) unlike += loss.unlike[i];
  l1 = block_sum(l1, scratch);
  block_sync();
  unlike = block_sum(unlike, scratch);
  if (thread_rank() == 0) {
    a.losses[0] = float(l1);
    a.losses[1] = float(1 - unlike);
    a.losses[2] = float((1 - double(a.ssim_weight)) * l1 + double(a.ssim_weight) * unlike);
  }
  if (a.grad_exposure == nullptr) return;
  for (int k = 0; k < kExposureSums; ++k) {
    double sum = 0;
    for (int i = thread_rank(); i < squares; i += kThreads) sum += loss.sums[i].exposure[k];
    block_sync();
    sum = block_sum(sum, scratch);
    if (thread_rank() == 0) a.grad_exposure[k] = float(sum);
  }
}

// The loss with its scratch memory in place; how much that is.
Loss lay_out(const PhotometricArgs& args, void* workspace, size_t* bytes) {
  Loss loss{};
  loss.args = args;
  loss.squares_x = (args.width + kSide - 1) / kSide, loss.squares_y = (args.height + kSide - 1) / kSide;
  const size_t squares = size_t(loss.squares_x) * size_t(loss.squares_y);
  const uintptr_t base = reinterpret_cast<uintptr_t>(workspace);
  size_t used = 0;
  const auto take = [&](size_t count) {
    const uintptr_t at = base + used;
    if (base != 0) guard(reinterpret_cast<void*>(at), count);
    used += (count + kGuardBytes + 255) / 256 * 256;
    return at;
  };
  loss.mask_total = reinterpret_cast<unsigned long long*>(take(sizeof(unsigned long long)));
  loss.weight = reinterpret_cast<float*>(take(sizeof(float)));
  loss.unlike = reinterpret_cast<double*>(take(3 * squares * sizeof(double)));
  loss.sums = reinterpret_cast<BlockSums*>(take(squares * sizeof(BlockSums)));
  for (float*& map : loss.slopes)
    map = reinterpret_cast<float*>(take(3 * size_t(args.width) * size_t(args.height) * sizeof(float)));
  if (bytes != nullptr) *bytes = used;
  return loss;
}

}  // namespace

size_t cuda_photometric_bytes(int width, int height) {
  PhotometricArgs args{};
  args.width = width, args.height = height;
  size_t bytes = 0;
  lay_out(args, nullptr, &bytes);
  return bytes;
}

void cuda_photometric(const PhotometricArgs& args, void* workspace, uintptr_t stream) {
  const Loss loss = lay_out(args, workspace, nullptr);
  const cudaStream_t on = stream_of(stream);
  const unsigned columns = unsigned(loss.squares_x), rows = unsigned(loss.squares_y);
  if (args.mask != nullptr) {
    set_bytes(loss.mask_total, 0, sizeof(*loss.mask_total), on);
    launch(sum_mask, dim3(blocks_for(int64_t(args.width) * args.height, kThreads)), dim3(kThreads), 0, on, loss);
  }
  launch(find_weight, dim3(1), dim3(1), 0, on, loss);
  launch(slopes, dim3(columns, rows, 3), dim3(kThreads), 0, on, loss);
  launch(gradient, dim3(columns, rows), dim3(kThreads), 0, on, loss);
  launch(finish, dim3(1), dim3(kThreads), 0, on, loss);
}

}  // namespace recon
