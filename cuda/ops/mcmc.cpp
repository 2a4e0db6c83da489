#include "ops/mcmc.h"

#include "math/mcmc.h"
#include "math/philox.h"
#include "ops/entry_points.h"

namespace recon::RECON_ISA {

// Weaker noise is left out, which saves most of the work once most Gaussians are opaque: it would move a Gaussian as
// wide as the scene by less than a float of the scene's size can tell.
static constexpr float kLeastStrength = 1e-10f;
static constexpr float kPadding = -1e3f;  // opacity logits below are those of a block's unused places

static void shake(const NoiseArgs& a, int64_t block, int lane) {
  float* const at = a.blocks + block * a.planes * kBlock + lane;
  const auto plane = [at](int i) { return load(at + i * kBlock); };
  const f32 logit = plane(kOpacity);
  const f32 strength = noise_strength(logit);
  const Mask<f32> moves = both(ge(strength, kLeastStrength), ge(logit, kPadding));
  if (lanes_of(moves) == 0) return;

  u32 index;
  for (int i = 0; i < kLanes; ++i) index[i] = uint32_t(block * kBlock + lane + i);
  const u32 zero{};
  const Random4<u32> random = philox<u32>({index, zero + uint32_t(a.step), zero + uint32_t(a.step >> 32), zero},
                                          uint32_t(a.seed), uint32_t(a.seed >> 32));
  Vec3<f32> normal;
  f32 unused;
  normals(random.a, random.b, normal.x, normal.y);
  normals(random.c, random.d, normal.z, unused);

  const Vec3<f32> noise = shape_noise<f32>({plane(kLogScale), plane(kLogScale + 1), plane(kLogScale + 2)},
                                           {plane(kQuat), plane(kQuat + 1), plane(kQuat + 2), plane(kQuat + 3)}, normal);
  const f32 amount = where(moves, a.scale * strength, 0.0f);
  store(at + kMean * kBlock, plane(kMean) + amount * noise.x);
  store(at + (kMean + 1) * kBlock, plane(kMean + 1) + amount * noise.y);
  store(at + (kMean + 2) * kBlock, plane(kMean + 2) + amount * noise.z);
}

void mcmc_noise(const NoiseArgs& a) {
#pragma omp parallel for num_threads(a.threads) schedule(static)
  for (int64_t block = 0; block < a.block_count; ++block) {
    for (int lane = 0; lane < kBlock; lane += kLanes) shake(a, block, lane);
  }
}

void mcmc_relocate(const RelocateArgs& a) {
  for (int64_t i = 0; i < a.count; ++i) {
    const Relocation to = relocate(double(a.opacities[i]), int(a.copies[i]));
    a.new_opacities[i] = float(to.opacity);
    for (int axis = 0; axis < 3; ++axis) a.new_scales[3 * i + axis] = float(a.scales[3 * i + axis] * to.scale);
  }
}

}  // namespace recon::RECON_ISA
