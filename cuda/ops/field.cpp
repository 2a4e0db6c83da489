// Both networks on a block of samples at a time; what lies between them never leaves the cache. On the way back only
// samples that have a gradient are computed: those behind a surface have none.
#include "ops/field.h"

#include "ops/entry_points.h"
#include "ops/network.h"

namespace recon::RECON_ISA {

// A thread's memory for one block.
struct FieldBlock {
  Activations density, colour;
  Floats encoded, joined, rgb_grads, density_grads;
  int32_t samples[kTogether];
  int count = 0;

  bool in_a_row() const { return samples[count - 1] - samples[0] == count - 1; }
  explicit FieldBlock(const FieldArgs& a) : density(a.density, a.bf16), colour(a.colour, a.bf16) {
    encoded.resize(int64_t(a.density.inputs()) * kTogether);
    joined.resize(int64_t(a.colour.inputs()) * kTogether);
    rgb_grads.resize(3 * kTogether);
    density_grads.resize(int64_t(a.density.outputs()) * kTogether);
  }
};

static void gather_planes(const float* planes, int count, int64_t stride, const FieldBlock& b, float* block) {
  if (b.in_a_row()) return take_block(planes + b.samples[0], count, stride, b.count, block);
  for (int i = 0; i < count; ++i) {
    const float* const plane = planes + i * stride;
    float* const to = block + int64_t(i) * kTogether;
    for (int at = 0; at < b.count; ++at) to[at] = plane[b.samples[at]];
    for (int at = b.count; at < kTogether; ++at) to[at] = 0;
  }
}
static void scatter_planes(const float* block, int count, int64_t stride, const FieldBlock& b, float* planes) {
  if (b.in_a_row()) return put_block(block, count, stride, b.count, planes + b.samples[0]);
  for (int i = 0; i < count; ++i) {
    float* const plane = planes + i * stride;
    for (int at = 0; at < b.count; ++at) plane[b.samples[at]] = block[int64_t(i) * kTogether + at];
  }
}

// Calls use(ray, begin, end) for each stretch of the block's samples on one ray.
template <class Use>
static void for_each_ray(const FieldArgs& a, const FieldBlock& b, const Use& use) {
  for (int begin = 0, end = 0; begin < b.count; begin = end) {
    const int32_t ray = a.rays[b.samples[begin]];
    while (end < b.count && a.rays[b.samples[end]] == ray) ++end;
    use(ray, begin, end);
  }
}

static const float* forward_block(const FieldArgs& a, const Network& density, const Network& colour, FieldBlock& b) {
  gather_planes(a.encoded, a.density.inputs(), a.stride, b, b.encoded.data);
  const float* const geometry = density.forward(b.encoded.data, kTogether, b.density);
  for_each_ray(a, b, [&](int32_t ray, int begin, int end) {
    const float* const features = a.ray_features + int64_t(ray) * a.ray_width;
    for (int i = 0; i < a.ray_width; ++i) {
      float* const plane = b.joined.data + int64_t(i) * kTogether;
      for (int at = begin; at < end; ++at) plane[at] = features[i];
    }
  });
  memcpy(b.joined.data + int64_t(a.ray_width) * kTogether, geometry, 4 * size_t(a.density.outputs()) * kTogether);
  return colour.forward(b.joined.data, kTogether, b.colour);
}

void field_forward(const FieldArgs& a) {
  const Network density(a.density, a.density_weights, false, a.bf16), colour(a.colour, a.colour_weights, false, a.bf16);
#pragma omp parallel num_threads(a.threads)
  {
    FieldBlock b(a);
#pragma omp for schedule(static)
    for (int64_t at = 0; at < a.n; at += kTogether) {
      const int64_t left = a.n - at;
      b.count = int(left < kTogether ? left : kTogether);
      for (int i = 0; i < b.count; ++i) b.samples[i] = int32_t(at) + i;
      const float* const rgb = forward_block(a, density, colour, b);
      put_block(b.density.layers[a.density.layers - 1].data, 1, a.n, left, a.raw_density + at);
      put_block(rgb, 3, a.n, left, a.raw_rgb + at);
    }
  }
}

// One part's samples on the way back. A ray that may go on in the next part, or came from the last one, is summed apart.
struct FieldPart {
  Part samples;
  float *density_sums, *colour_sums, *borders;
};

static float* ray_sums(const FieldArgs& a, const FieldPart& part, int32_t ray) {
  if (ray == a.rays[part.samples.begin]) return part.borders;
  if (ray == a.rays[part.samples.end - 1]) return part.borders + a.ray_width;
  return a.ray_grads + int64_t(ray) * a.ray_width;
}

static void backward_block(const FieldArgs& a, const Network& density, const Network& colour, const FieldPart& part,
                           FieldBlock& b) {
  if (b.count == 0) return;
  forward_block(a, density, colour, b);
  gather_planes(a.rgb_grads, 3, a.n, b, b.rgb_grads.data);
  const float* const joined = colour.backward(b.joined.data, kTogether, b.rgb_grads.data, b.colour, part.colour_sums);
  for_each_ray(a, b, [&](int32_t ray, int begin, int end) {
    float* const sums = ray_sums(a, part, ray);
    for (int i = 0; i < a.ray_width; ++i) {
      const float* const plane = joined + int64_t(i) * kTogether;
      float sum = 0;
      for (int at = begin; at < end; ++at) sum += plane[at];
      sums[i] += sum;
    }
  });
  memcpy(b.density_grads.data, joined + int64_t(a.ray_width) * kTogether, 4 * size_t(a.density.outputs()) * kTogether);
  for (int at = 0; at < b.count; ++at) b.density_grads.data[at] += a.density_grads[b.samples[at]];
  const float* const encoded =
      density.backward(b.encoded.data, kTogether, b.density_grads.data, b.density, part.density_sums);
  scatter_planes(encoded, a.density.inputs(), a.stride, b, a.encoded_grads);
  b.count = 0;
}

static void backward_part(const FieldArgs& a, const Network& density, const Network& colour, const FieldPart& part,
                          FieldBlock& b) {
  const int64_t begin = part.samples.begin, end = part.samples.end;
  for (int i = 0; i < a.density.inputs(); ++i) {
    memset(a.encoded_grads + i * a.stride + begin, 0, 4 * size_t(end - begin));
  }
  const float *const red = a.rgb_grads, *const green = red + a.n, *const blue = green + a.n;
  for (int64_t at = begin; at < end; ++at) {
    if (a.density_grads[at] == 0 && red[at] == 0 && green[at] == 0 && blue[at] == 0) continue;
    b.samples[b.count++] = int32_t(at);
    if (b.count == kTogether) backward_block(a, density, colour, part, b);
  }
  backward_block(a, density, colour, part, b);
}

int64_t field_workspace(const FieldArgs& a) {
  return network_parts(a.n) * (a.density.weights() + a.colour.weights() + 2 * a.ray_width);
}

void field_backward(const FieldArgs& a) {
  const Network density(a.density, a.density_weights, true, a.bf16), colour(a.colour, a.colour_weights, true, a.bf16);
  const int64_t parts = network_parts(a.n), of_density = a.density.weights(), of_colour = a.colour.weights();
  // Gradients of the weights by parts, and what the first and the last ray of a part get from it.
  float *const partial = a.workspace, *const colour_partial = partial + parts * of_density;
  float* const borders = colour_partial + parts * of_colour;
  memset(a.workspace, 0, 4 * size_t(field_workspace(a)));
#pragma omp parallel num_threads(a.threads)
  {
    FieldBlock b(a);
#pragma omp for schedule(dynamic)
    for (int64_t i = 0; i < parts; ++i) {
      const FieldPart part = {network_part(a.n, i), partial + i * of_density, colour_partial + i * of_colour,
                              borders + i * 2 * a.ray_width};
      backward_part(a, density, colour, part, b);
    }
  }
  add_parts(partial, parts, of_density, a.density_weight_grads);
  add_parts(colour_partial, parts, of_colour, a.colour_weight_grads);
  for (int64_t i = 0; i < parts; ++i) {
    const Part samples = network_part(a.n, i);
    for (int end = 0; end < 2; ++end) {
      const int32_t ray = a.rays[end == 0 ? samples.begin : samples.end - 1];
      const float* const border = borders + (2 * i + end) * a.ray_width;
      for (int k = 0; k < a.ray_width; ++k) a.ray_grads[int64_t(ray) * a.ray_width + k] += border[k];
    }
  }
}

}  // namespace recon::RECON_ISA
