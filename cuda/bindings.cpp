// `recon._native`: every operator's signature, in reading order. Checks shapes where they enter; the kernels trust them.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <stdexcept>

#include "ops/kernels.h"
#include "splat_frame.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace recon {
namespace {

template <class T, size_t N>
using Array = nb::ndarray<T, nb::ndim<N>, nb::c_contig, nb::device::cpu>;
template <class T, size_t N>
using Maybe = std::optional<Array<T, N>>;

void expect(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}
template <class A>
auto data_or_null(const std::optional<A>& array) -> decltype(array->data()) {
  return array.has_value() ? array->data() : nullptr;
}

// --- splat: Gaussians to pixels and back ---------------------------------------------------------------------------

void splat_forward(SplatFrame& frame, Array<const float, 3> blocks, Array<const float, 2> cam_from_world, float fx,
                   float fy, float cx, float cy, int sh_degree, bool antialiased, Array<float, 3> rgb,
                   Array<float, 2> alpha, Maybe<float, 2> depth) {
  expect(blocks.shape(2) == kBlock && blocks.shape(1) >= kSh + 3, "blocks must be [b, c, 16] with c >= 14");
  expect(sh_degree >= 0 && sh_degree <= 3 && int(blocks.shape(1)) >= kSh + 3 * (sh_degree + 1) * (sh_degree + 1),
         "the blocks do not hold that many SH coefficients");
  expect(cam_from_world.shape(0) == 4 && cam_from_world.shape(1) == 4, "cam_from_world must be [4, 4]");
  expect(rgb.shape(0) == 3 && rgb.shape(1) == alpha.shape(0) && rgb.shape(2) == alpha.shape(1), "rgb and alpha differ in size");
  Splat s{};
  for (int i = 0; i < 12; ++i) s.cam_from_world[i] = cam_from_world.data()[i];
  s.fx = fx, s.fy = fy, s.cx = cx, s.cy = cy;
  s.width = int(alpha.shape(1)), s.height = int(alpha.shape(0));
  s.blocks = blocks.data(), s.block_count = int64_t(blocks.shape(0)), s.planes = int(blocks.shape(1));
  s.sh_degree = sh_degree, s.antialiased = antialiased;
  s.rgb = rgb.data(), s.alpha = alpha.data(), s.depth = data_or_null(depth);
  nb::gil_scoped_release release;
  frame.forward(s);
}

SplatBackward pixel_gradients(const SplatFrame& frame, const Array<const float, 3>& grad_rgb,
                              const Array<const float, 2>& grad_alpha, const Maybe<const float, 2>& grad_depth) {
  expect(frame.rendered(), "backward before forward");
  const Splat& s = frame.splat();
  expect(int(grad_rgb.shape(1)) == s.height && int(grad_rgb.shape(2)) == s.width && int(grad_alpha.shape(0)) == s.height &&
             int(grad_alpha.shape(1)) == s.width,
         "gradients differ in size from the image");
  expect(!grad_depth.has_value() || s.depth != nullptr, "no depth was rendered");
  SplatBackward d{};
  d.grad_rgb = grad_rgb.data(), d.grad_alpha = grad_alpha.data(), d.grad_depth = data_or_null(grad_depth);
  return d;
}

void splat_backward(SplatFrame& frame, Array<const float, 3> grad_rgb, Array<const float, 2> grad_alpha,
                    Maybe<const float, 2> grad_depth, Array<float, 3> grads, Array<float, 2> grad_camera) {
  const SplatBackward d = pixel_gradients(frame, grad_rgb, grad_alpha, grad_depth);
  SplatGather gather{};
  gather.grads = grads.data();
  nb::gil_scoped_release release;
  frame.backward(d, gather);
  frame.camera_gradient(grad_camera.data());
}

void splat_backward_adam(SplatFrame& frame, Array<const float, 3> grad_rgb, Array<const float, 2> grad_alpha,
                         Array<float, 3> parameters, Array<float, 3> first, Array<float, 3> second,
                         Array<const float, 1> learning_rates, int64_t step, double beta1, double beta2, double epsilon,
                         float opacity_pull, float scale_pull, Maybe<float, 3> stats, Array<float, 2> grad_camera) {
  SplatBackward d = pixel_gradients(frame, grad_rgb, grad_alpha, std::nullopt);
  expect(parameters.data() == frame.splat().blocks, "the parameters are not those that were rendered");
  expect(int(learning_rates.shape(0)) == frame.splat().planes, "one learning rate per plane is needed");
  d.absolute = stats.has_value();
  SplatGather gather{};
  gather.parameters = parameters.data(), gather.first = first.data(), gather.second = second.data();
  gather.learning_rates = learning_rates.data(), gather.step = step;
  gather.beta1 = beta1, gather.beta2 = beta2, gather.epsilon = epsilon;
  gather.opacity_pull = opacity_pull, gather.scale_pull = scale_pull;
  gather.stats = data_or_null(stats);
  nb::gil_scoped_release release;
  frame.backward(d, gather);
  frame.camera_gradient(grad_camera.data());
}

void bind_splat(nb::module_& m) {
  nb::class_<SplatFrame>(m, "SplatFrame")
      .def(nb::init<>())
      .def("forward", &splat_forward, "blocks"_a, "cam_from_world"_a, "fx"_a, "fy"_a, "cx"_a, "cy"_a, "sh_degree"_a,
           "antialiased"_a, "rgb"_a, "alpha"_a, "depth"_a.none())
      .def("backward", &splat_backward, "grad_rgb"_a, "grad_alpha"_a, "grad_depth"_a.none(), "grads"_a, "grad_camera"_a)
      .def("backward_adam", &splat_backward_adam, "grad_rgb"_a, "grad_alpha"_a, "parameters"_a, "first"_a, "second"_a,
           "learning_rates"_a, "step"_a, "beta1"_a, "beta2"_a, "epsilon"_a, "opacity_pull"_a, "scale_pull"_a,
           "stats"_a.none(), "grad_camera"_a)
      .def("seen", [](const SplatFrame& f, Array<bool, 1> out) { f.seen(out.data()); }, "out"_a)
      .def_prop_ro("seen_count", &SplatFrame::seen_count)
      .def_prop_ro("pair_count", &SplatFrame::pair_count);
}

// --- the machine ----------------------------------------------------------------------------------------------------

void bind_machine(nb::module_& m) {
  m.def("cpu_isa", [] { return kernels().isa; });
  m.def("select_cpu_isa", [](const std::string& isa) { return select_kernels(isa.c_str()); }, "isa"_a);
}

}  // namespace
}  // namespace recon

NB_MODULE(_native, m) {
  recon::bind_splat(m);
  recon::bind_machine(m);
}
