// MCMC density control on CUDA, a thread a Gaussian.
#include "math/mcmc.h"

#include "math/philox.h"
#include "ops/splat.h"
#include "ops/updates_cuda.h"
#include "simt.h"

namespace recon {
namespace {

using namespace simt;
using namespace RECON_ISA;

constexpr int kThreads = 128;
constexpr float kLeastStrength = 1e-10f, kPadding = -1e3f;  // as on the CPU

__global__ __launch_bounds__(kThreads) void shake(NoiseArgs a) {
  const int64_t gaussian = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (gaussian >= a.block_count * kBlock) return;
  float* const at = a.blocks + gaussian / kBlock * a.planes * kBlock + gaussian % kBlock;
  const auto plane = [at](int i) { return at[i * kBlock]; };
  const float logit = plane(kOpacity), strength = noise_strength(logit);
  if (!(strength >= kLeastStrength && logit >= kPadding)) return;
  const Random4<uint32_t> random = philox<uint32_t>({uint32_t(gaussian), uint32_t(a.step), uint32_t(a.step >> 32), 0},
                                                    uint32_t(a.seed), uint32_t(a.seed >> 32));
  Vec3<float> normal;
  float unused;
  normals(random.a, random.b, normal.x, normal.y);
  normals(random.c, random.d, normal.z, unused);
  const Vec3<float> noise = shape_noise<float>({plane(kLogScale), plane(kLogScale + 1), plane(kLogScale + 2)},
                                               {plane(kQuat), plane(kQuat + 1), plane(kQuat + 2), plane(kQuat + 3)}, normal);
  const float amount = a.scale * strength;
  at[kMean * kBlock] += amount * noise.x;
  at[(kMean + 1) * kBlock] += amount * noise.y;
  at[(kMean + 2) * kBlock] += amount * noise.z;
}

__global__ __launch_bounds__(kThreads) void share_out(RelocateArgs a) {
  const int64_t i = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= a.count) return;
  const Relocation to = relocate(double(a.opacities[i]), int(a.copies[i]));
  a.new_opacities[i] = float(to.opacity);
  for (int axis = 0; axis < 3; ++axis) a.new_scales[3 * i + axis] = float(a.scales[3 * i + axis] * to.scale);
}

}  // namespace

void cuda_mcmc_noise(const NoiseArgs& args, uintptr_t stream) {
  launch(shake, dim3(blocks_for(args.block_count * kBlock, kThreads)), dim3(kThreads), 0, stream_of(stream), args);
}

void cuda_mcmc_relocate(const RelocateArgs& args, uintptr_t stream) {
  launch(share_out, dim3(blocks_for(args.count, kThreads)), dim3(kThreads), 0, stream_of(stream), args);
}

}  // namespace recon
