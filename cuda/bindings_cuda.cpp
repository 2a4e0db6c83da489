// The CUDA operators' signatures, in reading order, as bindings.cpp has the CPU's. Nothing here allocates memory on the GPU
// or waits for it: buffers come from Python, as does the stream, an integer.
#include "bindings_step.h"
#include "bindings_stereo.h"
#include "ops/patch_match_cuda.h"
#include "ops/photometric_cuda.h"
#include "ops/point_sets_cuda.h"
#include "ops/splat_cuda.h"
#include "ops/updates_cuda.h"

namespace recon {
namespace {

using Bytes = DeviceArray<uint8_t, 1>;

// --- splat: one view, and the buffers it was given ------------------------------------------------------------------------

size_t splat_bytes(int64_t block_count, int planes, int width, int height, bool depth, int64_t seen_limit,
                   int64_t pair_limit, bool backward) {
  SplatJob job{};
  job.view.block_count = block_count, job.view.planes = planes, job.view.width = width, job.view.height = height;
  static float somewhere;
  job.view.depth = depth ? &somewhere : nullptr;
  job.seen_limit = seen_limit, job.pair_limit = pair_limit, job.backward = backward;
  return cuda_splat_bytes(job);
}

class CudaSplat {
 public:
  CudaSplat(DeviceArray<const float, 3> blocks, Array<const float, 2> cam_from_world, float fx, float fy, float cx,
            float cy, int sh_degree, bool antialiased, DeviceArray<float, 3> rgb, DeviceArray<float, 2> alpha,
            MaybeDevice<float, 2> depth, MaybeDevice<int32_t, 2> median, Bytes workspace, int64_t seen_limit, int64_t pair_limit, bool backward,
            uintptr_t stream)
      : blocks_(blocks), rgb_(rgb), alpha_(alpha), depth_(depth), median_(median), workspace_(workspace) {
    expect(rgb.shape(0) == 3 && rgb.shape(1) == alpha.shape(0) && rgb.shape(2) == alpha.shape(1), "rgb and alpha differ in size");
    expect(!depth.has_value() || (depth->shape(0) == alpha.shape(0) && depth->shape(1) == alpha.shape(1)),
           "depth differs in size from the image");
    expect(!median.has_value() || (median->shape(0) == alpha.shape(0) && median->shape(1) == alpha.shape(1)),
           "median differs in size from the image");
    expect(seen_limit >= 0 && pair_limit >= 0 && pair_limit < int64_t(1) << 31, "limits must be in 0..2^31");
    job_.view = describe_splat(blocks, cam_from_world, fx, fy, cx, cy, sh_degree, antialiased);
    job_.view.width = int(alpha.shape(1)), job_.view.height = int(alpha.shape(0));
    job_.view.rgb = rgb.data(), job_.view.alpha = alpha.data(), job_.view.depth = data_or_null(depth), job_.view.median = data_or_null(median);
    job_.workspace = workspace.data();
    job_.seen_limit = seen_limit, job_.pair_limit = pair_limit, job_.backward = backward, job_.stream = stream;
    expect(workspace.shape(0) >= cuda_splat_bytes(job_), "the workspace is too small");
  }

  void inputs(Maybe<const float, 1> learning_rates, int64_t step, double beta1, double beta2, double epsilon,
              float opacity_pull, float scale_pull) {
    expect(!learning_rates.has_value() || int(learning_rates->shape(0)) == job_.view.planes,
           "one learning rate per plane is needed");
    expect(step >= 1, "step counts from 1");
    cuda_splat_inputs(job_, {data_or_null(learning_rates), step, beta1, beta2, epsilon, opacity_pull, scale_pull});
  }
  void project() { cuda_splat_project(job_); }
  void picture() { cuda_splat_picture(job_); }

  void backward(DeviceArray<const float, 3> grad_rgb, DeviceArray<const float, 2> grad_alpha,
                MaybeDevice<const float, 2> grad_depth, DeviceArray<float, 3> grads, MaybeDevice<float, 2> grad_camera) {
    SplatGradients d = pixel_gradients(grad_rgb, grad_alpha, grad_depth);
    expect(same_shape(grads, blocks_), "gradients differ in shape from the blocks");
    expect(!grad_camera.has_value() || (grad_camera->shape(0) == 4 && grad_camera->shape(1) == 4), "the camera's must be [4, 4]");
    d.grads = grads.data(), d.grad_camera = data_or_null(grad_camera);
    cuda_splat_backward(job_, d);
  }

  template <class First, class Second>
  void backward_adam(DeviceArray<const float, 3> grad_rgb, DeviceArray<const float, 2> grad_alpha,
                     DeviceArray<float, 3> parameters, DeviceArray<First, 3> first, DeviceArray<Second, 3> second,
                     MaybeDevice<float, 3> stats, MaybeDevice<const float, 1> loss) {
    SplatGradients d = pixel_gradients(grad_rgb, grad_alpha, std::nullopt);
    expect(parameters.data() == job_.view.blocks, "the parameters are not those that were rendered");
    expect(same_shape(first, blocks_) && same_shape(second, blocks_), "moments differ in shape from the blocks");
    expect(!stats.has_value() || (stats->shape(0) == blocks_.shape(0) && stats->shape(1) == 3 && stats->shape(2) == kBlock),
           "stats must be [b, 3, 16]");
    d.parameters = parameters.data(), d.first = first.data(), d.second = second.data();
    d.coded = sizeof(First) == 1;
    d.stats = data_or_null(stats), d.absolute = stats.has_value(), d.loss = data_or_null(loss);
    cuda_splat_backward(job_, d);
  }

  // Floats of scratch that lifting a map takes: one for each pair up to the limit and each node under a tile.
  int64_t lift_scratch(int rows, int columns) const {
    return job_.pair_limit * nodes_under_tile(columns, job_.view.width) * nodes_under_tile(rows, job_.view.height);
  }
  void lift(DeviceArray<const float, 3> map, DeviceArray<float, 2> sums, DeviceArray<float, 1> weights,
            DeviceArray<float, 1> pair_nodes) {
    SplatLift d = describe_lift(job_.view, map, sums, weights);
    expect(int64_t(pair_nodes.shape(0)) >= lift_scratch(d.rows, d.columns), "the scratch memory is for fewer pairs");
    d.pair_nodes = pair_nodes.data();
    cuda_splat_lift(job_, d);
  }

  void seen(DeviceArray<bool, 1> out) {
    expect(int64_t(out.shape(0)) == job_.view.block_count * kBlock, "one flag per place is needed");
    cuda_splat_seen(job_, out.data());
  }

 private:
  template <class A, class B>
  static bool same_shape(const A& a, const B& b) {
    return a.shape(0) == b.shape(0) && a.shape(1) == b.shape(1) && a.shape(2) == b.shape(2);
  }
  SplatGradients pixel_gradients(const DeviceArray<const float, 3>& grad_rgb, const DeviceArray<const float, 2>& grad_alpha,
                                 const MaybeDevice<const float, 2>& grad_depth) const {
    const Splat& s = job_.view;
    expect(job_.backward, "this frame was rendered without a way back");
    expect(int(grad_rgb.shape(1)) == s.height && int(grad_rgb.shape(2)) == s.width && int(grad_alpha.shape(0)) == s.height &&
               int(grad_alpha.shape(1)) == s.width,
           "gradients differ in size from the image");
    expect(!grad_depth.has_value() || s.depth != nullptr, "no depth was rendered");
    SplatGradients d{};
    d.grad_rgb = grad_rgb.data(), d.grad_alpha = grad_alpha.data(), d.grad_depth = data_or_null(grad_depth);
    return d;
  }

  DeviceArray<const float, 3> blocks_;
  DeviceArray<float, 3> rgb_;
  DeviceArray<float, 2> alpha_;
  MaybeDevice<float, 2> depth_;
  MaybeDevice<int32_t, 2> median_;
  Bytes workspace_;
  SplatJob job_{};
};

void bind_splats(nb::module_& m) {
  m.def("cuda_splat_bytes", &splat_bytes, "block_count"_a, "planes"_a, "width"_a, "height"_a, "depth"_a, "seen_limit"_a,
        "pair_limit"_a, "backward"_a);
  nb::class_<CudaSplat>(m, "CudaSplat")
      .def(nb::init<DeviceArray<const float, 3>, Array<const float, 2>, float, float, float, float, int, bool,
                    DeviceArray<float, 3>, DeviceArray<float, 2>, MaybeDevice<float, 2>, MaybeDevice<int32_t, 2>, Bytes,
                    int64_t, int64_t, bool, uintptr_t>(),
           "blocks"_a, "cam_from_world"_a, "fx"_a, "fy"_a, "cx"_a, "cy"_a, "sh_degree"_a, "antialiased"_a, "rgb"_a,
           "alpha"_a, "depth"_a.none(), "median"_a.none(), "workspace"_a, "seen_limit"_a, "pair_limit"_a, "backward"_a, "stream"_a)
      .def("inputs", &CudaSplat::inputs, "learning_rates"_a.none(), "step"_a, "beta1"_a, "beta2"_a, "epsilon"_a,
           "opacity_pull"_a, "scale_pull"_a)
      .def("project", &CudaSplat::project)
      .def("picture", &CudaSplat::picture)
      .def("backward", &CudaSplat::backward, "grad_rgb"_a, "grad_alpha"_a, "grad_depth"_a.none(), "grads"_a,
           "grad_camera"_a.none())
      .def("backward_adam", &CudaSplat::backward_adam<float, float>, "grad_rgb"_a, "grad_alpha"_a, "parameters"_a,
           "first"_a, "second"_a, "stats"_a.none(), "loss"_a.none())
      .def("backward_adam", &CudaSplat::backward_adam<int8_t, uint8_t>, "grad_rgb"_a, "grad_alpha"_a, "parameters"_a,
           "first"_a, "second"_a, "stats"_a.none(), "loss"_a.none())
      .def("lift_scratch", &CudaSplat::lift_scratch, "rows"_a, "columns"_a)
      .def("lift", &CudaSplat::lift, "map"_a, "sums"_a, "weights"_a, "pair_nodes"_a)
      .def("seen", &CudaSplat::seen, "out"_a);
}

// --- photometric ------------------------------------------------------------------------------------------------------

void photometric(DeviceArray<const float, 3> rgb, DeviceArray<const float, 2> alpha, DeviceArray<const uint8_t, 3> target,
                 MaybeDevice<const float, 1> background, MaybeDevice<const float, 2> exposure,
                 MaybeDevice<const uint8_t, 2> target_alpha, MaybeDevice<const uint8_t, 2> mask, float ssim_weight,
                 DeviceArray<float, 3> grad_rgb, DeviceArray<float, 2> grad_alpha, MaybeDevice<float, 2> grad_exposure,
                 DeviceArray<float, 1> losses, Bytes workspace, uintptr_t stream) {
  const PhotometricArgs a = StepArguments<OnCuda>::photometric(rgb, alpha, target, background, exposure, target_alpha, mask,
                                                               ssim_weight, grad_rgb, grad_alpha, grad_exposure, losses);
  expect(workspace.shape(0) >= cuda_photometric_bytes(a.width, a.height), "the workspace is for another size");
  cuda_photometric(a, workspace.data(), stream);
}

// --- adam, mcmc, morton: what happens to blocks of Gaussians after the gradient -------------------------------------------

template <class First, class Second>
void adam_step(DeviceArray<float, 3> blocks, DeviceArray<First, 3> first, DeviceArray<Second, 3> second,
               DeviceArray<const float, 3> grads, Array<const float, 1> learning_rates, MaybeDevice<const bool, 1> seen,
               int64_t step, double beta1, double beta2, double epsilon, uintptr_t stream) {
  AdamArgs a = StepArguments<OnCuda>::adam(blocks, first, second, grads, learning_rates, seen, step, beta1, beta2, epsilon);
  if constexpr (sizeof(First) == 1) {
    cuda_adam_step(a, first.data(), second.data(), stream);
  } else {
    a.first = first.data(), a.second = second.data();
    cuda_adam_step(a, nullptr, nullptr, stream);
  }
}

void mcmc_noise(DeviceArray<float, 3> blocks, float scale, uint64_t seed, uint64_t step, uintptr_t stream) {
  cuda_mcmc_noise(StepArguments<OnCuda>::noise(blocks, scale, seed, step), stream);
}

void mcmc_relocate(DeviceArray<const float, 1> opacities, DeviceArray<const float, 2> scales,
                   DeviceArray<const int64_t, 1> copies, DeviceArray<float, 1> new_opacities,
                   DeviceArray<float, 2> new_scales, uintptr_t stream) {
  cuda_mcmc_relocate(StepArguments<OnCuda>::relocation(opacities, scales, copies, new_opacities, new_scales), stream);
}

void morton_codes(DeviceArray<const float, 2> means, DeviceArray<const float, 1> low, DeviceArray<const float, 1> high,
                  DeviceArray<int64_t, 1> codes, uintptr_t stream) {
  expect(means.shape(1) == 3 && low.shape(0) == 3 && high.shape(0) == 3, "means must be [g, 3], the box [3] and [3]");
  expect(codes.shape(0) == means.shape(0), "one code per point is needed");
  cuda_morton_codes({means.data(), low.data(), high.data(), int64_t(means.shape(0)), codes.data()}, stream);
}

// --- point sets: points spread over a cloud, and their neighbours ----------------------------------------------------------

void farthest_points(DeviceArray<const float, 3> points, DeviceArray<float, 2> distances, DeviceArray<int64_t, 2> chosen,
                     uintptr_t stream) {
  FarthestArgs a{};
  a.points = points.data(), a.distances = distances.data(), a.chosen = chosen.data();
  a.sets = int64_t(points.shape(0)), a.n = int64_t(points.shape(2)), a.count = int64_t(chosen.shape(1));
  expect(points.shape(1) == 3 && chosen.shape(0) == points.shape(0), "points must be [b, 3, n], chosen [b, count]");
  expect(distances.shape(0) == points.shape(0) && distances.shape(1) == points.shape(2), "distances must be [b, n]");
  expect(a.n > 0 && a.count <= a.n, "there are fewer points than are asked for");
  cuda_farthest_points(a, stream);
}

void ball_query(DeviceArray<const float, 3> centers, DeviceArray<const float, 3> points, float radius,
                DeviceArray<int64_t, 3> neighbours, uintptr_t stream) {
  BallArgs a{};
  a.points = points.data(), a.centers = centers.data(), a.neighbours = neighbours.data();
  a.sets = int64_t(points.shape(0)), a.n = int64_t(points.shape(2)), a.center_count = int64_t(centers.shape(1));
  a.count = int64_t(neighbours.shape(2)), a.radius = radius;
  expect(points.shape(1) == 3 && centers.shape(2) == 3 && centers.shape(0) == points.shape(0),
         "points must be [b, 3, n], centers [b, s, 3]");
  expect(neighbours.shape(0) == centers.shape(0) && neighbours.shape(1) == centers.shape(1),
         "neighbours must be [b, s, k]");
  expect(a.n > 0 && a.count > 0, "there are no points");
  cuda_ball_query(a, stream);
}

// --- stereo: sizes are in device memory, and trusted -------------------------------------------------------------------

void match_costs(DeviceArray<const float, 2> gray, DeviceArray<const int32_t, 1> quads,
                 MaybeDevice<const float, 1> depths, DeviceArray<const float, 2> maps,
                 DeviceArray<const int64_t, 2> sizes, nb::dict options, DeviceArray<float, 3> planes,
                 DeviceArray<float, 2> costs, uintptr_t stream) {
  MatchArgs a = describe_match(gray, quads, depths, maps, sizes, options);
  set_planes(a, planes, costs);
  cuda_match_costs(a, stream);
}

void match_sweep(DeviceArray<const float, 2> gray, DeviceArray<const int32_t, 1> quads,
                 MaybeDevice<const float, 1> depths, DeviceArray<const float, 2> maps,
                 DeviceArray<const int64_t, 2> sizes, nb::dict options, DeviceArray<float, 3> planes,
                 DeviceArray<float, 2> costs, float depth_change, float slope_change, bool thorough, uint32_t seed,
                 uint32_t sweep, uintptr_t stream) {
  MatchArgs a = describe_match(gray, quads, depths, maps, sizes, options);
  set_planes(a, planes, costs);
  set_changes(a, depth_change, slope_change, thorough, seed, sweep);
  cuda_match_sweep(a, stream);
}

}  // namespace

void bind_cuda(nb::module_& m) {
  bind_splats(m);
  bind_radiance_cuda(m);
  m.def("cuda_match_costs", &match_costs, "gray"_a, "quads"_a, "depths"_a.none(), "maps"_a, "sizes"_a, "options"_a,
        "planes"_a, "costs"_a, "stream"_a);
  m.def("cuda_match_sweep", &match_sweep, "gray"_a, "quads"_a, "depths"_a.none(), "maps"_a, "sizes"_a, "options"_a,
        "planes"_a, "costs"_a, "depth_change"_a, "slope_change"_a, "thorough"_a, "seed"_a, "sweep"_a, "stream"_a);
  m.def("cuda_photometric_bytes", &cuda_photometric_bytes, "width"_a, "height"_a);
  m.def("cuda_photometric", &photometric, "rgb"_a, "alpha"_a, "target"_a, "background"_a.none(), "exposure"_a.none(),
        "target_alpha"_a.none(), "mask"_a.none(), "ssim_weight"_a, "grad_rgb"_a, "grad_alpha"_a,
        "grad_exposure"_a.none(), "losses"_a, "workspace"_a, "stream"_a);
  m.def("cuda_adam_step", &adam_step<float, float>, "blocks"_a, "first"_a, "second"_a, "grads"_a, "learning_rates"_a,
        "seen"_a.none(), "step"_a, "beta1"_a, "beta2"_a, "epsilon"_a, "stream"_a);
  m.def("cuda_adam_step", &adam_step<int8_t, uint8_t>, "blocks"_a, "first"_a, "second"_a, "grads"_a, "learning_rates"_a,
        "seen"_a.none(), "step"_a, "beta1"_a, "beta2"_a, "epsilon"_a, "stream"_a);
  m.def("cuda_mcmc_noise", &mcmc_noise, "blocks"_a, "scale"_a, "seed"_a, "step"_a, "stream"_a);
  m.def("cuda_mcmc_relocate", &mcmc_relocate, "opacities"_a, "scales"_a, "copies"_a, "new_opacities"_a, "new_scales"_a,
        "stream"_a);
  m.def("cuda_farthest_points", &farthest_points, "points"_a, "distances"_a, "chosen"_a, "stream"_a);
  m.def("cuda_ball_query", &ball_query, "centers"_a, "points"_a, "radius"_a, "neighbours"_a, "stream"_a);
  m.def("cuda_morton_codes", &morton_codes, "means"_a, "low"_a, "high"_a, "codes"_a, "stream"_a);
}

}  // namespace recon

#ifdef RECON_SIMT_EMULATED
// The same signatures on CPU arrays, for tests without a GPU.
NB_MODULE(_emulated, m) { recon::bind_cuda(m); }
#endif
