// Adam for tables on CUDA, a thread a number: one without a gradient costs the look at it.
#include "math/adam.h"
#include "ops/radiance_cuda.h"
#include "simt.h"

namespace recon {
namespace {

using namespace simt;

constexpr int kThreads = 256;

__global__ __launch_bounds__(kThreads) void step(SparseAdamArgs a, RECON_ISA::AdamStep rates) {
  const int64_t i = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= a.count) return;
  const float g = a.table_grad[i];
  if (g == 0) return;  // one that is no number counts: it must show
  float p = a.tables[i], m = a.first[i], v = a.second[i];
  RECON_ISA::adam(p, m, v, g, rates);
  a.tables[i] = p, a.first[i] = m, a.second[i] = v;
  a.table_grad[i] = 0;
}

}  // namespace

void cuda_sparse_adam(const SparseAdamArgs& args) {
  const auto rates = RECON_ISA::adam_at(args.step, args.learning_rate, args.beta1, args.beta2, args.epsilon);
  launch(step, dim3(blocks_for(args.count, kThreads)), dim3(kThreads), 0, stream_of(args.stream), args, rates);
}

}  // namespace recon
