// Each word of simt.h, and each library call, on numbers that Python knows the answers to.
#include "case.h"
#include "device_library.h"
#include "simt.h"

namespace recon {
namespace {

using namespace simt;

__global__ void warp_words(const float* in, float* floats, unsigned* bits) {
  const int i = int(blockIdx.x) * block_threads() + thread_rank();
  const float x = in[i];
  float* f = floats + 12 * i;
  f[0] = shuffle(kFullWarp, x, 5);
  f[1] = shuffle(kFullWarp, x, lane() + 1);  // by its last bits: lane 31 reads lane 0
  f[2] = shuffle_up(kFullWarp, x, 3);
  f[3] = shuffle_down(kFullWarp, x, 3);
  f[4] = shuffle_xor(kFullWarp, x, 9);
  f[5] = shuffle_down(kFullWarp, x, 3, 8);
  f[6] = shuffle(kFullWarp, x, 2, 4);
  f[7] = warp_sum(kFullWarp, x);
  f[8] = warp_sum<8>(kFullWarp, x);
  f[9] = warp_max(kFullWarp, x);
  f[10] = warp_min<16>(kFullWarp, x);
  f[11] = warp_inclusive_sum(kFullWarp, x);
  unsigned* b = bits + 3 * i;
  b[0] = ballot(kFullWarp, x > 0.0f);
  b[1] = warp_match(kFullWarp, int(floorf(x)));
  b[2] = unsigned(warp_any(kFullWarp, x > 1.5f)) | unsigned(warp_all(kFullWarp, x > -1.5f)) << 1;
}

// Half of each warp returns; the rest goes on without it.
__global__ void half_warp_words(const float* in, float* out) {
  const int i = thread_rank();
  if (lane() >= 16) return;
  const unsigned mask = 0xffffu;
  out[3 * i] = warp_sum<16>(mask, in[i]);
  out[3 * i + 1] = float(__popc(ballot(kFullWarp, true)));  // lanes that returned do not vote
  SHARED_ARRAY(float, row, 64);
  row[i] = in[i];
  block_sync();  // nor are they waited for
  out[3 * i + 2] = row[i ^ 1];
}

__global__ void block_words(const int* in, int* sums, int* counts, int count) {
  SHARED_ARRAY(int, scratch, kWarp);
  SHARED_ARRAY(int, histogram, 8);
  DYNAMIC_SHARED(int, mine, 0, block_threads());
  const int i = int(blockIdx.x) * block_threads() + thread_rank();
  const int value = i < count ? in[i] : 0;
  int total = 0;
  const int before = block_exclusive_sum(value, scratch, total);
  block_sync();
  const int sum = block_sum(value, scratch);
  if (thread_rank() < 8) histogram[thread_rank()] = 0;
  mine[thread_rank()] = value;
  block_sync();
  atomic_add(histogram[value & 7], 1);
  const int next = mine[(thread_rank() + 1) % block_threads()];
  const int odd = block_count((value & 1) != 0);  // a barrier too
  if (i < count) {
    int* s = sums + 5 * i;
    s[0] = before, s[1] = total, s[2] = sum, s[3] = next, s[4] = odd;
  }
  if (thread_rank() < 8) atomic_add(counts[thread_rank()], int(histogram[thread_rank()]));
}

__global__ void atomics(const int* in, int* out, int count) {
  const int i = int(blockIdx.x) * block_threads() + thread_rank();
  if (i >= count) return;
  atomic_add(out[0], in[i]);
  atomic_max(out[1], in[i]);
  atomic_min(out[2], in[i]);
  atomic_or(out[3], in[i]);
  atomic_and(out[4], in[i]);
  int seen = out[5];
  for (int was; (was = atomic_swap_if(out[5], seen, seen ^ in[i])) != seen;) seen = was;
  if (in[i] == 7) atomic_exchange(out[6], 7);
}

}  // namespace

SIMT_CASE(warp_words) {
  const size_t threads = size_t(c.integer("blocks")) * 64;
  launch(warp_words, unsigned(c.integer("blocks")), dim3(32, 2), 0, 0, c.input<float>("x"),
         c.output<float>("floats", 12 * threads), c.output<unsigned>("bits", 3 * threads));
}

SIMT_CASE(half_warp_words) {
  launch(half_warp_words, 1, 64, 0, 0, c.input<float>("x"), c.updated<float>("out"));
}

SIMT_CASE(block_words) {
  const int count = c.integer("count"), threads = c.integer("threads");
  launch(block_words, blocks_for(count, threads), threads, sizeof(int) * size_t(threads), 0, c.input<int>("x"),
         c.output<int>("sums", 5 * size_t(count)), c.updated<int>("counts"), count);
}

SIMT_CASE(atomics) {
  launch(atomics, blocks_for(c.integer("count"), 96), 96, 0, 0, c.input<int>("x"), c.updated<int>("out"), c.integer("count"));
}

SIMT_CASE(library) {
  const int64_t n = c.integer("count");
  const unsigned* keys = c.input<unsigned>("keys");
  const int* values = c.input<int>("values");
  const uint8_t* flags = c.input<uint8_t>("flags");
  const auto twice = [&](auto call) {
    Scratch scratch{nullptr, 0};
    call(scratch);
    scratch.data = c.scratch<uint8_t>(scratch.bytes);
    call(scratch);
  };
  const size_t size = size_t(n);
  unsigned *sorted = c.output<unsigned>("sorted", size), *unique = c.output<unsigned>("unique", size);
  int *order = c.output<int>("order", size), *chosen = c.output<int>("chosen", size), *where = c.output<int>("where", size);
  int64_t *before = c.output<int64_t>("before", size), *until = c.output<int64_t>("until", size);
  int64_t *how_many = c.output<int64_t>("how_many", 3), *sum = c.output<int64_t>("sum", 1);
  int* lengths = c.output<int>("lengths", size);
  twice([&](Scratch& s) { sort_pairs(s, keys, sorted, values, order, n, 0, c.integer("bits"), 0); });
  twice([&](Scratch& s) { exclusive_sum(s, keys, before, n, 0); });
  twice([&](Scratch& s) { inclusive_sum(s, keys, until, n, 0); });
  twice([&](Scratch& s) { select_flagged(s, values, flags, chosen, how_many, n, 0); });
  twice([&](Scratch& s) { select_indices(s, flags, where, how_many + 1, n, 0); });
  twice([&](Scratch& s) { sum_all(s, keys, sum, n, 0); });
  twice([&](Scratch& s) { run_lengths(s, sorted, unique, lengths, how_many + 2, n, 0); });
}

}  // namespace recon
