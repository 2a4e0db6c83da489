// Marching on CUDA, a thread a ray, twice: to count, and once it is known how much comes before, to write.
#include "device_library.h"
#include "ops/march_ray.h"
#include "ops/radiance_cuda.h"
#include "ops/shelf.h"

namespace recon {
namespace {

using namespace simt;
using namespace RECON_ISA;

constexpr int kThreads = 64, kCells = 4;  // rays, and coarse cells, of a block

int64_t coarse_count(const MarchArgs& a) {
  const int64_t few = a.side / kCoarse;
  return has_coarse_cells(a) ? a.cubes * few * few * few : 0;
}

// What lies in the workspace.
struct Parts {
  int64_t *counts, *ends;  // samples of each ray, and of it and all before
  uint8_t* coarse;         // null where there are no coarse cells
  Scratch scan;
  size_t bytes;
};

Parts parts_of(const MarchArgs& a, void* workspace) {
  Shelf shelf(workspace);
  Parts parts{};
  parts.counts = shelf.take<int64_t>(a.ray_count), parts.ends = shelf.take<int64_t>(a.ray_count);
  uint8_t* const coarse = shelf.take<uint8_t>(coarse_count(a));
  parts.coarse = coarse_count(a) > 0 ? coarse : nullptr;
  inclusive_sum(parts.scan, parts.counts, parts.ends, a.ray_count, stream_of(a.stream));
  parts.scan.data = shelf.take<uint8_t>(int64_t(parts.scan.bytes));
  parts.bytes = shelf.used();
  return parts;
}

// A warp a coarse cell: four of its 64 rows of 8 cells at a time.
__global__ __launch_bounds__(kCells* kWarp) void find_coarse(MarchArgs a, uint8_t* coarse, int64_t count) {
  const int64_t cell = int64_t(blockIdx.x) * kCells + warp();
  if (cell >= count) return;
  const int few = a.side / kCoarse;
  const int64_t z = cell % few, y = cell / few % few, x = cell / few / few;  // cubes are one behind the other in x
  unsigned octants = 0;
  for (int row = lane() / kCoarse; row < kCoarse * kCoarse; row += kWarp / kCoarse) {
    const int in_x = row / kCoarse, in_y = row % kCoarse, in_z = lane() % kCoarse;
    const bool holds = a.occupied[((x * kCoarse + in_x) * a.side + y * kCoarse + in_y) * a.side + z * kCoarse + in_z];
    octants |= unsigned(holds) << octant_of(in_x, in_y, in_z);
  }
  for (int lanes = kWarp / 2; lanes > 0; lanes /= 2) octants |= shuffle_xor(kFullWarp, octants, lanes);
  if (lane() == 0) coarse[cell] = uint8_t(octants);
}

struct Count {
  int64_t* samples;
  RECON_HD void operator()(float, float) const { ++*samples; }
};

__global__ __launch_bounds__(kThreads) void count_samples(MarchArgs a, Lattice lattice, const uint8_t* coarse, int64_t* counts) {
  const int64_t ray = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (ray >= a.ray_count) return;
  int64_t samples = 0;
  march_ray(a, cubes_of(a), lattice, Cells{a.occupied, nullptr, coarse, a.side}, ray, Count{&samples});
  counts[ray] = samples;
}

// Rays with all before them that fit into `most` keep their samples, the others have none.
__global__ __launch_bounds__(kThreads) void bound(MarchArgs a, const int64_t* ends, int64_t* found) {
  const int64_t ray = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (ray == 0) a.offsets[0] = 0;
  if (ray == 0 && (a.ray_count == 0 || ends[0] > a.most)) found[0] = found[1] = 0;
  if (ray >= a.ray_count) return;
  if (ends[ray] <= a.most) {
    a.offsets[ray + 1] = ends[ray];
    if (ray + 1 == a.ray_count || ends[ray + 1] > a.most) found[0] = ends[ray], found[1] = ray + 1;
    return;
  }
  int64_t complete = 0, beyond = ray;  // of the first ray that does not fit, this or one before
  while (complete < beyond) {
    const int64_t middle = (complete + beyond) / 2;
    if (ends[middle] <= a.most)
      complete = middle + 1;
    else
      beyond = middle;
  }
  a.offsets[ray + 1] = complete == 0 ? 0 : ends[complete - 1];
}

struct Write {
  const MarchArgs* a;
  int64_t ray;
  int64_t* at;
  RECON_HD void operator()(float t0, float t1) const {
    a->t0[*at] = t0, a->t1[*at] = t1, a->rays[*at] = int32_t(ray);
    ++*at;
  }
};

__global__ __launch_bounds__(kThreads) void write_samples(MarchArgs a, Lattice lattice, const uint8_t* coarse) {
  const int64_t ray = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (ray >= a.ray_count || a.offsets[ray] == a.offsets[ray + 1]) return;
  int64_t at = a.offsets[ray];
  march_ray(a, cubes_of(a), lattice, Cells{a.occupied, nullptr, coarse, a.side}, ray, Write{&a, ray, &at});
}

}  // namespace

size_t cuda_march_bytes(const MarchArgs& args) { return parts_of(args, nullptr).bytes; }

void cuda_march_count(const MarchArgs& args, int64_t* found, void* workspace) {
  Parts parts = parts_of(args, workspace);
  const cudaStream_t stream = stream_of(args.stream);
  const int64_t cells = coarse_count(args);
  launch(find_coarse, dim3(blocks_for(cells, kCells)), dim3(kCells * kWarp), 0, stream, args, parts.coarse, cells);
  const Lattice lattice = lattice_of(args.step, args.cone);
  const dim3 blocks(blocks_for(args.ray_count, kThreads)), threads(kThreads);
  launch(count_samples, blocks, threads, 0, stream, args, lattice, parts.coarse, parts.counts);
  inclusive_sum(parts.scan, parts.counts, parts.ends, args.ray_count, stream);
  launch(bound, dim3(blocks_for(args.ray_count + 1, kThreads)), threads, 0, stream, args, parts.ends, found);
}

void cuda_march_fill(const MarchArgs& args, const void* workspace) {
  const Parts parts = parts_of(args, const_cast<void*>(workspace));
  launch(write_samples, dim3(blocks_for(args.ray_count, kThreads)), dim3(kThreads), 0, stream_of(args.stream), args,
         lattice_of(args.step, args.cone), parts.coarse);
}

}  // namespace recon
