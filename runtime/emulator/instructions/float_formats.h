// float_formats.h: the float types as lanes hold them, and the conversions that every operation on them begins and ends
// with: straight-line code that vectorises.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>

#include "runtime/emulator/instructions/lanes.h"
#include "runtime/emulator/instructions/rounding.h"

namespace tenon::emulator {

struct Half {
  uint16_t bits;
};
struct Brain {
  uint16_t bits;
};
/// Two of a 16-bit float in one register.
template <class T>
struct Pair {
  uint32_t bits;
  T low() const { return {static_cast<uint16_t>(bits)}; }
  T high() const { return {static_cast<uint16_t>(bits >> 16)}; }
  static Pair of(T low, T high) { return {low.bits | static_cast<uint32_t>(high.bits) << 16}; }
};

template <class T>
requires(std::is_same_v<T, Half> || std::is_same_v<T, Brain>) struct LaneOf<T> {
  using Stored = uint32_t;
  static T load(uint32_t stored) { return {static_cast<uint16_t>(stored)}; }
  static uint32_t store(T value) { return value.bits; }
};
template <class T>
struct LaneOf<Pair<T>> {
  using Stored = uint32_t;
  static Pair<T> load(uint32_t stored) { return {stored}; }
  static uint32_t store(Pair<T> value) { return value.bits; }
};

template <class T>
constexpr FloatFormat kFormatOf = kF32Format;
template <>
inline constexpr FloatFormat kFormatOf<double> = kF64Format;
template <>
inline constexpr FloatFormat kFormatOf<Half> = kF16Format;
template <>
inline constexpr FloatFormat kFormatOf<Brain> = kBf16Format;

// --- exact: to f32
inline float to_float(float value) { return value; }
inline float to_float(Brain value) { return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16); }
inline float to_float(Half value) {
  uint32_t magnitude = value.bits & 0x7fff, sign = (value.bits & 0x8000u) << 16;
  // Not by way of an f32 subnormal, which takes a processor a hundred cycles.
  uint32_t subnormal =
      std::bit_cast<uint32_t>(static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-24f);
  uint32_t rebased = (magnitude << 13) + (magnitude >= 0x7c00 ? (255 - 31) << 23 : (127 - 15) << 23);
  return std::bit_cast<float>((magnitude < 0x400 ? subnormal : rebased) | sign);
}

/// Nearest even; every NaN becomes 0x7fff.
template <class T>
T from_float(float value);
template <>
inline float from_float<float>(float value) {
  return value;
}
template <>
inline Brain from_float<Brain>(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  return {static_cast<uint16_t>(value != value ? 0x7fff : rounded)};
}
template <>
inline Half from_float<Half>(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  uint32_t magnitude = bits & 0x7fffffff, sign = bits >> 16 & 0x8000;
  // Below 2^-14, adding a half rounds at 2^-24, the step of subnormals.
  uint32_t small = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000;
  uint32_t normal = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
  uint32_t rounded = magnitude < 0x38800000 ? small : magnitude >= 0x47800000 ? 0x7c00 : normal;
  return {static_cast<uint16_t>(magnitude > 0x7f800000 ? 0x7fff : rounded | sign)};
}

/// a + b rounded to odd: any later rounding to at most 51 bits gives what one rounding of the exact sum would.
inline double add_to_odd(double a, double b) {
  double sum = a + b, back = sum - a;
  double error = (a - (sum - back)) + (b - back);
  auto bits = std::bit_cast<uint64_t>(sum);
  // The sum lies beyond the exact value or before it; where it is even, one step the other way is odd. No branches: it vectorises.
  uint64_t step = (error < 0) == (sum > 0) ? ~0ull : 1ull, if_even = (bits & 1) - 1;
  bool exact = (error == 0) | (error != error) | (sum - sum != 0);
  return std::bit_cast<double>(bits + (exact ? 0 : step & if_even));
}

/// To f32, rounded to odd likewise: f16 and bf16 may be had from it.
inline float to_float_odd(double value) {
  auto near = static_cast<float>(value);
  auto bits = std::bit_cast<uint32_t>(near);
  double back = near, error = value - back;
  // From zero, which is even too, the one way is up; infinity stays so in 16 bits.
  bool down = ((error < 0) == (back > 0)) & (back != 0);
  uint32_t step = down ? ~0u : 1u, if_even = (bits & 1) - 1;
  bool exact = (error == 0) | (back - back != 0);
  return std::bit_cast<float>(bits + (exact ? 0 : step & if_even));
}
// --- modifiers
inline float canonical(float value) { return value != value ? std::bit_cast<float>(0x7fffffffu) : value; }
/// A NaN result in terms of its operands: f32 has but one; f64 hands on the first of them, made quiet.
inline float with_nan_of(float result, float, float = 0, float = 0) { return canonical(result); }
inline double with_nan_of(double result, double a, double b = 0, double c = 0) {
  double nan = a != a ? a : b != b ? b : c;
  uint64_t bits = nan != nan ? std::bit_cast<uint64_t>(nan) | 0x8000000000000 : kF64Format.nan;
  return result != result ? std::bit_cast<double>(bits) : result;
}
/// .ftz: subnormal to a zero of its sign.
inline float flush(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  return (bits & 0x7f800000) == 0 ? std::bit_cast<float>(bits & 0x80000000) : value;
}
inline Half flush(Half value) {
  return {static_cast<uint16_t>((value.bits & 0x7c00) == 0 ? value.bits & 0x8000 : value.bits)};
}
inline Brain flush(Brain value) {
  return {static_cast<uint16_t>((value.bits & 0x7f80) == 0 ? value.bits & 0x8000 : value.bits)};
}
/// .ftz of a result: what is less than the least normal value when it is rounded to 24 bits, though the wider step of the subnormals
/// may have made it that value.
inline float flush_tiny(float rounded, double exact) {
  return std::fabs(exact) < 0x1p-126 - 0x1p-151 ? std::copysign(0.0f, rounded) : rounded;
}
inline Half flush_tiny(Half rounded, float exact) {
  return {
      static_cast<uint16_t>(std::fabs(exact) < 0x1p-14f - 0x1p-26f ? rounded.bits & 0x8000 : rounded.bits)};
}
inline Brain flush_tiny(Brain rounded, float exact) {
  return {
      static_cast<uint16_t>(std::fabs(exact) < 0x1p-126f - 0x1p-135f ? rounded.bits & 0x8000 : rounded.bits)};
}
/// .sat: into [0, 1], NaN to +0.
inline float saturate(float value) { return value > 0 ? (value < 1 ? value : 1.0f) : 0.0f; }
/// .relu: negative values to +0, NaN to the canonical one.
inline float relu(float value) { return value != value ? canonical(value) : value > 0 ? value : 0.0f; }

}  // namespace tenon::emulator
