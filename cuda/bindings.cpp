// `recon._native`: every operator's signature, in reading order; those of radiance fields are in bindings_radiance.cpp,
// of stereo in bindings_stereo.cpp, of CUDA in bindings_cuda.cpp. Checks shapes where they enter; the kernels trust them.
#include "bindings_step.h"

#include "splat_frame.h"
#ifdef RECON_WITH_CUDA
#include "cuda_device.h"
#endif

namespace recon {
namespace {

// --- splat: Gaussians to pixels and back ---------------------------------------------------------------------------

void splat_forward(SplatFrame& frame, Array<const float, 3> blocks, Array<const float, 2> cam_from_world, float fx,
                   float fy, float cx, float cy, int sh_degree, bool antialiased, Array<float, 3> rgb,
                   Array<float, 2> alpha, Maybe<float, 2> depth, Maybe<int32_t, 2> median) {
  expect(rgb.shape(0) == 3 && rgb.shape(1) == alpha.shape(0) && rgb.shape(2) == alpha.shape(1), "rgb and alpha differ in size");
  expect(!median.has_value() || (median->shape(0) == alpha.shape(0) && median->shape(1) == alpha.shape(1)),
         "median and alpha differ in size");
  Splat s = describe_splat(blocks, cam_from_world, fx, fy, cx, cy, sh_degree, antialiased);
  s.width = int(alpha.shape(1)), s.height = int(alpha.shape(0));
  s.rgb = rgb.data(), s.alpha = alpha.data(), s.depth = data_or_null(depth);
  s.median = data_or_null(median);
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

void splat_lift(SplatFrame& frame, Array<const float, 3> map, Array<float, 2> sums, Array<float, 1> weights) {
  expect(frame.rendered(), "lift before forward");
  const SplatLift lift = describe_lift(frame.splat(), map, sums, weights);
  nb::gil_scoped_release release;
  frame.lift(lift);
}

void bind_splat(nb::module_& m) {
  nb::class_<SplatFrame>(m, "SplatFrame")
      .def(nb::init<>())
      .def("forward", &splat_forward, "blocks"_a, "cam_from_world"_a, "fx"_a, "fy"_a, "cx"_a, "cy"_a, "sh_degree"_a,
           "antialiased"_a, "rgb"_a, "alpha"_a, "depth"_a.none(), "median"_a.none())
      .def("backward", &splat_backward, "grad_rgb"_a, "grad_alpha"_a, "grad_depth"_a.none(), "grads"_a, "grad_camera"_a)
      .def("backward_adam", &splat_backward_adam, "grad_rgb"_a, "grad_alpha"_a, "parameters"_a, "first"_a, "second"_a,
           "learning_rates"_a, "step"_a, "beta1"_a, "beta2"_a, "epsilon"_a, "opacity_pull"_a, "scale_pull"_a,
           "stats"_a.none(), "grad_camera"_a)
      .def("lift", &splat_lift, "map"_a, "sums"_a, "weights"_a)
      .def("seen", [](const SplatFrame& f, Array<bool, 1> out) { f.seen(out.data()); }, "out"_a)
      .def_prop_ro("seen_count", &SplatFrame::seen_count)
      .def_prop_ro("pair_count", &SplatFrame::pair_count)
      .def_prop_ro("seconds", [](const SplatFrame& f) {
        const SplatSeconds& s = f.seconds();
        nb::dict by_pass;
        by_pass["projection"] = s.project, by_pass["sort"] = s.sort, by_pass["binning"] = s.bin;
        by_pass["blending"] = s.blend, by_pass["blending back"] = s.blend_backward;
        by_pass["projection back and Adam"] = s.gather;
        return by_pass;
      });
}

// --- photometric: how far a render is from a photo, and the gradient -------------------------------------------------

nb::tuple photometric_workspace(int width, int height) {
  return nb::make_tuple(photometric_scratch(width), photometric_bands(height));
}

void photometric(Array<const float, 3> rgb, Array<const float, 2> alpha, Array<const uint8_t, 3> target,
                 Maybe<const float, 1> background, Maybe<const float, 2> exposure,
                 Maybe<const uint8_t, 2> target_alpha, Maybe<const uint8_t, 2> mask, float ssim_weight,
                 Array<float, 3> grad_rgb, Array<float, 2> grad_alpha, Maybe<float, 2> grad_exposure,
                 Array<float, 1> losses, Array<float, 2> scratch, Array<double, 2> partial) {
  PhotometricArgs a = StepArguments<OnCpu>::photometric(rgb, alpha, target, background, exposure, target_alpha, mask,
                                                        ssim_weight, grad_rgb, grad_alpha, grad_exposure, losses);
  expect(int64_t(scratch.shape(1)) >= photometric_scratch(a.width) && int(partial.shape(0)) >= photometric_bands(a.height) &&
             partial.shape(1) == kPhotometricSums,
         "the workspace is for another size");
  a.threads = int(scratch.shape(0)), a.scratch = scratch.data(), a.partial = partial.data();
  nb::gil_scoped_release release;
  kernels().photometric(a);
}

void bind_photometric(nb::module_& m) {
  m.def("photometric_workspace", &photometric_workspace, "width"_a, "height"_a);
  m.def("photometric", &photometric, "rgb"_a, "alpha"_a, "target"_a, "background"_a.none(), "exposure"_a.none(),
        "target_alpha"_a.none(), "mask"_a.none(), "ssim_weight"_a, "grad_rgb"_a, "grad_alpha"_a,
        "grad_exposure"_a.none(), "losses"_a, "scratch"_a, "partial"_a);
}

// --- adam, mcmc: what happens to blocks of Gaussians after the gradient ----------------------------------------------

void adam_step(Array<float, 3> blocks, Array<float, 3> first, Array<float, 3> second, Array<const float, 3> grads,
               Array<const float, 1> learning_rates, Maybe<const bool, 1> seen, int64_t step, double beta1,
               double beta2, double epsilon, int threads) {
  expect(threads >= 1, "threads count from 1");
  AdamArgs a = StepArguments<OnCpu>::adam(blocks, first, second, grads, learning_rates, seen, step, beta1, beta2, epsilon);
  a.first = first.data(), a.second = second.data(), a.threads = threads;
  nb::gil_scoped_release release;
  kernels().adam_step(a);
}

void mcmc_noise(Array<float, 3> blocks, float scale, uint64_t seed, uint64_t step, int threads) {
  expect(threads >= 1, "threads count from 1");
  NoiseArgs a = StepArguments<OnCpu>::noise(blocks, scale, seed, step);
  a.threads = threads;
  nb::gil_scoped_release release;
  kernels().mcmc_noise(a);
}

void mcmc_relocate(Array<const float, 1> opacities, Array<const float, 2> scales, Array<const int64_t, 1> copies,
                   Array<float, 1> new_opacities, Array<float, 2> new_scales) {
  const RelocateArgs a = StepArguments<OnCpu>::relocation(opacities, scales, copies, new_opacities, new_scales);
  nb::gil_scoped_release release;
  kernels().mcmc_relocate(a);
}

void bind_updates(nb::module_& m) {
  m.def("adam_step", &adam_step, "blocks"_a, "first"_a, "second"_a, "grads"_a, "learning_rates"_a, "seen"_a.none(),
        "step"_a, "beta1"_a, "beta2"_a, "epsilon"_a, "threads"_a);
  m.def("mcmc_noise", &mcmc_noise, "blocks"_a, "scale"_a, "seed"_a, "step"_a, "threads"_a);
  m.def("mcmc_relocate", &mcmc_relocate, "opacities"_a, "scales"_a, "copies"_a, "new_opacities"_a, "new_scales"_a);
}

// --- point sets: points spread over a cloud, and their neighbours ------------------------------------------------------

void farthest_points(Array<const float, 3> points, Array<float, 2> distances, Array<int64_t, 2> chosen, int threads) {
  FarthestArgs a{};
  a.points = points.data(), a.distances = distances.data(), a.chosen = chosen.data();
  a.sets = int64_t(points.shape(0)), a.n = int64_t(points.shape(2)), a.count = int64_t(chosen.shape(1));
  a.threads = threads;
  expect(points.shape(1) == 3 && chosen.shape(0) == points.shape(0), "points must be [b, 3, n], chosen [b, count]");
  expect(distances.shape(0) == points.shape(0) && distances.shape(1) == points.shape(2), "distances must be [b, n]");
  expect(a.n > 0 && a.count <= a.n && threads >= 1, "there are fewer points than are asked for");
  nb::gil_scoped_release release;
  kernels().farthest_points(a);
}

void ball_query(Array<const float, 3> centers, Array<const float, 3> points, float radius,
                Array<int64_t, 3> neighbours, int threads) {
  BallArgs a{};
  a.points = points.data(), a.centers = centers.data(), a.neighbours = neighbours.data();
  a.sets = int64_t(points.shape(0)), a.n = int64_t(points.shape(2)), a.center_count = int64_t(centers.shape(1));
  a.count = int64_t(neighbours.shape(2)), a.radius = radius, a.threads = threads;
  expect(points.shape(1) == 3 && centers.shape(2) == 3 && centers.shape(0) == points.shape(0),
         "points must be [b, 3, n], centers [b, s, 3]");
  expect(neighbours.shape(0) == centers.shape(0) && neighbours.shape(1) == centers.shape(1),
         "neighbours must be [b, s, k]");
  expect(a.n > 0 && a.count > 0 && threads >= 1, "there are no points");
  nb::gil_scoped_release release;
  kernels().ball_query(a);
}

void bind_point_sets(nb::module_& m) {
  m.def("farthest_points", &farthest_points, "points"_a, "distances"_a, "chosen"_a, "threads"_a);
  m.def("ball_query", &ball_query, "centers"_a, "points"_a, "radius"_a, "neighbours"_a, "threads"_a);
}

// --- the machine ----------------------------------------------------------------------------------------------------

void bind_machine(nb::module_& m) {
#ifdef RECON_WITH_CUDA
  m.def("cuda_info", [] {
    const CudaInfo info = cuda_info();
    return nb::make_tuple(info.devices, info.reason);
  });
  bind_cuda(m);
#else
  m.def("cuda_info", [] { return nb::make_tuple(0, "this build of recon has no CUDA part: nvcc was not there"); });
#endif
  m.def("cpu_isa", [] { return kernels().isa; });
  m.def("select_cpu_isa", [](const std::string& isa) { return select_kernels(isa.c_str()); }, "isa"_a);
}

}  // namespace
}  // namespace recon

NB_MODULE(_native, m) {
  recon::bind_splat(m);
  recon::bind_photometric(m);
  recon::bind_updates(m);
  recon::bind_point_sets(m);
  recon::bind_radiance(m);
  recon::bind_stereo(m);
  recon::bind_machine(m);
}
