// Host versions of templates/ptx/convert.cuh.
#pragma once

namespace tenon::ptx {

inline unsigned short bf16_from_float(float x) {
  const unsigned bits = __builtin_bit_cast(unsigned, x);
  if (x != x) return 0x7fff;
  return static_cast<unsigned short>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
inline unsigned short f16_from_float(float x) {
  const unsigned bits = __builtin_bit_cast(unsigned, x), sign = (bits >> 16) & 0x8000,
                 magnitude = bits & 0x7fffffff;
  if (x != x) return 0x7fff;
  if (magnitude >= 0x477ff000) return static_cast<unsigned short>(sign | 0x7c00);  // 65520 and above
  unsigned mantissa = magnitude, shift = 13;
  if (magnitude < 0x38800000) {  // below 2^-14: a subnormal in units of 2^-24
    const unsigned exponent = magnitude >> 23;
    if (exponent < 101) return static_cast<unsigned short>(sign);
    mantissa = (magnitude & 0x7fffff) | 0x800000;
    shift = 126 - exponent;
  } else {
    mantissa = magnitude - 0x38000000;
  }
  const unsigned whole = mantissa >> shift, rest = mantissa & ((1u << shift) - 1), half = 1u << (shift - 1);
  return static_cast<unsigned short>(sign | (whole + (rest > half || (rest == half && (whole & 1)))));
}
inline float float_from_f16(unsigned short h) {
  const unsigned sign = (h & 0x8000u) << 16, exponent = (h >> 10) & 31, mantissa = h & 0x3ff;
  if (exponent == 31) return __builtin_bit_cast(float, sign | 0x7f800000 | (mantissa << 13));
  if (exponent == 0) return (sign ? -1.0f : 1.0f) * static_cast<float>(mantissa) * 0x1p-24f;
  return __builtin_bit_cast(float, sign | ((exponent + 112) << 23) | (mantissa << 13));
}
inline unsigned bf16x2_from_floats(float low, float high) {
  return bf16_from_float(low) | unsigned(bf16_from_float(high)) << 16;
}
inline unsigned f16x2_from_floats(float low, float high) {
  return f16_from_float(low) | unsigned(f16_from_float(high)) << 16;
}
// The nearest of the 8-bit floats, found by trying all of them; ties go to the even one.
inline unsigned f8_from_float(float x, int mantissa) {
  if (x != x) return 0x7f;
  const int bias = (1 << (6 - mantissa)) - 1;
  unsigned best = 0;
  double distance = 1e300;
  for (unsigned bits = 0; bits < (mantissa == 3 ? 0x7fu : 0x7cu); ++bits) {
    const int exponent = int(bits >> mantissa), fraction = int(bits & ((1u << mantissa) - 1));
    const double value = exponent == 0
                             ? __builtin_ldexp(fraction, 1 - bias - mantissa)
                             : __builtin_ldexp(fraction + (1 << mantissa), exponent - bias - mantissa);
    double d = __builtin_fabs(__builtin_fabs(double(x)) - value);
    if (__builtin_isinf(x)) d = -value;
    if (d < distance || (d == distance && bits % 2 == 0)) best = bits, distance = d;
  }
  return best | (__builtin_signbit(x) ? 0x80u : 0u);
}
inline unsigned short e4m3x2_from_floats(float low, float high) {
  return static_cast<unsigned short>(f8_from_float(low, 3) | f8_from_float(high, 3) << 8);
}
inline unsigned short e5m2x2_from_floats(float low, float high) {
  return static_cast<unsigned short>(f8_from_float(low, 2) | f8_from_float(high, 2) << 8);
}
inline unsigned tf32_from_float(float x) {
  const unsigned bits = __builtin_bit_cast(unsigned, x);
  return x != x ? 0x7fffffff : (bits + 0x1000) & 0xffffe000;
}

}  // namespace tenon::ptx
