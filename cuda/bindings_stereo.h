// The arguments of PatchMatch, with shapes checked, from arrays on either device.
#pragma once
#include "bindings.h"

namespace recon {

// What is compared, and how; the planes and what is tried of them are still missing.
template <class Gray, class Quads, class Depths, class Maps, class Sizes>
MatchArgs describe_match(const Gray& gray, const Quads& quads, const Depths& depths, const Maps& maps, const Sizes& sizes,
                         nb::dict options) {
  MatchArgs a{};
  a.height = int(gray.shape(0)), a.width = int(gray.shape(1)), a.gray = gray.data();
  expect(a.height > 0 && a.width > 0, "the photo has no pixels");
  a.quads = quads.data(), a.depths = data_or_null(depths);
  expect(!depths.has_value() || depths->shape(0) == quads.shape(0), "one inverse depth per quad is needed");
  a.sources = int(maps.shape(0)), a.maps = maps.data(), a.sizes = sizes.data();
  expect(a.sources > 0 && maps.shape(1) == 24 && sizes.shape(0) == maps.shape(0) && sizes.shape(1) == 3,
         "there must be [k, 24] maps and [k, 3] sizes");
  const auto number = [&](const char* name) { return nb::cast<float>(options[name]); };
  a.best = nb::cast<int>(options["best"]), a.radius = nb::cast<int>(options["radius"]), a.step = nb::cast<int>(options["step"]);
  expect(a.best >= 1 && a.best <= 4, "best must be 1 to 4");
  expect(a.radius >= 1 && a.radius <= 3 && a.step >= 1, "radius must be 1 to 3, and step 1 or more");
  a.colour = number("colour"), a.space = number("space"), a.focal = number("focal");
  a.low = number("low"), a.high = number("high"), a.agreement = number("agreement"), a.most = number("most");
  expect(a.low > 0 && a.high >= a.low && a.focal > 0, "inverse depths and focal length must be positive");
  return a;
}

template <class Planes, class Costs>
void set_planes(MatchArgs& a, const Planes& planes, const Costs& costs) {
  expect(planes.shape(0) == 3 && int(planes.shape(1)) == a.height && int(planes.shape(2)) == a.width &&
             int(costs.shape(0)) == a.height && int(costs.shape(1)) == a.width,
         "planes must be [3, h, w] and costs [h, w], as the photo");
  a.planes = planes.data(), a.costs = costs.data();
}

inline void set_changes(MatchArgs& a, float depth_change, float slope_change, bool thorough, uint32_t seed, uint32_t sweep) {
  a.depth_change = depth_change, a.slope_change = slope_change, a.thorough = thorough, a.seed = seed, a.sweep = sweep;
}

}  // namespace recon
