// simt.h without a GPU: every word of it with its CUDA meaning, and an end with a report where CUDA gives it none.
#pragma once
#include <type_traits>

#include "block.h"
#include "cuda_words.h"
#include "shared.h"
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace recon::simt {

template <class T>
uint64_t to_bits(T value) {
  static_assert(std::is_trivially_copyable_v<T> && (sizeof(T) == 4 || sizeof(T) == 8),
                "4 or 8 bytes; an element of a shared array is copied to a variable first");
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof(T));
  return bits;
}
template <class T>
T from_bits(uint64_t bits) {
  T value;
  memcpy(&value, &bits, sizeof(T));
  return value;
}

// --- barriers -------------------------------------------------------------------------------------------------------
inline void block_sync(Place place = Place::here()) { meet_block({"block_sync", place}); }
inline bool block_any(bool holds, Place place = Place::here()) { return meet_block({"block_any", place, 0, holds}) > 0; }
inline bool block_all(bool holds, Place place = Place::here()) { return meet_block({"block_all", place, 0, !holds}) == 0; }
inline int block_count(bool holds, Place place = Place::here()) { return meet_block({"block_count", place, 0, holds}); }
inline void warp_sync(unsigned mask = 0xffffffffu, Place place = Place::here()) {
  meet_warp({"warp_sync", place, mask, mask}, [](Meeting& m) {
    for (const Word* said : m.said)
      if (said != nullptr) return order_warp_memory(said->mask);
  });
}
inline void device_fence() {}

// --- shuffles -------------------------------------------------------------------------------------------------------

// Gives each lane the value of the lane that `source_of` names.
template <int (*source_of)(int lane, const Word& word)>
void conclude_shuffle(Meeting& m) {
  for (int i = 0; i < kLanes; ++i) {
    if (m.said[i] == nullptr) continue;
    const int source = source_of(i, *m.said[i]);
    if (m.said[source] == nullptr)
      fail(std::string(m.said[i]->name) + " at " + text_of(m.said[i]->place) + ": lane " + std::to_string(i) +
           " reads lane " + std::to_string(source) + ", which returned or is not in the mask");
    m.answer[i] = m.said[source]->value;
  }
}
// Lanes outside the group of `width` are never read: up, down and xor then give the lane its own value back.
inline int group_of(int lane, const Word& w) { return lane / w.width * w.width; }
inline int source_by_index(int lane, const Word& w) { return group_of(lane, w) + (w.argument & (w.width - 1)); }
inline int source_above(int lane, const Word& w) {
  return lane + w.argument < group_of(lane, w) + w.width ? lane + w.argument : lane;
}
inline int source_below(int lane, const Word& w) { return lane - w.argument >= group_of(lane, w) ? lane - w.argument : lane; }
inline int source_across(int lane, const Word& w) {  // a lane of an earlier group may be read, of a later one not
  return (lane ^ w.argument) < group_of(lane, w) + w.width ? lane ^ w.argument : lane;
}
template <class T, int (*source_of)(int, const Word&)>
T shuffled(const char* name, unsigned mask, T value, int argument, int width, Place place) {
  if (width < 1 || width > kLanes || (width & (width - 1)) != 0) fail(std::string(name) + ": the width is no power of two");
  return from_bits<T>(meet_warp({name, place, mask, to_bits(value), argument, width}, &conclude_shuffle<source_of>));
}
template <class T>
T shuffle(unsigned mask, T value, int source, int width = kLanes, Place place = Place::here()) {
  return shuffled<T, source_by_index>("shuffle", mask, value, source, width, place);
}
template <class T>
T shuffle_up(unsigned mask, T value, int delta, int width = kLanes, Place place = Place::here()) {
  return shuffled<T, source_below>("shuffle_up", mask, value, delta, width, place);
}
template <class T>
T shuffle_down(unsigned mask, T value, int delta, int width = kLanes, Place place = Place::here()) {
  return shuffled<T, source_above>("shuffle_down", mask, value, delta, width, place);
}
template <class T>
T shuffle_xor(unsigned mask, T value, int lanes, int width = kLanes, Place place = Place::here()) {
  return shuffled<T, source_across>("shuffle_xor", mask, value, lanes, width, place);
}

// --- votes ----------------------------------------------------------------------------------------------------------
inline unsigned ballot(unsigned mask, bool holds, Place place = Place::here()) {
  return unsigned(meet_warp({"ballot", place, mask, holds}, [](Meeting& m) {
    uint64_t votes = 0;
    for (int i = 0; i < kLanes; ++i) votes |= uint64_t(m.said[i] != nullptr && m.said[i]->value != 0) << i;
    for (uint64_t& answer : m.answer) answer = votes;
  }));
}
inline bool warp_any(unsigned mask, bool holds, Place place = Place::here()) { return ballot(mask, holds, place) != 0; }
inline bool warp_all(unsigned mask, bool holds, Place place = Place::here()) { return ballot(mask, !holds, place) == 0; }
template <class T>
unsigned warp_match(unsigned mask, T value, Place place = Place::here()) {
  return unsigned(meet_warp({"warp_match", place, mask, to_bits(value)}, [](Meeting& m) {
    for (int i = 0; i < kLanes; ++i)
      for (int j = 0; j < kLanes && m.said[i] != nullptr; ++j)
        m.answer[i] |= uint64_t(m.said[j] != nullptr && m.said[j]->value == m.said[i]->value) << j;
  }));
}

// --- reductions: the same tree as on the device, so that rounding is the same -----------------------------------------
template <class T, int kWidth, T (*combine)(T, T)>
void conclude_butterfly(Meeting& m) {
  for (int i = 0; i < kLanes; ++i) {
    if (m.said[i] == nullptr) continue;
    for (int j = i / kWidth * kWidth; j < i / kWidth * kWidth + kWidth; ++j)
      if (m.said[j] == nullptr)
        fail(std::string(m.said[i]->name) + " at " + text_of(m.said[i]->place) + ": lane " + std::to_string(i) +
             " needs lane " + std::to_string(j) + ", which returned or is not in the mask");
    m.answer[i] = m.said[i]->value;
  }
  for (int step = kWidth / 2; step > 0; step /= 2) {
    uint64_t next[kLanes] = {};
    for (int i = 0; i < kLanes; ++i)
      if (m.said[i] != nullptr) next[i] = to_bits(combine(from_bits<T>(m.answer[i]), from_bits<T>(m.answer[i ^ step])));
    memcpy(m.answer, next, sizeof(next));
  }
}
template <class T>
T sum_of(T a, T b) { return a + b; }
template <class T>
T larger_of(T a, T b) { return max(a, b); }
template <class T>
T smaller_of(T a, T b) { return min(a, b); }
template <int kWidth = kLanes, class T>
T warp_sum(unsigned mask, T value, Place place = Place::here()) {
  return from_bits<T>(meet_warp({"warp_sum", place, mask, to_bits(value)}, &conclude_butterfly<T, kWidth, sum_of<T>>));
}
template <int kWidth = kLanes, class T>
T warp_max(unsigned mask, T value, Place place = Place::here()) {
  return from_bits<T>(meet_warp({"warp_max", place, mask, to_bits(value)}, &conclude_butterfly<T, kWidth, larger_of<T>>));
}
template <int kWidth = kLanes, class T>
T warp_min(unsigned mask, T value, Place place = Place::here()) {
  return from_bits<T>(meet_warp({"warp_min", place, mask, to_bits(value)}, &conclude_butterfly<T, kWidth, smaller_of<T>>));
}
template <class T>
T warp_inclusive_sum(unsigned mask, T value, Place place = Place::here()) {
  for (int step = 1; step < kLanes; step *= 2) {
    const T below = shuffle_up(mask, value, step, kLanes, place);
    if (lane() >= step) value = value + below;
  }
  return value;
}

// --- atomics --------------------------------------------------------------------------------------------------------
#define RECON_ATOMIC(name, result)                                                                 \
  template <class T>                                                                               \
  T name(T& at, std::common_type_t<T> value) {                                                     \
    const T before = at;                                                                           \
    at = T(result);                                                                                \
    return before;                                                                                 \
  }                                                                                                \
  template <class T>                                                                               \
  T name(SharedReference<T>&& at, std::common_type_t<T> value) {                                   \
    return static_cast<SharedReference<T>&&>(at).exchange([value](T before) { return T(result); }); \
  }
RECON_ATOMIC(atomic_add, before + value)
RECON_ATOMIC(atomic_max, before < value ? value : before)
RECON_ATOMIC(atomic_min, value < before ? value : before)
RECON_ATOMIC(atomic_or, before | value)
RECON_ATOMIC(atomic_and, before & value)
RECON_ATOMIC(atomic_exchange, ((void)before, value))
#undef RECON_ATOMIC
template <class T>
T atomic_swap_if(T& at, std::common_type_t<T> expected, std::common_type_t<T> value) {
  const T before = at;
  if (before == expected) at = value;
  return before;
}
template <class T>
T atomic_swap_if(SharedReference<T>&& at, std::common_type_t<T> expected, std::common_type_t<T> value) {
  return static_cast<SharedReference<T>&&>(at).exchange([=](T before) { return before == expected ? value : before; });
}

// --- tensor cores: products of bf16 are exact in float; they are summed in double, as no order of sums is promised -----
inline uint16_t to_bf16(float value) {
  const uint32_t bits = uint32_t(to_bits(value));
  return value != value ? 0x7fff : uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
inline uint32_t bf16_pair(float first, float second) { return to_bf16(first) | uint32_t(to_bf16(second)) << 16; }

// What a lane brings to a product of tiles, and where it takes its part of the sums.
struct TilePart {
  float (&sums)[4];
  const uint32_t (&a)[4];
  const uint32_t (&b)[2];
};
inline double bf16_at(const uint32_t* pairs, int pair, int half) {
  return double(from_bits<float>(uint64_t(pairs[pair] >> 16 * half & 0xffff) << 16));
}
inline void conclude_tile(Meeting& m) {
  const TilePart* lanes[kLanes];
  for (int i = 0; i < kLanes; ++i) {
    if (m.said[i] == nullptr) fail("multiply_tile needs all lanes of the warp");
    lanes[i] = reinterpret_cast<const TilePart*>(m.said[i]->value);
  }
  double a[16][16], b[16][8];
  for (int lane = 0; lane < kLanes; ++lane) {
    const int g = lane / 4, t = lane % 4;
    for (int i = 0; i < 8; ++i) a[g + 8 * (i / 2 % 2)][2 * t + 8 * (i / 4) + i % 2] = bf16_at(lanes[lane]->a, i / 2, i % 2);
    for (int i = 0; i < 4; ++i) b[2 * t + 8 * (i / 2) + i % 2][g] = bf16_at(lanes[lane]->b, i / 2, i % 2);
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + 8 * (i / 2), column = lane % 4 * 2 + i % 2;
      double sum = double(lanes[lane]->sums[i]);
      for (int k = 0; k < 16; ++k) sum += a[row][k] * b[k][column];
      lanes[lane]->sums[i] = float(sum);
    }
  }
}
inline void multiply_tile(float (&sums)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], Place place = Place::here()) {
  const TilePart mine{sums, a, b};
  meet_warp({"multiply_tile", place, 0xffffffffu, reinterpret_cast<uint64_t>(&mine)}, &conclude_tile);
}

// --- the host's side --------------------------------------------------------------------------------------------------
inline cudaStream_t stream_of(uintptr_t stream) { return reinterpret_cast<cudaStream_t>(stream); }
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t, Arguments... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  run_grid(reinterpret_cast<const void*>(kernel), grid, block, shared_bytes,
           [&] { kernel(static_cast<Parameters>(arguments)...); });
}
// So many bytes behind an array that is cut from a larger piece of memory: who touches them is found.
constexpr size_t kGuardBytes = 256;
inline void guard([[maybe_unused]] void* array, [[maybe_unused]] size_t bytes) {
#ifdef __SANITIZE_ADDRESS__
  __asan_unpoison_memory_region(array, bytes);
  __asan_poison_memory_region(static_cast<char*>(array) + bytes, kGuardBytes);
#endif
}
inline bool has_tensor_cores() { return true; }
inline size_t most_shared_bytes() { return 99 * 1024; }  // as on sm_86
inline void set_bytes(void* at, int value, size_t bytes, cudaStream_t) {
  if (bytes > 0) memset(at, value, bytes);
}

}  // namespace recon::simt
