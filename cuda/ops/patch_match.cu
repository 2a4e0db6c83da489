// PatchMatch on CUDA, a thread a pixel; a sweep is a launch per colour of the checkerboard.
#include "ops/patch_match_body.h"
#include "ops/patch_match_cuda.h"
#include "simt.h"

namespace recon {
namespace {

using namespace simt;
using namespace RECON_ISA;

constexpr int kWide = 32, kHigh = 4;  // threads of a block: a warp reads along a row

__global__ __launch_bounds__(kWide* kHigh) void price(MatchArgs a) {
  const int column = int(blockIdx.x) * kWide + int(threadIdx.x), row = int(blockIdx.y) * kHigh + int(threadIdx.y);
  if (column < a.width && row < a.height) price_pixel<float>(a, column, row);
}

__global__ __launch_bounds__(kWide* kHigh) void sweep(MatchArgs a, int colour) {
  const int row = int(blockIdx.y) * kHigh + int(threadIdx.y);
  const int column = 2 * (int(blockIdx.x) * kWide + int(threadIdx.x)) + ((row + colour) & 1);
  if (column < a.width && row < a.height) sweep_pixel<float>(a, column, row);
}

dim3 grid(int columns, int rows) { return dim3(blocks_for(columns, kWide), blocks_for(rows, kHigh)); }

}  // namespace

void cuda_match_costs(const MatchArgs& args, uintptr_t stream) {
  launch(price, grid(args.width, args.height), dim3(kWide, kHigh), 0, stream_of(stream), args);
}

void cuda_match_sweep(const MatchArgs& args, uintptr_t stream) {
  for (int colour = 0; colour < 2; ++colour)
    launch(sweep, grid((args.width + 1) / 2, args.height), dim3(kWide, kHigh), 0, stream_of(stream), args, colour);
}

}  // namespace recon
