// Rays to samples in the unit cube, and samples to pixels: the same signatures on each device, but for marching. Arrays of
// samples are planar here: [values, samples].
#pragma once
#include <nanobind/stl/pair.h>

#include "bindings.h"

namespace recon {

// Rays, and the cubes they are marched through.
template <class On>
class Marching {
 public:
  template <class T, size_t N>
  using Array = typename On::template Array<T, N>;

  Marching(Array<const float, 2> origins, Array<const float, 2> directions, Array<const bool, 4> occupied,
           nb::tuple center, float radius, double step, double cone, double near, double far,
           std::optional<std::pair<uint64_t, uint64_t>> jitter, typename On::Where where)
      : origins_(origins), directions_(directions), occupied_(occupied) {
    a.ray_count = int64_t(origins.shape(0));
    expect(origins.shape(1) == 3 && directions.shape(1) == 3 && directions.shape(0) == origins.shape(0),
           "origins and directions must be [r, 3]");
    a.cubes = int(occupied.shape(0)), a.side = int(occupied.shape(1));
    expect(a.cubes > 0 && a.side > 0 && int(occupied.shape(2)) == a.side && int(occupied.shape(3)) == a.side,
           "occupied must be [cubes, side, side, side]");
    expect(step > 0 && cone >= 0 && near >= 0 && radius > 0, "step and radius must be positive, cone and near not negative");
    for (size_t i = 0; i < 3; ++i) a.center[i] = nb::cast<float>(center[i]);
    a.origins = origins.data(), a.directions = directions.data(), a.occupied = occupied.data();
    a.radius = radius, a.step = step, a.cone = cone, a.near = near, a.far = far;
    if (jitter.has_value()) a.jitter = true, a.seed = jitter->first, a.count = jitter->second;
    On::put(a, where);
  }

  // What is found goes here; `most` samples fit.
  void write_to(Array<int64_t, 1> offsets, Array<int32_t, 1> rays, Array<float, 1> t0, Array<float, 1> t1) {
    a.most = int64_t(t0.shape(0));
    expect(int64_t(offsets.shape(0)) == a.ray_count + 1 && int64_t(rays.shape(0)) == a.most && int64_t(t1.shape(0)) == a.most,
           "offsets must be [r + 1]; rays, t0 and t1 as long as each other");
    a.offsets = offsets.data(), a.rays = rays.data(), a.t0 = t0.data(), a.t1 = t1.data();
  }

  MarchArgs a{};

 private:
  Array<const float, 2> origins_, directions_;
  Array<const bool, 4> occupied_;
};

template <class On>
void bind_marching(nb::class_<Marching<On>>& marching) {
  marching.def(nb::init<typename On::template Array<const float, 2>, typename On::template Array<const float, 2>,
                        typename On::template Array<const bool, 4>, nb::tuple, float, double, double, double, double,
                        std::optional<std::pair<uint64_t, uint64_t>>, typename On::Where>(),
               "origins"_a, "directions"_a, "occupied"_a, "center"_a, "radius"_a, "step"_a, "cone"_a, "near"_a, "far"_a,
               "jitter"_a.none(), nb::arg(On::kWhere));
}

template <class On>
struct RayOperators {
  template <class T, size_t N>
  using Array = typename On::template Array<T, N>;
  template <class T, size_t N>
  using Optional = std::optional<Array<T, N>>;
  using Where = typename On::Where;

  // Whether these are offsets of so many samples; where the host cannot read them, they are believed.
  static bool of_samples(const Array<const int64_t, 1>& offsets, int64_t n) {
    return !On::kReadable || offsets.data()[offsets.shape(0) - 1] == n;
  }

  // --- place, directions: rays to samples in the unit cube ---------------------------------------------------------

  static PlaceArgs describe(const Array<const float, 2>& origins, const Array<const float, 2>& directions,
                            const Array<const int64_t, 1>& offsets, const Array<const float, 1>& t0,
                            const Array<const float, 1>& t1, nb::tuple center, float radius, bool contract) {
    PlaceArgs a{};
    a.ray_count = int64_t(origins.shape(0)), a.n = int64_t(t0.shape(0));
    expect(origins.shape(1) == 3 && directions.shape(1) == 3 && directions.shape(0) == origins.shape(0),
           "origins and directions must be [r, 3]");
    expect(int64_t(offsets.shape(0)) == a.ray_count + 1 && int64_t(t1.shape(0)) == a.n && of_samples(offsets, a.n),
           "the samples are of other rays");
    for (size_t i = 0; i < 3; ++i) a.center[i] = nb::cast<float>(center[i]);
    a.origins = origins.data(), a.directions = directions.data(), a.offsets = offsets.data();
    a.t0 = t0.data(), a.t1 = t1.data(), a.radius = radius, a.contract = contract;
    return a;
  }

  static void place_samples(Array<const float, 2> origins, Array<const float, 2> directions, Array<const int64_t, 1> offsets,
                            Array<const float, 1> t0, Array<const float, 1> t1, nb::tuple center, float radius, bool contract,
                            Optional<const float, 1> cone_radius, Array<float, 2> positions, Optional<float, 1> sigmas, Where where) {
    PlaceArgs a = describe(origins, directions, offsets, t0, t1, center, radius, contract);
    expect(positions.shape(0) == 3 && int64_t(positions.shape(1)) == a.n, "positions must be [3, n]");
    expect(cone_radius.has_value() == sigmas.has_value(), "cones and sigmas go together");
    expect(!sigmas.has_value() || (int64_t(cone_radius->shape(0)) == a.ray_count && int64_t(sigmas->shape(0)) == a.n),
           "cones must be [r] and sigmas [n]");
    a.cone_radius = data_or_null(cone_radius), a.positions = positions.data(), a.sigmas = data_or_null(sigmas);
    On::put(a, where);
    nb::gil_scoped_release release;
    On::kernels().place_samples(a);
  }

  static void place_backward(Array<const float, 2> origins, Array<const float, 2> directions, Array<const int64_t, 1> offsets,
                             Array<const float, 1> t0, Array<const float, 1> t1, nb::tuple center, float radius, bool contract,
                             Array<const float, 2> position_grads, Array<float, 2> origin_grads, Array<float, 2> direction_grads,
                             Where where) {
    PlaceArgs a = describe(origins, directions, offsets, t0, t1, center, radius, contract);
    expect(position_grads.shape(0) == 3 && int64_t(position_grads.shape(1)) == a.n, "positions must be [3, n]");
    expect(origin_grads.size() == origins.size() && direction_grads.size() == directions.size(), "gradients must be [r, 3]");
    a.position_grads = position_grads.data(), a.origin_grads = origin_grads.data();
    a.direction_grads = direction_grads.data(), On::put(a, where);
    nb::gil_scoped_release release;
    On::kernels().place_backward(a);
  }

  static void encode_directions(Array<const float, 2> directions, Array<float, 2> basis, Where where) {
    expect(directions.shape(1) == 3 && basis.shape(1) == 16 && basis.shape(0) == directions.shape(0),
           "directions must be [r, 3] and the basis [r, 16]");
    DirectionArgs a{};
    a.directions = directions.data(), a.ray_count = int64_t(directions.shape(0)), a.basis = basis.data();
    On::put(a, where);
    nb::gil_scoped_release release;
    On::kernels().encode_directions(a);
  }

  static void encode_directions_backward(Array<const float, 2> directions, Array<const float, 2> grads,
                                         Array<float, 2> direction_grads, Where where) {
    expect(directions.shape(1) == 3 && grads.shape(1) == 16 && grads.shape(0) == directions.shape(0) &&
               direction_grads.size() == directions.size(),
           "directions must be [r, 3] and gradients [r, 16]");
    DirectionArgs a{};
    a.directions = directions.data(), a.ray_count = int64_t(directions.shape(0));
    a.grads = grads.data(), a.direction_grads = direction_grads.data();
    On::put(a, where);
    nb::gil_scoped_release release;
    On::kernels().encode_directions_backward(a);
  }

  // --- composite: samples to pixels ---------------------------------------------------------------------------------------

  static CompositeArgs describe(const Array<const float, 1>& density, const Array<const float, 2>& rgb,
                                const Array<const int64_t, 1>& offsets, const Array<const float, 1>& t0,
                                const Array<const float, 1>& t1, float min_transmittance, Where where) {
    CompositeArgs a{};
    a.n = int64_t(density.shape(0)), a.ray_count = int64_t(offsets.shape(0)) - 1;
    expect(rgb.shape(0) == 3 && int64_t(rgb.shape(1)) == a.n, "rgb must be [3, n]");
    expect(int64_t(t0.shape(0)) == a.n && int64_t(t1.shape(0)) == a.n && of_samples(offsets, a.n),
           "density and colour are of other samples");
    a.density = density.data(), a.rgb = rgb.data(), a.t0 = t0.data(), a.t1 = t1.data(), a.offsets = offsets.data();
    a.min_transmittance = min_transmittance, On::put(a, where);
    return a;
  }

  static void composite(Array<const float, 1> density, Array<const float, 2> rgb, Array<const int64_t, 1> offsets,
                        Array<const float, 1> t0, Array<const float, 1> t1, float min_transmittance, Array<float, 2> pixels,
                        Array<float, 1> alpha, Array<float, 1> depth, Array<float, 1> weights, Where where) {
    CompositeArgs a = describe(density, rgb, offsets, t0, t1, min_transmittance, where);
    expect(int64_t(pixels.size()) == 3 * a.ray_count && int64_t(alpha.size()) == a.ray_count &&
               int64_t(depth.size()) == a.ray_count && int64_t(weights.size()) == a.n,
           "pixels must be [r, 3], alpha and depth [r], weights [n]");
    a.pixels = pixels.data(), a.alpha = alpha.data(), a.depth = depth.data(), a.weights = weights.data();
    nb::gil_scoped_release release;
    On::kernels().composite(a);
  }

  static void composite_backward(Array<const float, 1> density, Array<const float, 2> rgb, Array<const int64_t, 1> offsets,
                                 Array<const float, 1> t0, Array<const float, 1> t1, float min_transmittance,
                                 Array<float, 1> weights, Array<const float, 2> pixel_grads, Array<const float, 1> alpha_grads,
                                 Array<const float, 1> depth_grads, Array<const float, 1> weight_grads,
                                 Array<float, 1> density_grads, Array<float, 2> rgb_grads, Where where) {
    CompositeArgs a = describe(density, rgb, offsets, t0, t1, min_transmittance, where);
    expect(int64_t(pixel_grads.size()) == 3 * a.ray_count && int64_t(alpha_grads.size()) == a.ray_count &&
               int64_t(depth_grads.size()) == a.ray_count && int64_t(weight_grads.size()) == a.n &&
               int64_t(weights.size()) == a.n && int64_t(density_grads.size()) == a.n && rgb_grads.size() == rgb.size(),
           "gradients differ in size from what they are of");
    a.weights = weights.data(), a.pixel_grads = pixel_grads.data(), a.alpha_grads = alpha_grads.data();
    a.depth_grads = depth_grads.data(), a.weight_grads = weight_grads.data();
    a.density_grads = density_grads.data(), a.rgb_grads = rgb_grads.data();
    nb::gil_scoped_release release;
    On::kernels().composite_backward(a);
  }

  static void distortion(Array<const float, 1> weights, Array<const int64_t, 1> offsets, Array<const float, 1> t0,
                         Array<const float, 1> t1, float scale, Optional<const float, 1> grads, Array<float, 1> out, Where where) {
    DistortionArgs a{};
    a.ray_count = int64_t(offsets.shape(0)) - 1;
    const int64_t n = int64_t(weights.shape(0));
    expect(int64_t(t0.shape(0)) == n && int64_t(t1.shape(0)) == n && of_samples(offsets, n),
           "the weights are of other samples");
    expect(int64_t(out.size()) == (grads.has_value() ? n : a.ray_count), "there is one value per ray, one gradient per sample");
    expect(!grads.has_value() || int64_t(grads->size()) == a.ray_count, "gradients must be [r]");
    a.weights = weights.data(), a.t0 = t0.data(), a.t1 = t1.data(), a.offsets = offsets.data(), a.scale = scale;
    On::put(a, where);
    nb::gil_scoped_release release;
    if (!grads.has_value()) {
      a.distortion = out.data();
      return On::kernels().distortion(a);
    }
    a.grads = grads->data(), a.weight_grads = out.data();
    On::kernels().distortion_backward(a);
  }

  static void bind(nb::module_& m) {
    const auto def = [&m](const char* name, auto function, const auto&... arguments) {
      m.def((std::string(On::kPrefix) + name).c_str(), function, arguments..., nb::arg(On::kWhere));
    };
    def("place_samples", &place_samples, "origins"_a, "directions"_a, "offsets"_a, "t0"_a, "t1"_a, "center"_a, "radius"_a,
        "contract"_a, "cone_radius"_a.none(), "positions"_a, "sigmas"_a.none());
    def("place_backward", &place_backward, "origins"_a, "directions"_a, "offsets"_a, "t0"_a, "t1"_a, "center"_a,
        "radius"_a, "contract"_a, "position_grads"_a, "origin_grads"_a, "direction_grads"_a);
    def("encode_directions", &encode_directions, "directions"_a, "basis"_a);
    def("encode_directions_backward", &encode_directions_backward, "directions"_a, "grads"_a, "direction_grads"_a);
    def("composite", &composite, "density"_a, "rgb"_a, "offsets"_a, "t0"_a, "t1"_a, "min_transmittance"_a, "pixels"_a,
        "alpha"_a, "depth"_a, "weights"_a);
    def("composite_backward", &composite_backward, "density"_a, "rgb"_a, "offsets"_a, "t0"_a, "t1"_a,
        "min_transmittance"_a, "weights"_a, "pixel_grads"_a, "alpha_grads"_a, "depth_grads"_a, "weight_grads"_a,
        "density_grads"_a, "rgb_grads"_a);
    def("distortion", &distortion, "weights"_a, "offsets"_a, "t0"_a, "t1"_a, "scale"_a, "grads"_a.none(),
        "out"_a);  // where gradients are given, the way back
  }
};

}  // namespace recon
