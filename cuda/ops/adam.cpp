// One block after another; a block in which nothing was seen costs one look at its sixteen flags.
#include "ops/adam.h"

#include "math/adam.h"
#include "ops/entry_points.h"

namespace recon::RECON_ISA {

static void adam_block(const AdamArgs& a, const AdamStep* steps, int64_t block) {
  uint32_t seen = 0xffff;
  if (a.seen != nullptr) {
    seen = 0;
    for (int i = 0; i < kBlock; ++i) seen |= uint32_t(a.seen[block * kBlock + i]) << i;
    if (seen == 0) return;
  }
  for (int plane = 0; plane < a.planes; ++plane) {
    for (int lane = 0; lane < kBlock; lane += kLanes) {
      const int64_t at = (block * a.planes + plane) * kBlock + lane;
      const Mask<f32> moves = mask_of(seen >> lane);
      const f32 p0 = load(a.blocks + at), m0 = load(a.first + at), v0 = load(a.second + at);
      f32 p = p0, m = m0, v = v0;
      adam(p, m, v, load(a.grads + at), steps[plane]);
      store(a.blocks + at, where(moves, p, p0));
      store(a.first + at, where(moves, m, m0));
      store(a.second + at, where(moves, v, v0));
    }
  }
}

void adam_step(const AdamArgs& a) {
  AdamStep steps[kMaxAdamPlanes];
  for (int plane = 0; plane < a.planes; ++plane) {
    steps[plane] = adam_at(a.step, double(a.learning_rates[plane]), a.beta1, a.beta2, a.epsilon);
  }
#pragma omp parallel for num_threads(a.threads) schedule(static)
  for (int64_t block = 0; block < a.block_count; ++block) adam_block(a, steps, block);
}

}  // namespace recon::RECON_ISA
