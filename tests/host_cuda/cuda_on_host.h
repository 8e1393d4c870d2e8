// CUDA C++ as seen by an ordinary C++ compiler: included before a kernel's first line. Keywords vanish,
// built-in variables and warp instructions go to the HostApi. Declares the few C functions that it needs
// instead of including headers, which would triple the compile time.
#pragma once
#include "tests/host_cuda/host_api.h"

#define __host__
#define __device__
#define __global__
#define __constant__
#define __shared__ static  // blocks run one after the other; the harness poisons .bss between them
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))

// Set when the library is loaded; the odd value keeps it out of .bss, which holds shared memory alone.
extern "C" {
__attribute__((visibility("default"))) tenon::host_cuda::HostApi* tenon_host =
    reinterpret_cast<tenon::host_cuda::HostApi*>(8);
}
#define threadIdx (tenon_host->thread)
#define blockIdx (tenon_host->block)
#define blockDim (tenon_host->block_dim)
#define gridDim (tenon_host->grid_dim)
#define warpSize 32

extern "C" {
float expf(float), exp2f(float), logf(float), log2f(float), log1pf(float), sqrtf(float), powf(float, float),
    sinf(float), cosf(float), tanhf(float), erff(float), erfcf(float), floorf(float), ceilf(float),
    rintf(float), fabsf(float), fmaf(float, float, float), fmaxf(float, float), fminf(float, float),
    truncf(float), copysignf(float, float), fmodf(float, float);
double fma(double, double, double), rint(double);
int printf(const char*, ...);
}
inline void sincosf(float x, float* sine, float* cosine) { *sine = sinf(x), *cosine = cosf(x); }
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __fdividef(float a, float b) { return a / b; }
inline unsigned __float_as_uint(float x) { return __builtin_bit_cast(unsigned, x); }
inline int __float_as_int(float x) { return __builtin_bit_cast(int, x); }
inline float __uint_as_float(unsigned x) { return __builtin_bit_cast(float, x); }
inline float __int_as_float(int x) { return __builtin_bit_cast(float, x); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
inline int __ffs(int x) { return __builtin_ffs(x); }
template <class A, class B>
constexpr auto min(A a, B b) {
  return b < a ? b : a;
}
template <class A, class B>
constexpr auto max(A a, B b) {
  return a < b ? b : a;
}

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};
#define TENON_HOST_VECTOR(type, name)                              \
  struct alignas(2 * sizeof(type)) name##2 {                       \
    type x, y;                                                     \
  };                                                               \
  struct alignas(16) name##4 {                                     \
    type x, y, z, w;                                               \
  };                                                               \
  inline name##2 make_##name##2(type x, type y) { return {x, y}; } \
  inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
TENON_HOST_VECTOR(int, int)
TENON_HOST_VECTOR(unsigned, uint)
TENON_HOST_VECTOR(float, float)
#undef TENON_HOST_VECTOR

// Barriers and fences.
inline void __syncthreads() { tenon_host->barrier(0, 0, true); }
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __nanosleep(unsigned) { tenon_host->yield(); }

// Atomics: one thread runs at a time.
template <class T>
T tenon_host_exchange(T* p, T value) {
  const T old = *const_cast<volatile T*>(p);
  *const_cast<volatile T*>(p) = value;
  return old;
}
template <class T, class V>
T atomicAdd(T* p, V v) {
  return tenon_host_exchange(p, T(*p + T(v)));
}
template <class T, class V>
T atomicSub(T* p, V v) {
  return tenon_host_exchange(p, T(*p - T(v)));
}
template <class T, class V>
T atomicMax(T* p, V v) {
  return tenon_host_exchange(p, *p < T(v) ? T(v) : *p);
}
template <class T, class V>
T atomicMin(T* p, V v) {
  return tenon_host_exchange(p, T(v) < *p ? T(v) : *p);
}
template <class T, class V>
T atomicOr(T* p, V v) {
  return tenon_host_exchange(p, T(*p | T(v)));
}
template <class T, class V>
T atomicExch(T* p, V v) {
  return tenon_host_exchange(p, T(v));
}
template <class T, class V>
T atomicCAS(T* p, V compare, V v) {
  return tenon_host_exchange(p, *p == T(compare) ? T(v) : *p);
}
inline unsigned atomicInc(unsigned* p, unsigned limit) {
  return tenon_host_exchange(p, *p >= limit ? 0u : *p + 1);
}

template <class T>
T __ldg(const T* p) {
  return *p;
}
template <class T>
T __ldcg(const T* p) {
  return *p;
}
template <class T>
T __ldcs(const T* p) {
  return *p;
}
template <class T, class V>
void __stcs(T* p, V v) {
  *p = v;
}
template <class T, class V>
void __stcg(T* p, V v) {
  *p = v;
}

#include "tests/host_cuda/warp_on_host.h"
