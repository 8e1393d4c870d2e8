// Conversions between float and the 16-bit, 8-bit and tf32 formats, to nearest even (tf32: nearest, ties away);
// a NaN stays a NaN; to 8 bits overflow and infinity give the largest value. sm_80 has no instruction for 8 bits.
#pragma once

namespace tenon::ptx {

__device__ __forceinline__ unsigned short bf16_from_float(float x) {
  unsigned short r;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(r) : "f"(x));
  return r;
}
__device__ __forceinline__ unsigned short f16_from_float(float x) {
  unsigned short r;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(r) : "f"(x));
  return r;
}
__device__ __forceinline__ float float_from_f16(unsigned short bits) {
  float r;
  asm("cvt.f32.f16 %0, %1;" : "=f"(r) : "h"(bits));
  return r;
}
// Two values in one word, `low` in its lower half.
__device__ __forceinline__ unsigned bf16x2_from_floats(float low, float high) {
  unsigned r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}
__device__ __forceinline__ unsigned f16x2_from_floats(float low, float high) {
  unsigned r;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
__device__ __forceinline__ unsigned e4m3x2_from_floats(float low, float high) {
  unsigned r;
  asm("{ .reg .b16 pair; cvt.rn.satfinite.e4m3x2.f32 pair, %1, %2; cvt.u32.u16 %0, pair; }"
      : "=r"(r)
      : "f"(high), "f"(low));
  return r;
}
__device__ __forceinline__ unsigned e5m2x2_from_floats(float low, float high) {
  unsigned r;
  asm("{ .reg .b16 pair; cvt.rn.satfinite.e5m2x2.f32 pair, %1, %2; cvt.u32.u16 %0, pair; }"
      : "=r"(r)
      : "f"(high), "f"(low));
  return r;
}
#else
// kMantissa bits behind the point, normal values from kLeast on.
template <int kMantissa>
__device__ __forceinline__ unsigned f8_from_float(float x, float least, float most) {
  constexpr unsigned kShift = 23 - kMantissa, kBias = (1u << (6 - kMantissa)) - 1;
  if (x != x) return 0x7f;
  const unsigned sign = __builtin_bit_cast(unsigned, x) >> 24 & 0x80;
  const float magnitude = sign ? -x : x, kept = magnitude < most ? magnitude : most;
  const unsigned bits = __builtin_bit_cast(unsigned, kept);
  if (kept >= least)
    return sign | ((bits + (1u << (kShift - 1)) - 1 + (bits >> kShift & 1)) >> kShift) -
                      ((127 - kBias) << kMantissa);
  const float unit = least * float(1u << kShift);  // its last bit is that of a subnormal; the addition rounds
  return sign | (__builtin_bit_cast(unsigned, kept + unit) - __builtin_bit_cast(unsigned, unit));
}
__device__ __forceinline__ unsigned e4m3x2_from_floats(float low, float high) {
  return f8_from_float<3>(low, 0x1p-6f, 448.0f) | f8_from_float<3>(high, 0x1p-6f, 448.0f) << 8;
}
__device__ __forceinline__ unsigned e5m2x2_from_floats(float low, float high) {
  return f8_from_float<2>(low, 0x1p-14f, 57344.0f) | f8_from_float<2>(high, 0x1p-14f, 57344.0f) << 8;
}
#endif
__device__ __forceinline__ unsigned tf32_from_float(float x) {
  unsigned r;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(x));
  return r;
}

}  // namespace tenon::ptx
