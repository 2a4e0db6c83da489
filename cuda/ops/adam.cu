// Adam on CUDA, a thread a Gaussian: a warp reads two lines of a plane, and a Gaussian that was not seen costs one flag.
#include "ops/moments_device.h"
#include "ops/splat.h"
#include "ops/updates_cuda.h"

namespace recon {
namespace {

using namespace simt;

constexpr int kThreads = 128;

struct Rates {
  RECON_ISA::AdamStep of_plane[kMaxAdamPlanes];
};

template <class Moments>
__global__ __launch_bounds__(kThreads) void step(AdamArgs a, Moments moments, Rates rates) {
  const int64_t gaussian = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (gaussian >= a.block_count * kBlock || (a.seen != nullptr && !a.seen[gaussian])) return;
  const int64_t first = gaussian / kBlock * a.planes * kBlock + gaussian % kBlock;
  for (int plane = 0; plane < a.planes; ++plane) {
    const int64_t i = first + plane * kBlock;
    adam_element(a.blocks, moments, i, a.grads[i], rates.of_plane[plane], uint32_t(a.step));
  }
}

}  // namespace

void cuda_adam_step(const AdamArgs& args, int8_t* codes_first, uint8_t* codes_second, uintptr_t stream) {
  Rates rates{};
  for (int plane = 0; plane < args.planes; ++plane)
    rates.of_plane[plane] =
        RECON_ISA::adam_at(args.step, double(args.learning_rates[plane]), args.beta1, args.beta2, args.epsilon);
  const dim3 blocks(blocks_for(args.block_count * kBlock, kThreads)), threads(kThreads);
  if (codes_first != nullptr)
    launch(step<CodedMoments>, blocks, threads, 0, stream_of(stream), args, CodedMoments{codes_first, codes_second}, rates);
  else
    launch(step<FloatMoments>, blocks, threads, 0, stream_of(stream), args, FloatMoments{args.first, args.second}, rates);
}

}  // namespace recon
