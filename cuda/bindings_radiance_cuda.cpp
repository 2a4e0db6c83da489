// The operators of radiance fields on CUDA: the signatures of the CPU's, and marching in two parts.
#include "bindings_field.h"
#include "bindings_rays.h"
#include "ops/radiance_cuda.h"

namespace recon {

const RadianceKernels& OnCuda::kernels() {
  static const RadianceKernels table = {
      cuda_hash_encode,    cuda_hash_backward, cuda_hash_workspace, cuda_sparse_adam,         cuda_mlp_forward,
      cuda_mlp_backward,   cuda_mlp_workspace, cuda_bf16_tiles,     cuda_field_forward,       cuda_field_backward,
      cuda_field_workspace, cuda_place_samples, cuda_place_backward, cuda_encode_directions, cuda_encode_directions_backward,
      cuda_composite,      cuda_composite_backward, cuda_distortion, cuda_distortion_backward};
  return table;
}

void bind_radiance_cuda(nb::module_& m) {
  nb::class_<Marching<OnCuda>> marching(m, "CudaMarching");
  bind_marching<OnCuda>(marching);
  marching
      .def("workspace", [](Marching<OnCuda>& marching) { return cuda_march_bytes(marching.a); })
      // How many samples each ray has, as offsets, and in `found`: all that fit into `most`, and how many leading rays
      // have all of theirs. Nothing waits; the host reads `found` to make room for `fill`.
      .def("count", [](Marching<OnCuda>& marching, int64_t most, DeviceArray<int64_t, 1> offsets,
                       DeviceArray<int64_t, 1> found, DeviceArray<uint8_t, 1> workspace) {
        expect(int64_t(offsets.shape(0)) == marching.a.ray_count + 1 && found.shape(0) == 2,
               "offsets must be [r + 1] and found [2]");
        expect(workspace.shape(0) >= cuda_march_bytes(marching.a), "the workspace is for other rays");
        marching.a.most = most, marching.a.offsets = offsets.data();
        cuda_march_count(marching.a, found.data(), workspace.data());
      }, "most"_a, "offsets"_a, "found"_a, "workspace"_a)
      .def("fill", [](Marching<OnCuda>& marching, DeviceArray<int64_t, 1> offsets, DeviceArray<int32_t, 1> rays,
                      DeviceArray<float, 1> t0, DeviceArray<float, 1> t1, DeviceArray<uint8_t, 1> workspace) {
        marching.write_to(offsets, rays, t0, t1);
        cuda_march_fill(marching.a, workspace.data());
      }, "offsets"_a, "rays"_a, "t0"_a, "t1"_a, "workspace"_a);
  RayOperators<OnCuda>::bind(m);
  FieldOperators<OnCuda>::bind(m);
}

}  // namespace recon
