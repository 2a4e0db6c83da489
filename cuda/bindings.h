// What the bindings' files share: arrays as they come from Python, on the CPU or the GPU, and the check of their shapes.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <stdexcept>
#include <type_traits>
#include <utility>

#include "ops/kernels.h"

namespace recon {

namespace nb = nanobind;
using namespace nb::literals;

// An array as it comes from Python. One that an operator writes has to be as the operator takes it: nanobind would make a
// copy of another type or layout, and what is written into that is lost. One that is read may be a copy.
template <class T, size_t N, class Place>
struct ArrayOn : nb::ndarray<T, nb::ndim<N>, nb::c_contig, Place> {
  using Base = nb::ndarray<T, nb::ndim<N>, nb::c_contig, Place>;
  static constexpr bool kMayBeCopy = std::is_const_v<T>;
  ArrayOn() = default;
  ArrayOn(Base&& array) : Base(std::move(array)) {}
};

template <class T, size_t N>
using Array = ArrayOn<T, N, nb::device::cpu>;
template <class T, size_t N>
using Maybe = std::optional<Array<T, N>>;

#ifdef RECON_SIMT_EMULATED
using Device = nb::device::cpu;
#else
using Device = nb::device::cuda;
#endif
template <class T, size_t N>
using DeviceArray = ArrayOn<T, N, Device>;
template <class T, size_t N>
using MaybeDevice = std::optional<DeviceArray<T, N>>;

// Where an operator runs: its arrays, what its last argument is called, and the prefix of its name.
struct OnCpu {
  template <class T, size_t N>
  using Array = recon::Array<T, N>;
  using Where = int;
  static constexpr const char *kWhere = "threads", *kPrefix = "";
  static constexpr bool kReadable = true;  // by the host, without waiting
  static const RadianceKernels& kernels() { return recon::kernels().radiance; }
  template <class Args>
  static void put(Args& args, int threads) {
    args.threads = threads;
  }
};
struct OnCuda {
  template <class T, size_t N>
  using Array = DeviceArray<T, N>;
  using Where = uintptr_t;
  static constexpr const char *kWhere = "stream", *kPrefix = "cuda_";
  static constexpr bool kReadable = false;
  static const RadianceKernels& kernels();
  template <class Args>
  static void put(Args& args, uintptr_t stream) {
    args.stream = stream;
  }
};

inline void expect(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}
template <class A>
auto data_or_null(const std::optional<A>& array) -> decltype(array->data()) {
  return array.has_value() ? array->data() : nullptr;
}

// The Gaussians and the view, with shapes checked; the images are still missing.
template <class Blocks>
Splat describe_splat(const Blocks& blocks, const Array<const float, 2>& cam_from_world, float fx, float fy, float cx,
                     float cy, int sh_degree, bool antialiased) {
  expect(blocks.shape(2) == kBlock && blocks.shape(1) >= kSh + 3, "blocks must be [b, c, 16] with c >= 14");
  expect(sh_degree >= 0 && sh_degree <= 3 && int(blocks.shape(1)) >= kSh + 3 * (sh_degree + 1) * (sh_degree + 1),
         "the blocks do not hold that many SH coefficients");
  expect(cam_from_world.shape(0) == 4 && cam_from_world.shape(1) == 4, "cam_from_world must be [4, 4]");
  Splat s{};
  for (int i = 0; i < 12; ++i) s.cam_from_world[i] = cam_from_world.data()[i];
  s.fx = fx, s.fy = fy, s.cx = cx, s.cy = cy;
  s.blocks = blocks.data(), s.block_count = int64_t(blocks.shape(0)), s.planes = int(blocks.shape(1));
  s.sh_degree = sh_degree, s.antialiased = antialiased;
  return s;
}

// A map of features and where their sums go, with shapes checked, for a view of this size.
template <class Map, class Sums, class Weights>
SplatLift describe_lift(const Splat& s, const Map& map, const Sums& sums, const Weights& weights) {
  expect(map.shape(0) > 0 && map.shape(1) > 0 && map.shape(2) > 0, "the map is empty");
  expect(map.shape(2) == sums.shape(1) && sums.shape(0) == weights.shape(0), "map, sums and weights differ in size");
  expect(int64_t(sums.shape(0)) <= s.block_count * kBlock, "there are more sums than Gaussians");
  SplatLift d{};
  d.map = map.data(), d.rows = int(map.shape(0)), d.columns = int(map.shape(1)), d.channels = int(map.shape(2));
  d.sums = sums.data(), d.weights = weights.data(), d.gaussians = int64_t(sums.shape(0));
  expect(nodes_under_tile(d.columns, s.width) <= kMostNodes && nodes_under_tile(d.rows, s.height) <= kMostNodes,
         "a cell of the map must span at least 4 pixels");
  return d;
}

void bind_radiance(nb::module_&);
void bind_radiance_cuda(nb::module_&);
void bind_stereo(nb::module_&);
void bind_cuda(nb::module_&);

}  // namespace recon

template <class T, size_t N, class Place>
struct nanobind::detail::type_caster<recon::ArrayOn<T, N, Place>> {
  using Array = recon::ArrayOn<T, N, Place>;
  using Caster = make_caster<typename Array::Base>;
  NB_TYPE_CASTER(Array, Caster::Name)

  template <class Flags>
  bool from_python(handle source, Flags flags, cleanup_list* cleanup) noexcept {
    Caster caster;
    const Flags allowed = Array::kMayBeCopy ? flags : Flags(flags & ~Flags(cast_flags::convert));
    if (!caster.from_python(source, allowed, cleanup)) return false;
    value = Array(std::move(caster.value));
    return true;
  }
};
