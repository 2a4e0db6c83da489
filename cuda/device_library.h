// Sorts, scans and selections of whole arrays in device memory: CUB's under nvcc, their serial meaning in the emulator.
//
// Each takes its scratch memory first. With `scratch.data` null it only writes how many bytes it wants and does nothing
// else; otherwise it needs at least as many, writes to all of them, and runs on `stream`. Nothing waits for the GPU.
// In and out never overlap.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "simt.h"

namespace recon {

struct Scratch {
  void* data;
  size_t bytes;
};

}  // namespace recon

#ifdef RECON_SIMT_EMULATED
#include "serial_library.h"
#else
#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_reduce.cuh>
#include <cub/device/device_run_length_encode.cuh>
#include <cub/device/device_scan.cuh>
#include <cub/device/device_select.cuh>
#include <thrust/iterator/counting_iterator.h>

namespace recon {

struct Plus {
  template <class A, class B>
  __host__ __device__ auto operator()(A a, B b) const {
    return a + b;
  }
};

// Stable, by the bits first_bit..end_bit - 1 of unsigned keys.
template <class Key, class Value>
void sort_pairs(Scratch& scratch, const Key* keys, Key* sorted_keys, const Value* values, Value* sorted_values, int64_t count,
                int first_bit, int end_bit, cudaStream_t stream) {
  simt::expect_success(cub::DeviceRadixSort::SortPairs(scratch.data, scratch.bytes, keys, sorted_keys, values,
                                                       sorted_values, count, first_bit, end_bit, stream));
}

// out[i] = in[0] + ... + in[i - 1]; the total is not written.
template <class In, class Out>
void exclusive_sum(Scratch& scratch, const In* in, Out* out, int64_t count, cudaStream_t stream) {
  simt::expect_success(cub::DeviceScan::ExclusiveScan(scratch.data, scratch.bytes, in, out, Plus{}, Out(0), count,
                                                     stream));
}

// out[i] = in[0] + ... + in[i].
template <class In, class Out>
void inclusive_sum(Scratch& scratch, const In* in, Out* out, int64_t count, cudaStream_t stream) {
  simt::expect_success(cub::DeviceScan::InclusiveSum(scratch.data, scratch.bytes, in, out, count, stream));
}

// The elements whose flag is not zero, in order; how many goes to *selected in device memory.
template <class T, class Flag>
void select_flagged(Scratch& scratch, const T* in, const Flag* flags, T* out, int64_t* selected, int64_t count,
                    cudaStream_t stream) {
  simt::expect_success(cub::DeviceSelect::Flagged(scratch.data, scratch.bytes, in, flags, out, selected, count, stream));
}

// The indices 0..count - 1 whose flag is not zero, in order.
template <class Index, class Flag>
void select_indices(Scratch& scratch, const Flag* flags, Index* out, int64_t* selected, int64_t count, cudaStream_t stream) {
  simt::expect_success(cub::DeviceSelect::Flagged(scratch.data, scratch.bytes, thrust::counting_iterator<Index>(0), flags,
                                                  out, selected, count, stream));
}

// The sum of all elements, to *out in device memory.
template <class In, class Out>
void sum_all(Scratch& scratch, const In* in, Out* out, int64_t count, cudaStream_t stream) {
  simt::expect_success(cub::DeviceReduce::Sum(scratch.data, scratch.bytes, in, out, count, stream));
}

// Each stretch of equal elements once, with its length; how many stretches goes to *runs in device memory.
template <class T, class Length>
void run_lengths(Scratch& scratch, const T* in, T* unique, Length* lengths, int64_t* runs, int64_t count, cudaStream_t stream) {
  simt::expect_success(
      cub::DeviceRunLengthEncode::Encode(scratch.data, scratch.bytes, in, unique, lengths, runs, count, stream));
}

}  // namespace recon
#endif
