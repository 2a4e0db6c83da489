// What a step of Gaussians brings besides the view, checked and described: the same on each device.
#pragma once
#include "bindings.h"

namespace recon {

template <class On>
struct StepArguments {
  template <class T, size_t N>
  using Array = typename On::template Array<T, N>;
  template <class T, size_t N>
  using Optional = std::optional<Array<T, N>>;

  template <class T>
  static bool is_image(const Optional<T, 2>& image, size_t height, size_t width) {
    return !image.has_value() || (image->shape(0) == height && image->shape(1) == width);
  }

  static PhotometricArgs photometric(const Array<const float, 3>& rgb, const Array<const float, 2>& alpha,
                                     const Array<const uint8_t, 3>& target, const Optional<const float, 1>& background,
                                     const Optional<const float, 2>& exposure,
                                     const Optional<const uint8_t, 2>& target_alpha,
                                     const Optional<const uint8_t, 2>& mask, float ssim_weight,
                                     const Array<float, 3>& grad_rgb, const Array<float, 2>& grad_alpha,
                                     const Optional<float, 2>& grad_exposure, const Array<float, 1>& losses) {
    const size_t height = alpha.shape(0), width = alpha.shape(1);
    expect(height > 0 && width > 0, "the image is empty");
    for (int i = 0; i < 3; ++i) {
      const size_t size = i == 0 ? 3 : alpha.shape(i - 1);
      expect(rgb.shape(i) == size && target.shape(i) == size && grad_rgb.shape(i) == size, "images differ in size");
    }
    expect(grad_alpha.shape(0) == height && grad_alpha.shape(1) == width && is_image(target_alpha, height, width) &&
               is_image(mask, height, width),
           "images differ in size");
    expect(!background.has_value() || background->shape(0) == 3, "background must be [3]");
    expect(exposure.has_value() == grad_exposure.has_value(), "exposure and its gradient go together");
    expect(!exposure.has_value() || (exposure->size() == 12 && grad_exposure->size() == 12), "exposure must be [3, 4]");
    expect(losses.shape(0) == 3, "there are three losses");
    PhotometricArgs a{};
    a.width = int(width), a.height = int(height);
    a.rgb = rgb.data(), a.alpha = alpha.data(), a.target = target.data();
    a.background = data_or_null(background), a.exposure = data_or_null(exposure);
    a.target_alpha = data_or_null(target_alpha), a.mask = data_or_null(mask);
    a.ssim_weight = ssim_weight;
    a.grad_rgb = grad_rgb.data(), a.grad_alpha = grad_alpha.data(), a.grad_exposure = data_or_null(grad_exposure);
    a.losses = losses.data();
    return a;
  }

  // Without the moments, which are floats or codes. The learning rates are in host memory.
  template <class First, class Second>
  static AdamArgs adam(const Array<float, 3>& blocks, const Array<First, 3>& first, const Array<Second, 3>& second,
                       const Array<const float, 3>& grads, const recon::Array<const float, 1>& learning_rates,
                       const Optional<const bool, 1>& seen, int64_t step, double beta1, double beta2, double epsilon) {
    for (int i = 0; i < 3; ++i)
      expect(blocks.shape(i) == grads.shape(i) && first.shape(i) == grads.shape(i) && second.shape(i) == grads.shape(i) &&
                 blocks.shape(2) == kBlock,
             "blocks, gradients and moments must all be [b, c, 16]");
    expect(blocks.shape(1) <= kMaxAdamPlanes && learning_rates.shape(0) == blocks.shape(1),
           "one learning rate per plane is needed");
    expect(!seen.has_value() || seen->shape(0) == blocks.shape(0) * kBlock, "one flag per Gaussian is needed");
    expect(step >= 1, "step counts from 1");
    AdamArgs a{};
    a.blocks = blocks.data(), a.grads = grads.data();
    a.learning_rates = learning_rates.data(), a.seen = data_or_null(seen);
    a.block_count = int64_t(blocks.shape(0)), a.step = step, a.planes = int(blocks.shape(1));
    a.beta1 = beta1, a.beta2 = beta2, a.epsilon = epsilon;
    return a;
  }

  static NoiseArgs noise(const Array<float, 3>& blocks, float scale, uint64_t seed, uint64_t step) {
    expect(blocks.shape(1) > kOpacity && blocks.shape(2) == kBlock, "blocks must be [b, c, 16]");
    NoiseArgs a{};
    a.blocks = blocks.data(), a.block_count = int64_t(blocks.shape(0)), a.planes = int(blocks.shape(1));
    a.scale = scale, a.seed = seed, a.step = step;
    return a;
  }

  static RelocateArgs relocation(const Array<const float, 1>& opacities, const Array<const float, 2>& scales,
                                 const Array<const int64_t, 1>& copies, const Array<float, 1>& new_opacities,
                                 const Array<float, 2>& new_scales) {
    const size_t count = opacities.shape(0);
    expect(scales.shape(0) == count && scales.shape(1) == 3 && copies.shape(0) == count &&
               new_opacities.shape(0) == count && new_scales.shape(0) == count && new_scales.shape(1) == 3,
           "opacities, scales and copies differ in number");
    RelocateArgs a{};
    a.opacities = opacities.data(), a.scales = scales.data(), a.copies = copies.data(), a.count = int64_t(count);
    a.new_opacities = new_opacities.data(), a.new_scales = new_scales.data();
    return a;
  }
};

}  // namespace recon
