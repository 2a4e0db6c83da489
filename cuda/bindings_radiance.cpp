// The operators of radiance fields, in reading order. Arrays of samples are planar here: [values, samples].
#include <nanobind/stl/vector.h>

#include "bindings.h"

namespace recon {
namespace {

// --- hash_grid: positions to features --------------------------------------------------------------------------------

HashArgs describe(const std::vector<int>& resolutions, const std::vector<int64_t>& offsets,
                  const Array<const float, 2>& positions, const Maybe<const float, 1>& sigmas, int64_t entries,
                  int64_t planes) {
  HashArgs a{};
  a.levels.count = int(resolutions.size());
  expect(a.levels.count > 0 && a.levels.count <= kMaxLevels, "there may be 1 to 32 levels");
  expect(offsets.size() == resolutions.size() + 1 && offsets.back() == entries, "the tables are for another grid");
  for (int i = 0; i < a.levels.count; ++i) a.levels.resolution[i] = resolutions[size_t(i)];
  for (int i = 0; i <= a.levels.count; ++i) a.levels.offset[i] = offsets[size_t(i)];
  a.n = int64_t(positions.shape(1));
  expect(positions.shape(0) == 3, "positions must be [3, n]");
  expect(planes == 2 * a.levels.count, "there must be two features per level");
  expect(!sigmas.has_value() || int64_t(sigmas->shape(0)) == a.n, "there must be one sigma per sample");
  a.positions = positions.data(), a.sigmas = data_or_null(sigmas);
  return a;
}

void hash_encode(const std::vector<int>& resolutions, const std::vector<int64_t>& offsets,
                 Array<const float, 2> positions, Maybe<const float, 1> sigmas, Array<const float, 2> tables,
                 Array<float, 2> features, int threads) {
  HashArgs a = describe(resolutions, offsets, positions, sigmas, int64_t(tables.shape(0)), int64_t(features.shape(0)));
  expect(tables.shape(1) == 2, "tables must be [e, 2]");
  expect(int64_t(features.shape(1)) >= a.n, "features must be [2 l, n or more]");
  a.tables = tables.data(), a.features = features.data(), a.stride = int64_t(features.shape(1)), a.threads = threads;
  nb::gil_scoped_release release;
  kernels().hash_encode(a);
}

void hash_backward(const std::vector<int>& resolutions, const std::vector<int64_t>& offsets,
                   Array<const float, 2> positions, Maybe<const float, 1> sigmas, Array<const float, 2> tables,
                   Array<const float, 2> grad_features, Maybe<float, 2> table_grad, Maybe<float, 2> position_grad,
                   int threads) {
  HashArgs a =
      describe(resolutions, offsets, positions, sigmas, int64_t(tables.shape(0)), int64_t(grad_features.shape(0)));
  expect(tables.shape(1) == 2, "tables must be [e, 2]");
  expect(int64_t(grad_features.shape(1)) >= a.n, "features must be [2 l, n or more]");
  expect(!table_grad.has_value() || (table_grad->shape(0) == tables.shape(0) && table_grad->shape(1) == 2),
         "the tables' gradient must be [e, 2]");
  expect(!position_grad.has_value() || (position_grad->shape(0) == 3 && int64_t(position_grad->shape(1)) == a.n),
         "the positions' gradient must be [3, n]");
  a.tables = tables.data(), a.grads = grad_features.data(), a.stride = int64_t(grad_features.shape(1));
  a.table_grad = data_or_null(table_grad), a.position_grad = data_or_null(position_grad), a.threads = threads;
  nb::gil_scoped_release release;
  kernels().hash_backward(a);
}

void sparse_adam(Array<float, 2> tables, Array<float, 2> table_grad, Array<float, 2> first, Array<float, 2> second,
                 int64_t step, double learning_rate, double beta1, double beta2, double epsilon, int threads) {
  expect(table_grad.size() == tables.size() && first.size() == tables.size() && second.size() == tables.size(),
         "tables, gradient and moments differ in size");
  SparseAdamArgs a{};
  a.tables = tables.data(), a.table_grad = table_grad.data(), a.first = first.data(), a.second = second.data();
  a.count = int64_t(tables.size()), a.step = step, a.threads = threads;
  a.learning_rate = learning_rate, a.beta1 = beta1, a.beta2 = beta2, a.epsilon = epsilon;
  nb::gil_scoped_release release;
  kernels().sparse_adam(a);
}

void bind_hash_grid(nb::module_& m) {
  m.def("hash_encode", &hash_encode, "resolutions"_a, "offsets"_a, "positions"_a, "sigmas"_a.none(), "tables"_a,
        "features"_a, "threads"_a);
  m.def("hash_backward", &hash_backward, "resolutions"_a, "offsets"_a, "positions"_a, "sigmas"_a.none(), "tables"_a,
        "grad_features"_a, "table_grad"_a.none(), "position_grad"_a.none(), "threads"_a);
  m.def("sparse_adam", &sparse_adam, "tables"_a, "table_grad"_a, "first"_a, "second"_a, "step"_a, "learning_rate"_a,
        "beta1"_a, "beta2"_a, "epsilon"_a, "threads"_a);
}

// --- mlp, field: features to density and colour ----------------------------------------------------------------------

NetworkShape shape_of(const std::vector<int>& widths, int64_t weights) {
  NetworkShape shape{};
  shape.layers = int(widths.size()) - 1;
  expect(shape.layers >= 1 && shape.layers <= kMaxLayers, "a network has 1 to 6 matrices");
  for (int i = 0; i <= shape.layers; ++i) {
    expect(widths[size_t(i)] > 0 && widths[size_t(i)] <= kMaxWidth, "layers may be up to 128 wide");
    shape.widths[i] = widths[size_t(i)];
  }
  expect(shape.weights() == weights, "the weights are for another network");
  return shape;
}

nb::tuple network_workspace(int64_t n) { return nb::make_tuple(network_parts(n), kTogether); }

void mlp_forward(const std::vector<int>& widths, Array<const float, 1> weights, Array<const float, 2> inputs,
                 Array<float, 2> outputs, bool bf16, int threads) {
  MlpArgs a{};
  a.shape = shape_of(widths, int64_t(weights.size())), a.n = int64_t(inputs.shape(1));
  expect(int(inputs.shape(0)) == a.shape.inputs() && int(outputs.shape(0)) == a.shape.outputs() &&
             int64_t(outputs.shape(1)) == a.n,
         "inputs must be [in, n] and outputs [out, n]");
  a.weights = weights.data(), a.inputs = inputs.data(), a.outputs = outputs.data(), a.bf16 = bf16, a.threads = threads;
  nb::gil_scoped_release release;
  kernels().mlp_forward(a);
}

void mlp_backward(const std::vector<int>& widths, Array<const float, 1> weights, Array<const float, 2> inputs,
                  Array<const float, 2> grads, Maybe<float, 2> input_grads, Array<float, 1> weight_grads,
                  Array<float, 2> partial, bool bf16, int threads) {
  MlpArgs a{};
  a.shape = shape_of(widths, int64_t(weights.size())), a.n = int64_t(inputs.shape(1));
  expect(int(inputs.shape(0)) == a.shape.inputs() && int(grads.shape(0)) == a.shape.outputs() &&
             int64_t(grads.shape(1)) == a.n,
         "inputs must be [in, n] and gradients [out, n]");
  expect(!input_grads.has_value() || (input_grads->shape(0) == inputs.shape(0) && input_grads->shape(1) == inputs.shape(1)),
         "the inputs' gradient must be [in, n]");
  expect(weight_grads.size() == weights.size() && int64_t(partial.size()) >= network_parts(a.n) * a.shape.weights(),
         "the workspace is for another network");
  a.weights = weights.data(), a.inputs = inputs.data(), a.grads = grads.data();
  a.input_grads = data_or_null(input_grads), a.weight_grads = weight_grads.data(), a.partial = partial.data();
  a.bf16 = bf16, a.threads = threads;
  nb::gil_scoped_release release;
  kernels().mlp_backward(a);
}

FieldArgs describe(const std::vector<int>& density, const std::vector<int>& colour, const Array<const float, 1>& weights,
                   const Array<const float, 2>& encoded, const Array<const float, 2>& ray_features,
                   const Array<const int32_t, 1>& rays) {
  FieldArgs a{};
  int64_t of_density = 0;
  for (size_t i = 0; i + 1 < density.size(); ++i) of_density += int64_t(density[i]) * density[i + 1];
  a.density = shape_of(density, of_density);
  a.colour = shape_of(colour, int64_t(weights.size()) - of_density);
  a.density_weights = weights.data(), a.colour_weights = weights.data() + of_density;
  a.n = int64_t(rays.shape(0)), a.stride = int64_t(encoded.shape(1));
  a.ray_count = int64_t(ray_features.shape(0)), a.ray_width = int(ray_features.shape(1));
  expect(int(encoded.shape(0)) == a.density.inputs() && a.stride >= a.n, "encoded must be [inputs, n or more]");
  expect(a.colour.inputs() == a.ray_width + a.density.outputs(), "the colour network's inputs are a ray's features and the density network's outputs");
  expect(a.colour.outputs() == 3, "a colour has three channels");
  const int32_t* const of = rays.data();
  bool ordered = a.n == 0 || (of[0] >= 0 && of[a.n - 1] < a.ray_count);
  for (int64_t i = 1; i < a.n; ++i) ordered = ordered && of[i - 1] <= of[i];
  expect(ordered, "samples must lie in the order of their rays");
  a.encoded = encoded.data(), a.ray_features = ray_features.data(), a.rays = of;
  return a;
}

void field_forward(const std::vector<int>& density, const std::vector<int>& colour, Array<const float, 1> weights,
                   Array<const float, 2> encoded, Array<const float, 2> ray_features, Array<const int32_t, 1> rays,
                   Array<float, 1> raw_density, Array<float, 2> raw_rgb, bool bf16, int threads) {
  FieldArgs a = describe(density, colour, weights, encoded, ray_features, rays);
  expect(int64_t(raw_density.shape(0)) == a.n && raw_rgb.shape(0) == 3 && int64_t(raw_rgb.shape(1)) == a.n,
         "outputs must be [n] and [3, n]");
  a.raw_density = raw_density.data(), a.raw_rgb = raw_rgb.data(), a.bf16 = bf16, a.threads = threads;
  nb::gil_scoped_release release;
  kernels().field_forward(a);
}

void field_backward(const std::vector<int>& density, const std::vector<int>& colour, Array<const float, 1> weights,
                    Array<const float, 2> encoded, Array<const float, 2> ray_features, Array<const int32_t, 1> rays,
                    Array<const float, 1> density_grads, Array<const float, 2> rgb_grads, Array<float, 2> encoded_grads,
                    Array<float, 2> ray_grads, Array<float, 1> weight_grads, Array<float, 2> partial,
                    Array<float, 3> borders, bool bf16, int threads) {
  FieldArgs a = describe(density, colour, weights, encoded, ray_features, rays);
  expect(int64_t(density_grads.shape(0)) == a.n && rgb_grads.shape(0) == 3 && int64_t(rgb_grads.shape(1)) == a.n,
         "gradients must be [n] and [3, n]");
  expect(encoded_grads.shape(0) == encoded.shape(0) && encoded_grads.shape(1) == encoded.shape(1) &&
             ray_grads.size() == ray_features.size() && weight_grads.size() == weights.size(),
         "gradients differ in size from what they are of");
  expect(int64_t(partial.size()) >= network_parts(a.n) * int64_t(weights.size()) &&
             int64_t(borders.size()) >= network_parts(a.n) * 2 * a.ray_width,
         "the workspace is for another network");
  a.density_grads = density_grads.data(), a.rgb_grads = rgb_grads.data(), a.encoded_grads = encoded_grads.data();
  a.ray_grads = ray_grads.data(), a.density_weight_grads = weight_grads.data();
  a.colour_weight_grads = weight_grads.data() + a.density.weights();
  a.partial = partial.data(), a.borders = borders.data(), a.bf16 = bf16, a.threads = threads;
  nb::gil_scoped_release release;
  kernels().field_backward(a);
}

void bind_networks(nb::module_& m) {
  m.def("bf16_tiles", [] { return kernels().bf16_tiles(); });
  m.def("network_workspace", &network_workspace, "n"_a);
  m.def("mlp_forward", &mlp_forward, "widths"_a, "weights"_a, "inputs"_a, "outputs"_a, "bf16"_a, "threads"_a);
  m.def("mlp_backward", &mlp_backward, "widths"_a, "weights"_a, "inputs"_a, "grads"_a, "input_grads"_a.none(),
        "weight_grads"_a, "partial"_a, "bf16"_a, "threads"_a);
  m.def("field_forward", &field_forward, "density"_a, "colour"_a, "weights"_a, "encoded"_a, "ray_features"_a, "rays"_a,
        "raw_density"_a, "raw_rgb"_a, "bf16"_a, "threads"_a);
  m.def("field_backward", &field_backward, "density"_a, "colour"_a, "weights"_a, "encoded"_a, "ray_features"_a,
        "rays"_a, "density_grads"_a, "rgb_grads"_a, "encoded_grads"_a, "ray_grads"_a, "weight_grads"_a, "partial"_a,
        "borders"_a, "bf16"_a, "threads"_a);
}

// --- march, place, directions: rays to samples in the unit cube ---------------------------------------------------------

int64_t march(Array<const float, 2> origins, Array<const float, 2> directions, Array<const bool, 4> occupied,
              nb::tuple center, float radius, double step, double cone, double near, double far, bool jitter,
              uint64_t seed, uint64_t count, Array<int64_t, 1> offsets, Array<int32_t, 1> rays, Array<float, 1> t0,
              Array<float, 1> t1, int threads) {
  MarchArgs a{};
  a.ray_count = int64_t(origins.shape(0)), a.most = int64_t(t0.shape(0));
  expect(origins.shape(1) == 3 && directions.shape(1) == 3 && directions.shape(0) == origins.shape(0),
         "origins and directions must be [r, 3]");
  a.cubes = int(occupied.shape(0)), a.side = int(occupied.shape(1));
  expect(a.cubes > 0 && a.side > 0 && int(occupied.shape(2)) == a.side && int(occupied.shape(3)) == a.side,
         "occupied must be [cubes, side, side, side]");
  expect(step > 0 && cone >= 0 && near >= 0 && radius > 0, "step and radius must be positive, cone and near not negative");
  expect(int64_t(offsets.shape(0)) == a.ray_count + 1 && int64_t(rays.shape(0)) == a.most && int64_t(t1.shape(0)) == a.most,
         "offsets must be [r + 1]; rays, t0 and t1 as long as each other");
  for (size_t i = 0; i < 3; ++i) a.center[i] = nb::cast<float>(center[i]);
  a.origins = origins.data(), a.directions = directions.data(), a.occupied = occupied.data();
  a.radius = radius, a.step = step, a.cone = cone, a.near = near, a.far = far;
  a.jitter = jitter, a.seed = seed, a.count = count;
  int64_t complete = 0;
  a.offsets = offsets.data(), a.rays = rays.data(), a.t0 = t0.data(), a.t1 = t1.data(), a.complete = &complete;
  a.threads = threads;
  nb::gil_scoped_release release;
  kernels().march(a);
  return complete;
}

PlaceArgs describe(const Array<const float, 2>& origins, const Array<const float, 2>& directions,
                   const Array<const int64_t, 1>& offsets, const Array<const float, 1>& t0,
                   const Array<const float, 1>& t1, nb::tuple center, float radius, bool contract) {
  PlaceArgs a{};
  a.ray_count = int64_t(origins.shape(0)), a.n = int64_t(t0.shape(0));
  expect(origins.shape(1) == 3 && directions.shape(1) == 3 && directions.shape(0) == origins.shape(0),
         "origins and directions must be [r, 3]");
  expect(int64_t(offsets.shape(0)) == a.ray_count + 1 && int64_t(t1.shape(0)) == a.n && offsets.data()[a.ray_count] == a.n,
         "the samples are of other rays");
  for (size_t i = 0; i < 3; ++i) a.center[i] = nb::cast<float>(center[i]);
  a.origins = origins.data(), a.directions = directions.data(), a.offsets = offsets.data();
  a.t0 = t0.data(), a.t1 = t1.data(), a.radius = radius, a.contract = contract;
  return a;
}

void place_samples(Array<const float, 2> origins, Array<const float, 2> directions, Array<const int64_t, 1> offsets,
                   Array<const float, 1> t0, Array<const float, 1> t1, nb::tuple center, float radius, bool contract,
                   Maybe<const float, 1> cone_radius, Array<float, 2> positions, Maybe<float, 1> sigmas, int threads) {
  PlaceArgs a = describe(origins, directions, offsets, t0, t1, center, radius, contract);
  expect(positions.shape(0) == 3 && int64_t(positions.shape(1)) == a.n, "positions must be [3, n]");
  expect(cone_radius.has_value() == sigmas.has_value(), "cones and sigmas go together");
  expect(!sigmas.has_value() || (int64_t(cone_radius->shape(0)) == a.ray_count && int64_t(sigmas->shape(0)) == a.n),
         "cones must be [r] and sigmas [n]");
  a.cone_radius = data_or_null(cone_radius), a.positions = positions.data(), a.sigmas = data_or_null(sigmas);
  a.threads = threads;
  nb::gil_scoped_release release;
  kernels().place_samples(a);
}

void place_backward(Array<const float, 2> origins, Array<const float, 2> directions, Array<const int64_t, 1> offsets,
                    Array<const float, 1> t0, Array<const float, 1> t1, nb::tuple center, float radius, bool contract,
                    Array<const float, 2> position_grads, Array<float, 2> origin_grads, Array<float, 2> direction_grads,
                    int threads) {
  PlaceArgs a = describe(origins, directions, offsets, t0, t1, center, radius, contract);
  expect(position_grads.shape(0) == 3 && int64_t(position_grads.shape(1)) == a.n, "positions must be [3, n]");
  expect(origin_grads.size() == origins.size() && direction_grads.size() == directions.size(), "gradients must be [r, 3]");
  a.position_grads = position_grads.data(), a.origin_grads = origin_grads.data();
  a.direction_grads = direction_grads.data(), a.threads = threads;
  nb::gil_scoped_release release;
  kernels().place_backward(a);
}

void encode_directions(Array<const float, 2> directions, Array<float, 2> basis) {
  expect(directions.shape(1) == 3 && basis.shape(1) == 16 && basis.shape(0) == directions.shape(0),
         "directions must be [r, 3] and the basis [r, 16]");
  DirectionArgs a{};
  a.directions = directions.data(), a.ray_count = int64_t(directions.shape(0)), a.basis = basis.data();
  kernels().encode_directions(a);
}

void encode_directions_backward(Array<const float, 2> directions, Array<const float, 2> grads,
                                Array<float, 2> direction_grads) {
  expect(directions.shape(1) == 3 && grads.shape(1) == 16 && grads.shape(0) == directions.shape(0) &&
             direction_grads.size() == directions.size(),
         "directions must be [r, 3] and gradients [r, 16]");
  DirectionArgs a{};
  a.directions = directions.data(), a.ray_count = int64_t(directions.shape(0));
  a.grads = grads.data(), a.direction_grads = direction_grads.data();
  kernels().encode_directions_backward(a);
}

void bind_rays(nb::module_& m) {
  m.def("march", &march, "origins"_a, "directions"_a, "occupied"_a, "center"_a, "radius"_a, "step"_a, "cone"_a,
        "near"_a, "far"_a, "jitter"_a, "seed"_a, "count"_a, "offsets"_a, "rays"_a, "t0"_a, "t1"_a, "threads"_a);
  m.def("place_samples", &place_samples, "origins"_a, "directions"_a, "offsets"_a, "t0"_a, "t1"_a, "center"_a,
        "radius"_a, "contract"_a, "cone_radius"_a.none(), "positions"_a, "sigmas"_a.none(), "threads"_a);
  m.def("place_backward", &place_backward, "origins"_a, "directions"_a, "offsets"_a, "t0"_a, "t1"_a, "center"_a,
        "radius"_a, "contract"_a, "position_grads"_a, "origin_grads"_a, "direction_grads"_a, "threads"_a);
  m.def("encode_directions", &encode_directions, "directions"_a, "basis"_a);
  m.def("encode_directions_backward", &encode_directions_backward, "directions"_a, "grads"_a, "direction_grads"_a);
}

// --- composite: samples to pixels ---------------------------------------------------------------------------------------

CompositeArgs describe(const Array<const float, 1>& density, const Array<const float, 2>& rgb,
                       const Array<const int64_t, 1>& offsets, const Array<const float, 1>& t0,
                       const Array<const float, 1>& t1, float min_transmittance, int threads) {
  CompositeArgs a{};
  a.n = int64_t(density.shape(0)), a.ray_count = int64_t(offsets.shape(0)) - 1;
  expect(rgb.shape(0) == 3 && int64_t(rgb.shape(1)) == a.n, "rgb must be [3, n]");
  expect(int64_t(t0.shape(0)) == a.n && int64_t(t1.shape(0)) == a.n && offsets.data()[a.ray_count] == a.n,
         "density and colour are of other samples");
  a.density = density.data(), a.rgb = rgb.data(), a.t0 = t0.data(), a.t1 = t1.data(), a.offsets = offsets.data();
  a.min_transmittance = min_transmittance, a.threads = threads;
  return a;
}

void composite(Array<const float, 1> density, Array<const float, 2> rgb, Array<const int64_t, 1> offsets,
               Array<const float, 1> t0, Array<const float, 1> t1, float min_transmittance, Array<float, 2> pixels,
               Array<float, 1> alpha, Array<float, 1> depth, Array<float, 1> weights, int threads) {
  CompositeArgs a = describe(density, rgb, offsets, t0, t1, min_transmittance, threads);
  expect(int64_t(pixels.size()) == 3 * a.ray_count && int64_t(alpha.size()) == a.ray_count &&
             int64_t(depth.size()) == a.ray_count && int64_t(weights.size()) == a.n,
         "pixels must be [r, 3], alpha and depth [r], weights [n]");
  a.pixels = pixels.data(), a.alpha = alpha.data(), a.depth = depth.data(), a.weights = weights.data();
  nb::gil_scoped_release release;
  kernels().composite(a);
}

void composite_backward(Array<const float, 1> density, Array<const float, 2> rgb, Array<const int64_t, 1> offsets,
                        Array<const float, 1> t0, Array<const float, 1> t1, float min_transmittance,
                        Array<float, 1> weights, Array<const float, 2> pixel_grads, Array<const float, 1> alpha_grads,
                        Array<const float, 1> depth_grads, Array<const float, 1> weight_grads,
                        Array<float, 1> density_grads, Array<float, 2> rgb_grads, int threads) {
  CompositeArgs a = describe(density, rgb, offsets, t0, t1, min_transmittance, threads);
  expect(int64_t(pixel_grads.size()) == 3 * a.ray_count && int64_t(alpha_grads.size()) == a.ray_count &&
             int64_t(depth_grads.size()) == a.ray_count && int64_t(weight_grads.size()) == a.n &&
             int64_t(weights.size()) == a.n && int64_t(density_grads.size()) == a.n && rgb_grads.size() == rgb.size(),
         "gradients differ in size from what they are of");
  a.weights = weights.data(), a.pixel_grads = pixel_grads.data(), a.alpha_grads = alpha_grads.data();
  a.depth_grads = depth_grads.data(), a.weight_grads = weight_grads.data();
  a.density_grads = density_grads.data(), a.rgb_grads = rgb_grads.data();
  nb::gil_scoped_release release;
  kernels().composite_backward(a);
}

void distortion(Array<const float, 1> weights, Array<const int64_t, 1> offsets, Array<const float, 1> t0,
                Array<const float, 1> t1, float scale, Maybe<const float, 1> grads, Array<float, 1> out, int threads) {
  DistortionArgs a{};
  a.ray_count = int64_t(offsets.shape(0)) - 1;
  const int64_t n = int64_t(weights.shape(0));
  expect(int64_t(t0.shape(0)) == n && int64_t(t1.shape(0)) == n && offsets.data()[a.ray_count] == n,
         "the weights are of other samples");
  expect(int64_t(out.size()) == (grads.has_value() ? n : a.ray_count), "there is one value per ray, one gradient per sample");
  expect(!grads.has_value() || int64_t(grads->size()) == a.ray_count, "gradients must be [r]");
  a.weights = weights.data(), a.t0 = t0.data(), a.t1 = t1.data(), a.offsets = offsets.data(), a.scale = scale;
  a.threads = threads;
  nb::gil_scoped_release release;
  if (!grads.has_value()) {
    a.distortion = out.data();
    return kernels().distortion(a);
  }
  a.grads = grads->data(), a.weight_grads = out.data();
  kernels().distortion_backward(a);
}

void bind_composite(nb::module_& m) {
  m.def("composite", &composite, "density"_a, "rgb"_a, "offsets"_a, "t0"_a, "t1"_a, "min_transmittance"_a, "pixels"_a,
        "alpha"_a, "depth"_a, "weights"_a, "threads"_a);
  m.def("composite_backward", &composite_backward, "density"_a, "rgb"_a, "offsets"_a, "t0"_a, "t1"_a,
        "min_transmittance"_a, "weights"_a, "pixel_grads"_a, "alpha_grads"_a, "depth_grads"_a, "weight_grads"_a,
        "density_grads"_a, "rgb_grads"_a, "threads"_a);
  m.def("distortion", &distortion, "weights"_a, "offsets"_a, "t0"_a, "t1"_a, "scale"_a, "grads"_a.none(), "out"_a,
        "threads"_a);  // where gradients are given, the way back
}

}  // namespace

void bind_radiance(nb::module_& m) {
  bind_hash_grid(m);
  bind_rays(m);
  bind_networks(m);
  bind_composite(m);
}

}  // namespace recon
