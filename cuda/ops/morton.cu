// Places of points on a Z curve, on CUDA: Gaussians sorted by them share blocks with their neighbours.
#include "math/number.h"
#include "ops/updates_cuda.h"
#include "simt.h"

namespace recon {
namespace {

using namespace simt;

constexpr int kThreads = 128;
constexpr float kLastCell = 1023.0f;

// The ten bits of a cell's number, two zeros between each and the next (Morton 1966).
RECON_DEVICE uint32_t spread(uint32_t cell) {
  cell = (cell | cell << 16) & 0x030000ffu;
  cell = (cell | cell << 8) & 0x0300f00fu;
  cell = (cell | cell << 4) & 0x030c30c3u;
  return (cell | cell << 2) & 0x09249249u;
}

__global__ __launch_bounds__(kThreads) void codes(MortonArgs a) {
  const int64_t i = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= a.count) return;
  uint32_t code = 0;
  for (int axis = 0; axis < 3; ++axis) {
    const float size = RECON_ISA::max_of(a.high[axis] - a.low[axis], 1e-12f);
    const float cell = (a.means[3 * i + axis] - a.low[axis]) / size * kLastCell;
    code |= spread(uint32_t(RECON_ISA::clamp_to(cell >= 0.0f ? cell : 0.0f, 0.0f, kLastCell))) << axis;  // 0 for no number
  }
  a.codes[i] = int64_t(code);
}

}  // namespace

void cuda_morton_codes(const MortonArgs& args, uintptr_t stream) {
  launch(codes, dim3(blocks_for(args.count, kThreads)), dim3(kThreads), 0, stream_of(stream), args);
}

}  // namespace recon
