// Positions to features, features to density and colour: the same signatures on each device. Arrays of samples are planar
// here: [values, samples].
#pragma once
#include <nanobind/stl/vector.h>

#include "bindings.h"

namespace recon {

template <class On>
struct FieldOperators {
  template <class T, size_t N>
  using Array = typename On::template Array<T, N>;
  template <class T, size_t N>
  using Optional = std::optional<Array<T, N>>;
  using Where = typename On::Where;

  // --- hash_grid: positions to features --------------------------------------------------------------------------------

  static HashLevels levels_of(const std::vector<int>& resolutions, const std::vector<int64_t>& offsets) {
    HashLevels levels{};
    levels.count = int(resolutions.size());
    expect(levels.count > 0 && levels.count <= kMaxLevels, "there may be 1 to 32 levels");
    expect(offsets.size() == resolutions.size() + 1, "a level begins where the one before ends");
    for (int i = 0; i < levels.count; ++i) levels.resolution[i] = resolutions[size_t(i)];
    for (int i = 0; i <= levels.count; ++i) levels.offset[i] = offsets[size_t(i)];
    return levels;
  }

  static HashArgs describe(const std::vector<int>& resolutions, const std::vector<int64_t>& offsets,
                           const Array<const float, 2>& positions, const Optional<const float, 1>& sigmas, int64_t entries,
                           int64_t planes) {
    HashArgs a{};
    a.levels = levels_of(resolutions, offsets), a.n = int64_t(positions.shape(1));
    expect(offsets.back() == entries, "the tables are for another grid");
    expect(positions.shape(0) == 3, "positions must be [3, n]");
    expect(planes == 2 * a.levels.count, "there must be two features per level");
    expect(!sigmas.has_value() || int64_t(sigmas->shape(0)) == a.n, "there must be one sigma per sample");
    a.positions = positions.data(), a.sigmas = data_or_null(sigmas);
    return a;
  }

  static void hash_encode(const std::vector<int>& resolutions, const std::vector<int64_t>& offsets,
                          Array<const float, 2> positions, Optional<const float, 1> sigmas, Array<const float, 2> tables,
                          Array<float, 2> features, Where where) {
    HashArgs a = describe(resolutions, offsets, positions, sigmas, int64_t(tables.shape(0)), int64_t(features.shape(0)));
    expect(tables.shape(1) == 2, "tables must be [e, 2]");
    expect(int64_t(features.shape(1)) >= a.n, "features must be [2 l, n or more]");
    a.tables = tables.data(), a.features = features.data(), a.stride = int64_t(features.shape(1)), On::put(a, where);
    nb::gil_scoped_release release;
    On::kernels().hash_encode(a);
  }

  static void hash_backward(const std::vector<int>& resolutions, const std::vector<int64_t>& offsets,
                            Array<const float, 2> positions, Optional<const float, 1> sigmas, Array<const float, 2> tables,
                            Array<const float, 2> grad_features, Optional<float, 2> table_grad, Optional<float, 2> position_grad,
                            Array<float, 1> workspace, Where where) {
    HashArgs a =
        describe(resolutions, offsets, positions, sigmas, int64_t(tables.shape(0)), int64_t(grad_features.shape(0)));
    expect(tables.shape(1) == 2, "tables must be [e, 2]");
    expect(int64_t(grad_features.shape(1)) >= a.n, "features must be [2 l, n or more]");
    expect(!table_grad.has_value() || (table_grad->shape(0) == tables.shape(0) && table_grad->shape(1) == 2),
           "the tables' gradient must be [e, 2]");
    expect(!position_grad.has_value() || (position_grad->shape(0) == 3 && int64_t(position_grad->shape(1)) == a.n),
           "the positions' gradient must be [3, n]");
    a.tables = tables.data(), a.grads = grad_features.data(), a.stride = int64_t(grad_features.shape(1));
    a.table_grad = data_or_null(table_grad), a.position_grad = data_or_null(position_grad);
    a.workspace = workspace.data(), On::put(a, where);
    expect(!table_grad.has_value() || int64_t(workspace.size()) >= On::kernels().hash_workspace(a),
           "the workspace is for another grid");
    nb::gil_scoped_release release;
    On::kernels().hash_backward(a);
  }

  static void sparse_adam(Array<float, 2> tables, Array<float, 2> table_grad, Array<float, 2> first, Array<float, 2> second,
                          int64_t step, double learning_rate, double beta1, double beta2, double epsilon, Where where) {
    expect(table_grad.size() == tables.size() && first.size() == tables.size() && second.size() == tables.size(),
           "tables, gradient and moments differ in size");
    SparseAdamArgs a{};
    a.tables = tables.data(), a.table_grad = table_grad.data(), a.first = first.data(), a.second = second.data();
    a.count = int64_t(tables.size()), a.step = step, On::put(a, where);
    a.learning_rate = learning_rate, a.beta1 = beta1, a.beta2 = beta2, a.epsilon = epsilon;
    nb::gil_scoped_release release;
    On::kernels().sparse_adam(a);
  }

  static int64_t hash_workspace(const std::vector<int>& resolutions, const std::vector<int64_t>& offsets, int64_t n,
                                Where where) {
    HashArgs a{};
    a.levels = levels_of(resolutions, offsets), a.n = n;
    On::put(a, where);
    return On::kernels().hash_workspace(a);
  }

  // --- mlp, field: features to density and colour ----------------------------------------------------------------------

  static NetworkShape shape_of(const std::vector<int>& widths, int64_t weights) {
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

  static void mlp_forward(const std::vector<int>& widths, Array<const float, 1> weights, Array<const float, 2> inputs,
                          Array<float, 2> outputs, bool bf16, Where where) {
    MlpArgs a{};
    a.shape = shape_of(widths, int64_t(weights.size())), a.n = int64_t(inputs.shape(1));
    expect(int(inputs.shape(0)) == a.shape.inputs() && int(outputs.shape(0)) == a.shape.outputs() &&
               int64_t(outputs.shape(1)) == a.n,
           "inputs must be [in, n] and outputs [out, n]");
    a.weights = weights.data(), a.inputs = inputs.data(), a.outputs = outputs.data(), a.bf16 = bf16, On::put(a, where);
    nb::gil_scoped_release release;
    On::kernels().mlp_forward(a);
  }

  static void mlp_backward(const std::vector<int>& widths, Array<const float, 1> weights, Array<const float, 2> inputs,
                           Array<const float, 2> grads, Optional<float, 2> input_grads, Array<float, 1> weight_grads,
                           Array<float, 1> workspace, bool bf16, Where where) {
    MlpArgs a{};
    a.shape = shape_of(widths, int64_t(weights.size())), a.n = int64_t(inputs.shape(1));
    expect(int(inputs.shape(0)) == a.shape.inputs() && int(grads.shape(0)) == a.shape.outputs() &&
               int64_t(grads.shape(1)) == a.n,
           "inputs must be [in, n] and gradients [out, n]");
    expect(!input_grads.has_value() || (input_grads->shape(0) == inputs.shape(0) && input_grads->shape(1) == inputs.shape(1)),
           "the inputs' gradient must be [in, n]");
    expect(weight_grads.size() == weights.size(), "the weights' gradient differs in size from them");
    a.weights = weights.data(), a.inputs = inputs.data(), a.grads = grads.data();
    a.input_grads = data_or_null(input_grads), a.weight_grads = weight_grads.data(), a.workspace = workspace.data();
    a.bf16 = bf16, On::put(a, where);
    expect(int64_t(workspace.size()) >= On::kernels().mlp_workspace(a), "the workspace is for another network");
    nb::gil_scoped_release release;
    On::kernels().mlp_backward(a);
  }

  static int64_t mlp_workspace(const std::vector<int>& widths, int64_t weights, int64_t n, Where where) {
    MlpArgs a{};
    a.shape = shape_of(widths, weights), a.n = n;
    On::put(a, where);
    return On::kernels().mlp_workspace(a);
  }

  static int64_t weights_between(const std::vector<int>& widths) {
    int64_t count = 0;
    for (size_t i = 0; i + 1 < widths.size(); ++i) count += int64_t(widths[i]) * widths[i + 1];
    return count;
  }

  static bool in_order(const int32_t* rays, int64_t n, int64_t ray_count) {
    bool ordered = n == 0 || (rays[0] >= 0 && rays[n - 1] < ray_count);
    for (int64_t i = 1; i < n; ++i) ordered = ordered && rays[i - 1] <= rays[i];
    return ordered;
  }

  static FieldArgs describe(const std::vector<int>& density, const std::vector<int>& colour, const Array<const float, 1>& weights,
                            const Array<const float, 2>& encoded, const Array<const float, 2>& ray_features,
                            const Array<const int32_t, 1>& rays) {
    FieldArgs a{};
    const int64_t of_density = weights_between(density);
    a.density = shape_of(density, of_density);
    a.colour = shape_of(colour, int64_t(weights.size()) - of_density);
    a.density_weights = weights.data(), a.colour_weights = weights.data() + of_density;
    a.n = int64_t(rays.shape(0)), a.stride = int64_t(encoded.shape(1));
    a.ray_count = int64_t(ray_features.shape(0)), a.ray_width = int(ray_features.shape(1));
    expect(int(encoded.shape(0)) == a.density.inputs() && a.stride >= a.n, "encoded must be [inputs, n or more]");
    expect(a.colour.inputs() == a.ray_width + a.density.outputs(), "the colour network's inputs are a ray's features and the density network's outputs");
    expect(a.colour.outputs() == 3, "a colour has three channels");
    expect(!On::kReadable || in_order(rays.data(), a.n, a.ray_count), "samples must lie in the order of their rays");
    a.encoded = encoded.data(), a.ray_features = ray_features.data(), a.rays = rays.data();
    return a;
  }

  static void field_forward(const std::vector<int>& density, const std::vector<int>& colour, Array<const float, 1> weights,
                            Array<const float, 2> encoded, Array<const float, 2> ray_features, Array<const int32_t, 1> rays,
                            Array<float, 1> raw_density, Array<float, 2> raw_rgb, bool bf16, Where where) {
    FieldArgs a = describe(density, colour, weights, encoded, ray_features, rays);
    expect(int64_t(raw_density.shape(0)) == a.n && raw_rgb.shape(0) == 3 && int64_t(raw_rgb.shape(1)) == a.n,
           "outputs must be [n] and [3, n]");
    a.raw_density = raw_density.data(), a.raw_rgb = raw_rgb.data(), a.bf16 = bf16, On::put(a, where);
    nb::gil_scoped_release release;
    On::kernels().field_forward(a);
  }

  static void field_backward(const std::vector<int>& density, const std::vector<int>& colour, Array<const float, 1> weights,
                             Array<const float, 2> encoded, Array<const float, 2> ray_features, Array<const int32_t, 1> rays,
                             Array<const float, 1> density_grads, Array<const float, 2> rgb_grads, Array<float, 2> encoded_grads,
                             Array<float, 2> ray_grads, Array<float, 1> weight_grads, Array<float, 1> workspace,
                             bool bf16, Where where) {
    FieldArgs a = describe(density, colour, weights, encoded, ray_features, rays);
    expect(int64_t(density_grads.shape(0)) == a.n && rgb_grads.shape(0) == 3 && int64_t(rgb_grads.shape(1)) == a.n,
           "gradients must be [n] and [3, n]");
    expect(encoded_grads.shape(0) == encoded.shape(0) && encoded_grads.shape(1) == encoded.shape(1) &&
               ray_grads.size() == ray_features.size() && weight_grads.size() == weights.size(),
           "gradients differ in size from what they are of");
    a.density_grads = density_grads.data(), a.rgb_grads = rgb_grads.data(), a.encoded_grads = encoded_grads.data();
    a.ray_grads = ray_grads.data(), a.density_weight_grads = weight_grads.data();
    a.colour_weight_grads = weight_grads.data() + a.density.weights();
    a.workspace = workspace.data(), a.bf16 = bf16, On::put(a, where);
    expect(int64_t(workspace.size()) >= On::kernels().field_workspace(a), "the workspace is for another network");
    nb::gil_scoped_release release;
    On::kernels().field_backward(a);
  }

  static int64_t field_workspace(const std::vector<int>& density, const std::vector<int>& colour, int64_t n,
                                 int64_t ray_count, int ray_width, Where where) {
    FieldArgs a{};
    a.density = shape_of(density, weights_between(density)), a.colour = shape_of(colour, weights_between(colour));
    a.n = n, a.ray_count = ray_count, a.ray_width = ray_width;
    On::put(a, where);
    return On::kernels().field_workspace(a);
  }

  static void bind(nb::module_& m) {
    const auto def = [&m](const char* name, auto function, const auto&... arguments) {
      m.def((std::string(On::kPrefix) + name).c_str(), function, arguments..., nb::arg(On::kWhere));
    };
    def("hash_encode", &hash_encode, "resolutions"_a, "offsets"_a, "positions"_a, "sigmas"_a.none(), "tables"_a,
        "features"_a);
    def("hash_backward", &hash_backward, "resolutions"_a, "offsets"_a, "positions"_a, "sigmas"_a.none(), "tables"_a,
        "grad_features"_a, "table_grad"_a.none(), "position_grad"_a.none(), "workspace"_a);
    def("hash_workspace", &hash_workspace, "resolutions"_a, "offsets"_a, "n"_a);
    def("sparse_adam", &sparse_adam, "tables"_a, "table_grad"_a, "first"_a, "second"_a, "step"_a, "learning_rate"_a,
        "beta1"_a, "beta2"_a, "epsilon"_a);
    m.def((std::string(On::kPrefix) + "bf16_tiles").c_str(), [] { return On::kernels().bf16_tiles(); });
    def("mlp_forward", &mlp_forward, "widths"_a, "weights"_a, "inputs"_a, "outputs"_a, "bf16"_a);
    def("mlp_backward", &mlp_backward, "widths"_a, "weights"_a, "inputs"_a, "grads"_a, "input_grads"_a.none(),
        "weight_grads"_a, "workspace"_a, "bf16"_a);
    def("mlp_workspace", &mlp_workspace, "widths"_a, "weights"_a, "n"_a);
    def("field_forward", &field_forward, "density"_a, "colour"_a, "weights"_a, "encoded"_a, "ray_features"_a, "rays"_a,
        "raw_density"_a, "raw_rgb"_a, "bf16"_a);
    def("field_backward", &field_backward, "density"_a, "colour"_a, "weights"_a, "encoded"_a, "ray_features"_a, "rays"_a,
        "density_grads"_a, "rgb_grads"_a, "encoded_grads"_a, "ray_grads"_a, "weight_grads"_a, "workspace"_a, "bf16"_a);
    def("field_workspace", &field_workspace, "density"_a, "colour"_a, "n"_a, "ray_count"_a, "ray_width"_a);
  }
};

}  // namespace recon
