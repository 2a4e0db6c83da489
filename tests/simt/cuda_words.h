// CUDA's own vocabulary as plain C++: qualifiers, vector types, and the device functions that concern one thread only.
#pragma once
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)
#define RECON_DEVICE inline

// Vectors are aligned as on the device, so a misaligned one is undefined behaviour here too, and found.
#define RECON_VECTORS(T, name, align2, align4)      \
  struct alignas(align2) name##2 { T x, y; };       \
  struct name##3 { T x, y, z; };                    \
  struct alignas(align4) name##4 { T x, y, z, w; }; \
  inline name##2 make_##name##2(T x, T y) { return {x, y}; }           \
  inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }   \
  inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
RECON_VECTORS(float, float, 8, 16)
RECON_VECTORS(int, int, 8, 16)
RECON_VECTORS(unsigned, uint, 8, 16)
RECON_VECTORS(unsigned short, ushort, 4, 8)
RECON_VECTORS(unsigned char, uchar, 2, 4)
#undef RECON_VECTORS

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
using cudaStream_t = void*;

// Of the thread that runs.
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

namespace recon::simt {

template <class To, class From>
To same_bits(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  memcpy(&to, &from, sizeof(to));
  return to;
}
inline int __float_as_int(float a) { return same_bits<int>(a); }
inline unsigned __float_as_uint(float a) { return same_bits<unsigned>(a); }
inline float __int_as_float(int a) { return same_bits<float>(a); }
inline float __uint_as_float(unsigned a) { return same_bits<float>(a); }

inline int __popc(unsigned a) { return __builtin_popcount(a); }
inline int __popcll(unsigned long long a) { return __builtin_popcountll(a); }
inline int __ffs(int a) { return __builtin_ffs(a); }
inline int __ffsll(long long a) { return __builtin_ffsll(a); }
inline int __clz(int a) { return a == 0 ? 32 : __builtin_clz(unsigned(a)); }
inline int __clzll(long long a) { return a == 0 ? 64 : __builtin_clzll((unsigned long long)a); }
inline unsigned __brev(unsigned a) {
  unsigned out = 0;
  for (int i = 0; i < 32; ++i) out |= (a >> i & 1u) << (31 - i);
  return out;
}
inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned(uint64_t(a) * b >> 32); }

inline float rsqrtf(float a) { return 1.0f / sqrtf(a); }
inline float __expf(float a) { return expf(a); }
inline float __logf(float a) { return logf(a); }
inline float __log2f(float a) { return log2f(a); }
inline float __powf(float a, float b) { return powf(a, b); }
inline float __sinf(float a) { return sinf(a); }
inline float __cosf(float a) { return cosf(a); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __frcp_rn(float a) { return 1.0f / a; }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __saturatef(float a) { return a > 0.0f ? (a < 1.0f ? a : 1.0f) : 0.0f; }

// Conversions that saturate, with NaN to zero; a plain cast of such a value is undefined, and found.
inline int saturated(double a) { return a != a ? 0 : a <= INT_MIN ? INT_MIN : a >= INT_MAX ? INT_MAX : int(a); }
inline int __float2int_rn(float a) { return saturated(rint(double(a))); }
inline int __float2int_rd(float a) { return saturated(floor(double(a))); }
inline int __float2int_ru(float a) { return saturated(ceil(double(a))); }
inline int __float2int_rz(float a) { return saturated(trunc(double(a))); }

#define RECON_MIN_MAX(T)                              \
  inline T min(T a, T b) { return b < a ? b : a; }    \
  inline T max(T a, T b) { return a < b ? b : a; }
RECON_MIN_MAX(int)
RECON_MIN_MAX(unsigned)
RECON_MIN_MAX(long)
RECON_MIN_MAX(unsigned long)
RECON_MIN_MAX(long long)
RECON_MIN_MAX(unsigned long long)
#undef RECON_MIN_MAX
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

template <class T>
T __ldg(const T* at) {
  return *at;
}

}  // namespace recon::simt
