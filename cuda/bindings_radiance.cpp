// The operators of radiance fields on the CPU. Arrays of samples are planar here: [values, samples].
#include "bindings_field.h"
#include "bindings_rays.h"

namespace recon {

void bind_radiance(nb::module_& m) {
  nb::class_<Marching<OnCpu>> marching(m, "Marching");
  bind_marching<OnCpu>(marching);
  // How many leading rays have all their samples.
  marching.def("find", [](Marching<OnCpu>& marching, Array<int64_t, 1> offsets, Array<int32_t, 1> rays, Array<float, 1> t0,
                          Array<float, 1> t1) {
    marching.write_to(offsets, rays, t0, t1);
    int64_t complete = 0;
    marching.a.complete = &complete;
    nb::gil_scoped_release release;
    kernels().march(marching.a);
    return complete;
  }, "offsets"_a, "rays"_a, "t0"_a, "t1"_a);
  RayOperators<OnCpu>::bind(m);
  FieldOperators<OnCpu>::bind(m);
}

}  // namespace recon
