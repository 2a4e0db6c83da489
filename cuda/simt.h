// The words a CUDA kernel is written in: barriers, shuffles, votes, reductions, shared memory, atomics, launches.
//
// Under nvcc each is one intrinsic. With RECON_SIMT_EMULATED the same kernel file is plain C++: tests/simt runs the threads
// of a block as fibers and stops at whatever CUDA leaves undefined. So a kernel includes this and nothing of CUDA:
//   * the language stays CUDA's own: __global__, __device__, __launch_bounds__, threadIdx, float4, rsqrtf, __popc, __ldg;
//   * what threads do together has its name here: no __syncthreads, __shfl_sync, atomicAdd, __shared__ or <<<>>>;
//   * shared memory is read and written by whole elements, `tile[i]`, with one index, never through a pointer into it;
//     a function that gets such an array takes it as `auto& tile`;
//   * sorts and scans of whole arrays are in device_library.h.
// CONTRIBUTING.md says how to test one.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include <stdexcept>

namespace recon::simt {
constexpr int kWarp = 32;
constexpr unsigned kFullWarp = 0xffffffffu;
}  // namespace recon::simt

#ifdef RECON_SIMT_EMULATED
#include "emulator.h"
#else
#include <cuda_runtime.h>

#include <type_traits>

#define RECON_DEVICE __device__ __forceinline__

// `SHARED_ARRAY(float4, batch, 256);` is one array for the block, its size known to the compiler.
// `DYNAMIC_SHARED(float, rows, first_byte, count);` is a part of the bytes that the launch asked for; parts do not overlap.
#define SHARED_ARRAY(T, name, count) __shared__ T name[count]
#define DYNAMIC_SHARED(T, name, first_byte, count)                                \
  extern __shared__ __align__(16) unsigned char recon_dynamic_shared[];           \
  T* const name = reinterpret_cast<T*>(recon_dynamic_shared + (first_byte))

namespace recon::simt {

// --- who am I -------------------------------------------------------------------------------------------------------
RECON_DEVICE int thread_rank() { return int(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)); }
RECON_DEVICE int lane() { return thread_rank() % kWarp; }
RECON_DEVICE int warp() { return thread_rank() / kWarp; }
RECON_DEVICE int block_threads() { return int(blockDim.x * blockDim.y * blockDim.z); }

// --- barriers: every thread of the block, or every lane of the mask, that has not returned ---------------------------
RECON_DEVICE void block_sync() { __syncthreads(); }
RECON_DEVICE bool block_any(bool holds) { return __syncthreads_or(holds) != 0; }
RECON_DEVICE bool block_all(bool holds) { return __syncthreads_and(holds) != 0; }
RECON_DEVICE int block_count(bool holds) { return __syncthreads_count(holds); }
RECON_DEVICE void warp_sync(unsigned mask = kFullWarp) { __syncwarp(mask); }  // orders memory; shuffles and votes do not
RECON_DEVICE void device_fence() { __threadfence(); }

// --- shuffles: T of 4 or 8 bytes; within each group of `width` lanes, a power of two ---------------------------------
template <class T>
RECON_DEVICE T shuffle(unsigned mask, T value, int source, int width = kWarp) {
  return __shfl_sync(mask, value, source, width);
}
template <class T>
RECON_DEVICE T shuffle_up(unsigned mask, T value, int delta, int width = kWarp) {
  return __shfl_up_sync(mask, value, unsigned(delta), width);
}
template <class T>
RECON_DEVICE T shuffle_down(unsigned mask, T value, int delta, int width = kWarp) {
  return __shfl_down_sync(mask, value, unsigned(delta), width);
}
template <class T>
RECON_DEVICE T shuffle_xor(unsigned mask, T value, int lanes, int width = kWarp) {
  return __shfl_xor_sync(mask, value, lanes, width);
}

// --- votes ----------------------------------------------------------------------------------------------------------
RECON_DEVICE unsigned ballot(unsigned mask, bool holds) { return __ballot_sync(mask, holds); }
RECON_DEVICE bool warp_any(unsigned mask, bool holds) { return __any_sync(mask, holds) != 0; }
RECON_DEVICE bool warp_all(unsigned mask, bool holds) { return __all_sync(mask, holds) != 0; }
template <class T>
RECON_DEVICE unsigned warp_match(unsigned mask, T value) {  // the lanes that have the same value
  return __match_any_sync(mask, value);
}

// --- reductions of a warp: a butterfly, every lane gets the result; kWidth: over groups of so many lanes -------------
template <int kWidth = kWarp, class T>
RECON_DEVICE T warp_sum(unsigned mask, T value) {
#pragma unroll
  for (int lanes = kWidth / 2; lanes > 0; lanes /= 2) value = value + __shfl_xor_sync(mask, value, lanes);
  return value;
}
template <int kWidth = kWarp, class T>
RECON_DEVICE T warp_max(unsigned mask, T value) {
#pragma unroll
  for (int lanes = kWidth / 2; lanes > 0; lanes /= 2) value = max(value, __shfl_xor_sync(mask, value, lanes));
  return value;
}
template <int kWidth = kWarp, class T>
RECON_DEVICE T warp_min(unsigned mask, T value) {
#pragma unroll
  for (int lanes = kWidth / 2; lanes > 0; lanes /= 2) value = min(value, __shfl_xor_sync(mask, value, lanes));
  return value;
}
// The sum of the values of this lane and the lanes below it.
template <class T>
RECON_DEVICE T warp_inclusive_sum(unsigned mask, T value) {
#pragma unroll
  for (int lanes = 1; lanes < kWarp; lanes *= 2) {
    const T below = __shfl_up_sync(mask, value, unsigned(lanes));
    if (lane() >= lanes) value = value + below;
  }
  return value;
}

// --- atomics on an element, global or shared; each returns what was there before --------------------------------------
template <class T>
using Given = std::common_type_t<T>;  // converted to the element's type
template <class T>
RECON_DEVICE T atomic_add(T& at, Given<T> value) { return atomicAdd(&at, value); }
template <class T>
RECON_DEVICE T atomic_max(T& at, Given<T> value) { return atomicMax(&at, value); }
template <class T>
RECON_DEVICE T atomic_min(T& at, Given<T> value) { return atomicMin(&at, value); }
template <class T>
RECON_DEVICE T atomic_or(T& at, Given<T> value) { return atomicOr(&at, value); }
template <class T>
RECON_DEVICE T atomic_and(T& at, Given<T> value) { return atomicAnd(&at, value); }
template <class T>
RECON_DEVICE T atomic_exchange(T& at, Given<T> value) { return atomicExch(&at, value); }
template <class T>
RECON_DEVICE T atomic_swap_if(T& at, Given<T> expected, Given<T> value) { return atomicCAS(&at, expected, value); }

// --- tensor cores, where `has_tensor_cores()` says so to the host ------------------------------------------------------
// Two numbers rounded to bf16, the first in the low half.
RECON_DEVICE uint32_t bf16_pair([[maybe_unused]] float first, [[maybe_unused]] float second) {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ < 800
  return 0;
#else
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
  return pair;
#endif
}
// sums += a b, 16 x 16 times 16 x 8 in bf16, by all lanes of a warp. With g = lane / 4 and t = lane % 4 a lane holds
//   of a: rows g, g + 8, g, g + 8 at columns 2t, 2t + 1 and, of the last two, 2t + 8, 2t + 9;
//   of b: column g at rows 2t, 2t + 1, and 2t + 8, 2t + 9;
//   of sums: columns 2t, 2t + 1 of row g, then those of row g + 8.
RECON_DEVICE void multiply_tile([[maybe_unused]] float (&sums)[4], [[maybe_unused]] const uint32_t (&a)[4],
                                [[maybe_unused]] const uint32_t (&b)[2]) {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ < 800
  __trap();
#else
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

// --- the host's side --------------------------------------------------------------------------------------------------
inline void expect_success(cudaError_t error) {
  if (error != cudaSuccess) throw std::runtime_error(cudaGetErrorString(error));
}
inline cudaStream_t stream_of(uintptr_t stream) { return reinterpret_cast<cudaStream_t>(stream); }

inline int attribute_of_device(cudaDeviceAttr attribute) {
  int device = 0, value = 0;
  expect_success(cudaGetDevice(&device));
  expect_success(cudaDeviceGetAttribute(&value, attribute, device));
  return value;
}
inline bool has_tensor_cores() { return attribute_of_device(cudaDevAttrComputeCapabilityMajor) >= 8; }
// The most bytes that a launch may ask for.
inline size_t most_shared_bytes() { return size_t(attribute_of_device(cudaDevAttrMaxSharedMemoryPerBlockOptin)); }

// Starts `kernel` and throws std::runtime_error with CUDA's words where it does not start. No blocks: nothing happens.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
            Arguments... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  if (shared_bytes > 48 * 1024)
    expect_success(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                        cudaFuncAttributeMaxDynamicSharedMemorySize, int(shared_bytes)));
  kernel<<<grid, block, shared_bytes, stream>>>(static_cast<Parameters>(arguments)...);
  expect_success(cudaGetLastError());
}
// Arrays that are cut from one piece of memory lie kGuardBytes apart, and each is given to `guard`: the emulator then
// finds who reads or writes beyond one. On a GPU it is nothing.
constexpr size_t kGuardBytes = 0;
inline void guard(void*, size_t) {}
inline void set_bytes(void* at, int value, size_t bytes, cudaStream_t stream) {
  if (bytes > 0) expect_success(cudaMemsetAsync(at, value, bytes, stream));
}

}  // namespace recon::simt
#endif

namespace recon::simt {

// Blocks of `threads` that hold `count` threads.
inline unsigned blocks_for(int64_t count, int threads) { return unsigned((count + threads - 1) / threads); }

// The sum over a block of whole warps, in every thread. `scratch` is a SHARED_ARRAY of kWarp elements; a block_sync must
// come between two uses.
template <class T, class Scratch>
RECON_DEVICE T block_sum(T value, Scratch& scratch) {
  value = warp_sum(kFullWarp, value);
  if (lane() == 0) scratch[warp()] = value;
  block_sync();
  return warp_sum(kFullWarp, lane() < block_threads() / kWarp ? T(scratch[lane()]) : T(0));
}

// The sum of the values of the threads before this one, and of all of them in `total`. `scratch` as above.
template <class T, class Scratch>
RECON_DEVICE T block_exclusive_sum(T value, Scratch& scratch, T& total) {
  const T inclusive = warp_inclusive_sum(kFullWarp, value);
  if (lane() == kWarp - 1) scratch[warp()] = inclusive;
  block_sync();
  const T warps = warp_inclusive_sum(kFullWarp, lane() < block_threads() / kWarp ? T(scratch[lane()]) : T(0));
  total = shuffle(kFullWarp, warps, block_threads() / kWarp - 1);
  const T before = shuffle(kFullWarp, warps, warp() > 0 ? warp() - 1 : 0);
  return (warp() > 0 ? before : T(0)) + inclusive - value;
}

}  // namespace recon::simt
