// device_library.h without a GPU: what each call means, one element after the other.
#pragma once
#include <string.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "block.h"

namespace recon {

// Whether the call is to do its work: not where it is only asked how much scratch memory it wants. Else all of that memory
// is overwritten, as a library may.
inline bool ready(Scratch& scratch, int64_t count, int bits = 1) {
  const size_t wanted = 64 + (8 + size_t(bits)) * size_t(count);  // CUB sorts many bits in several passes
  if (scratch.data == nullptr) {
    scratch.bytes = wanted;
    return false;
  }
  if (scratch.bytes < wanted) simt::fail("a library call has less scratch memory than it asked for");
  memset(scratch.data, 0xa5, scratch.bytes);
  return true;
}

template <class Key, class Value>
void sort_pairs(Scratch& scratch, const Key* keys, Key* sorted_keys, const Value* values, Value* sorted_values, int64_t count,
                int first_bit, int end_bit, cudaStream_t) {
  if (first_bit < 0 || end_bit > int(8 * sizeof(Key)) || first_bit >= end_bit) simt::fail("sort_pairs by bits that are not there");
  if (!ready(scratch, count, end_bit - first_bit)) return;
  const uint64_t all = ~uint64_t(0) >> (64 - (end_bit - first_bit));
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t(0));
  const auto digit = [&](int64_t i) { return uint64_t(keys[i]) >> first_bit & all; };
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return digit(a) < digit(b); });
  for (int64_t i = 0; i < count; ++i) {
    sorted_keys[i] = keys[order[size_t(i)]];
    sorted_values[i] = values[order[size_t(i)]];
  }
}

template <class In, class Out>
void exclusive_sum(Scratch& scratch, const In* in, Out* out, int64_t count, cudaStream_t) {
  if (!ready(scratch, count)) return;
  Out sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    out[i] = sum;
    sum = Out(sum + Out(in[i]));
  }
}

template <class In, class Out>
void inclusive_sum(Scratch& scratch, const In* in, Out* out, int64_t count, cudaStream_t) {
  if (!ready(scratch, count)) return;
  Out sum = 0;
  for (int64_t i = 0; i < count; ++i) out[i] = sum = Out(sum + Out(in[i]));
}

template <class T, class Flag>
void select_flagged(Scratch& scratch, const T* in, const Flag* flags, T* out, int64_t* selected, int64_t count, cudaStream_t) {
  if (!ready(scratch, count)) return;
  *selected = 0;
  for (int64_t i = 0; i < count; ++i)
    if (flags[i] != 0) out[(*selected)++] = in[i];
}

template <class Index, class Flag>
void select_indices(Scratch& scratch, const Flag* flags, Index* out, int64_t* selected, int64_t count, cudaStream_t) {
  if (!ready(scratch, count)) return;
  *selected = 0;
  for (int64_t i = 0; i < count; ++i)
    if (flags[i] != 0) out[(*selected)++] = Index(i);
}

template <class In, class Out>
void sum_all(Scratch& scratch, const In* in, Out* out, int64_t count, cudaStream_t) {
  if (!ready(scratch, count)) return;
  *out = std::accumulate(in, in + count, Out(0));
}

template <class T, class Length>
void run_lengths(Scratch& scratch, const T* in, T* unique, Length* lengths, int64_t* runs, int64_t count, cudaStream_t) {
  if (!ready(scratch, count)) return;
  *runs = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (i == 0 || in[i] != in[i - 1]) unique[*runs] = in[i], lengths[(*runs)++] = 0;
    ++lengths[*runs - 1];
  }
}

}  // namespace recon
