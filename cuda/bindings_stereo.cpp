// The operators of stereo, in reading order.
#include "bindings_stereo.h"

namespace recon {
namespace {

// The other photos' pixels must lie within `quads`: sizes are in this machine's memory here.
MatchArgs describe(const Array<const float, 2>& gray, const Array<const int32_t, 1>& quads,
                   const Maybe<const float, 1>& depths, const Array<const float, 2>& maps,
                   const Array<const int64_t, 2>& sizes, nb::dict options) {
  const MatchArgs a = describe_match(gray, quads, depths, maps, sizes, options);
  for (int k = 0; k < a.sources; ++k) {
    const int64_t *const size = a.sizes + 3 * k, width = size[0], height = size[1], first = size[2];
    expect(width > 1 && height > 1 && first >= 0 && first + width * height <= int64_t(quads.shape(0)),
           "a photo lies outside of the quads");
  }
  return a;
}

void match_costs(Array<const float, 2> gray, Array<const int32_t, 1> quads, Maybe<const float, 1> depths,
                 Array<const float, 2> maps, Array<const int64_t, 2> sizes, nb::dict options, Array<float, 3> planes,
                 Array<float, 2> costs, int threads) {
  MatchArgs a = describe(gray, quads, depths, maps, sizes, options);
  set_planes(a, planes, costs);
  a.threads = threads;
  nb::gil_scoped_release release;
  kernels().match_costs(a);
}

void match_sweep(Array<const float, 2> gray, Array<const int32_t, 1> quads, Maybe<const float, 1> depths,
                 Array<const float, 2> maps, Array<const int64_t, 2> sizes, nb::dict options, Array<float, 3> planes,
                 Array<float, 2> costs, float depth_change, float slope_change, bool thorough, uint32_t seed, uint32_t sweep,
                 int threads) {
  MatchArgs a = describe(gray, quads, depths, maps, sizes, options);
  set_planes(a, planes, costs);
  set_changes(a, depth_change, slope_change, thorough, seed, sweep);
  a.threads = threads;
  nb::gil_scoped_release release;
  kernels().match_sweep(a);
}

}  // namespace

void bind_stereo(nb::module_& m) {
  m.def("match_costs", &match_costs, "gray"_a, "quads"_a, "depths"_a.none(), "maps"_a, "sizes"_a, "options"_a,
        "planes"_a, "costs"_a, "threads"_a);
  m.def("match_sweep", &match_sweep, "gray"_a, "quads"_a, "depths"_a.none(), "maps"_a, "sizes"_a, "options"_a,
        "planes"_a, "costs"_a, "depth_change"_a, "slope_change"_a, "thorough"_a, "seed"_a, "sweep"_a, "threads"_a);
}

}  // namespace recon
