// Kernels with one mistake each, to see that it is caught. They are what a reader might write, less one line.
#include "case.h"
#include "device_library.h"
#include "simt.h"

namespace recon {
namespace {

using namespace simt;
constexpr int kThreads = 64;

enum Barriers { kBoth, kFirst, kSecond };

// Each row of `in` turned round: a tile is written, read by other threads, and used again for the next row.
template <Barriers kKept>
__global__ void turn_rows(const float* in, float* out, int rows) {
  SHARED_ARRAY(float, tile, kThreads);
  const int i = thread_rank();
  for (int row = 0; row < rows; ++row) {
    tile[i] = in[row * kThreads + i];
    if (kKept != kSecond) block_sync();
    out[row * kThreads + i] = tile[kThreads - 1 - i];
    if (kKept != kFirst) block_sync();
  }
}

template <bool kWithBarrier>
__global__ void neighbours_in_a_warp(const float* in, float* out) {
  SHARED_ARRAY(float, tile, kThreads);
  tile[thread_rank()] = in[thread_rank()];
  if (kWithBarrier) warp_sync();
  out[thread_rank()] = tile[thread_rank() ^ 1];
}

// A shuffle brings lanes together, but orders no memory.
__global__ void shuffle_instead_of_barrier(const float* in, float* out) {
  SHARED_ARRAY(float, tile, kThreads);
  tile[thread_rank()] = in[thread_rank()];
  const float other = shuffle_xor(kFullWarp, in[thread_rank()], 1);
  out[thread_rank()] = tile[thread_rank() ^ 1] + other;
}

// A barrier for each warp, but the tile is the block's.
__global__ void warp_barrier_for_a_block(const float* in, float* out) {
  SHARED_ARRAY(float, tile, kThreads);
  tile[thread_rank()] = in[thread_rank()];
  warp_sync();
  out[thread_rank()] = tile[kThreads - 1 - thread_rank()];
}

__global__ void read_plainly_what_others_add_to(const float* in, float* out) {
  SHARED_ARRAY(float, sum, 1);
  if (thread_rank() == 0) sum[0] = 0.0f;
  block_sync();
  atomic_add(sum[0], in[thread_rank()]);
  if (thread_rank() == 0) out[0] = sum[0];
}

__global__ void one_past_the_end(const float* in, float* out, int count) {
  const int i = int(blockIdx.x) * kThreads + thread_rank();
  if (i <= count) out[i] = in[i];
}

__global__ void shared_past_the_end(const float* in, float* out) {
  SHARED_ARRAY(float, tile, kThreads);
  tile[thread_rank() + 1] = in[thread_rank()];
  block_sync();
  out[thread_rank()] = tile[thread_rank()];
}

__global__ void local_past_the_end(const float* in, float* out, int count) {
  float mine[4];
  for (int i = 0; i < count; ++i) mine[i] = in[i];
  out[0] = mine[count / 2];
}

__global__ void never_written(float* out) {
  SHARED_ARRAY(float, tile, kThreads);
  if (thread_rank() > 0) tile[thread_rank()] = 1.0f;
  block_sync();
  out[thread_rank()] = tile[thread_rank()];
}

__global__ void barrier_for_some(float* out) {
  if (thread_rank() < 40)
    block_sync();
  else
    block_sync();
  out[thread_rank()] = 1.0f;
}

__global__ void barrier_against_warp(float* out) {
  if (thread_rank() < 40) block_sync();
  out[thread_rank()] = warp_sum(kFullWarp, 1.0f);
  if (thread_rank() >= 40) block_sync();
}

__global__ void mask_of_absent_lanes(float* out) {
  if (lane() < 16) out[thread_rank()] = shuffle_xor(kFullWarp, 1.0f, 1);
  block_sync();
}

__global__ void mask_without_oneself(float* out) {
  out[thread_rank()] = shuffle_xor(0xffffu, 1.0f, 1);
}

__global__ void sum_with_the_returned(const float* in, float* out, int count) {
  if (thread_rank() >= count) return;
  const float sum = warp_sum(kFullWarp, in[thread_rank()]);
  if (lane() == 0) atomic_add(out[0], sum);
}

__global__ void two_words_at_once(float* out) {
  const int i = thread_rank();
  out[i] = i % 2 == 0 ? warp_max(kFullWarp, float(i)) : warp_min(kFullWarp, float(i));
}

__global__ void misaligned(const float* in, float* out) {
  const float4 four = *reinterpret_cast<const float4*>(in + 1);
  out[0] = four.x;
}

__global__ void parts_overlap(float* out) {
  DYNAMIC_SHARED(float, low, 0, kThreads);
  DYNAMIC_SHARED(float, high, 4 * kThreads - 4, kThreads);
  low[thread_rank()] = high[thread_rank()] = 1.0f;
  out[0] = 1.0f;
}

__global__ void cast_of_infinity(const float* in, int* out) { out[0] = int(1.0f / (in[0] - in[0])); }

}  // namespace

#define ROWS_CASE(name, barriers) \
  SIMT_CASE(name) { launch(turn_rows<barriers>, 1, kThreads, 0, 0, c.input<float>("x"), c.output<float>("out", 256), 4); }
ROWS_CASE(planted_none, kBoth)
ROWS_CASE(planted_no_barrier_before_reading, kSecond)
ROWS_CASE(planted_no_barrier_before_writing_again, kFirst)

#define IN_OUT_CASE(name, kernel) \
  SIMT_CASE(name) { launch(kernel, 1, kThreads, 0, 0, c.input<float>("x"), c.output<float>("out", kThreads)); }
IN_OUT_CASE(planted_none_in_a_warp, neighbours_in_a_warp<true>)
IN_OUT_CASE(planted_no_barrier_in_a_warp, neighbours_in_a_warp<false>)
IN_OUT_CASE(planted_shuffle_instead_of_barrier, shuffle_instead_of_barrier)
IN_OUT_CASE(planted_warp_barrier_for_a_block, warp_barrier_for_a_block)
IN_OUT_CASE(planted_read_plainly_what_others_add_to, read_plainly_what_others_add_to)
IN_OUT_CASE(planted_shared_past_the_end, shared_past_the_end)
IN_OUT_CASE(planted_misaligned, misaligned)

#define OUT_CASE(name, kernel) \
  SIMT_CASE(name) { launch(kernel, 1, kThreads, 4096, 0, c.output<float>("out", kThreads)); }
OUT_CASE(planted_never_written, never_written)
OUT_CASE(planted_barrier_for_some, barrier_for_some)
OUT_CASE(planted_barrier_against_warp, barrier_against_warp)
OUT_CASE(planted_mask_of_absent_lanes, mask_of_absent_lanes)
OUT_CASE(planted_mask_without_oneself, mask_without_oneself)
OUT_CASE(planted_two_words_at_once, two_words_at_once)
OUT_CASE(planted_parts_overlap, parts_overlap)

SIMT_CASE(planted_one_past_the_end) {
  launch(one_past_the_end, 4, kThreads, 0, 0, c.input<float>("x"), c.output<float>("out", 200), 200);
}
SIMT_CASE(planted_local_past_the_end) {
  launch(local_past_the_end, 1, 1, 0, 0, c.input<float>("x"), c.output<float>("out", 1), 5);
}
SIMT_CASE(planted_sum_with_the_returned) {
  launch(sum_with_the_returned, 1, kThreads, 0, 0, c.input<float>("x"), c.output<float>("out", 1), 50);
}
SIMT_CASE(planted_cast_of_infinity) { launch(cast_of_infinity, 1, 1, 0, 0, c.input<float>("x"), c.output<int>("out", 1)); }
SIMT_CASE(planted_too_many_threads) { launch(never_written, 1, 1025, 0, 0, c.output<float>("out", 1025)); }
SIMT_CASE(planted_too_little_scratch) {
  Scratch scratch{c.scratch<char>(8), 8};
  exclusive_sum(scratch, c.input<unsigned>("x"), c.output<unsigned>("out", 200), 200, 0);
}

}  // namespace recon
