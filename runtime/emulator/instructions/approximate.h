// approximate.h: the functions that a GPU approximates: ex2, lg2, tanh, sin, cos, reciprocals, roots, quotients.
//
// Numerics::kReference rounds once, to f32, a double whose relative error is below 2^-49: the nearest f32 but for inputs whose
// exact result lies that near to the middle of two. Numerics::kHardware moves that double, by a hash of the input, within the bounds
// that the PTX ISA states, less what the rounding may add. Polynomials are series of known remainder in straight-line
// code without fused operations: they vectorise, and give the same bits on every machine.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>

#include "runtime/emulator/instructions/lanes.h"
#include "runtime/emulator/machine/block.h"

namespace tenon::emulator {

/// 1.5 * 2^52: added to a small double, it leaves the nearest integer in the low bits.
constexpr double kIntegerShift = 0x1.8p52;
inline double power_of_two(double shifted) {  // 2^k of k + kIntegerShift, |k| < 1023
  return std::bit_cast<double>((std::bit_cast<uint64_t>(shifted) + 1023) << 52);
}

/// e^y - 1 for |y| <= 0.35: its series to y^13, whose remainder is below 2^-55 of it.
inline double exp_minus_one(double y) {
  double p = 1.0 / 6227020800;
  p = p * y + 1.0 / 479001600;
  p = p * y + 1.0 / 39916800;
  p = p * y + 1.0 / 3628800;
  p = p * y + 1.0 / 362880;
  p = p * y + 1.0 / 40320;
  p = p * y + 1.0 / 5040;
  p = p * y + 1.0 / 720;
  p = p * y + 1.0 / 120;
  p = p * y + 1.0 / 24;
  p = p * y + 1.0 / 6;
  p = p * y + 0.5;
  return y + y * y * p;
}

/// 2^x, for any x that an f32 holds (as far as f32 can tell).
inline double exp2_of(double x) {
  x = x > 200 ? 200.0 : x < -200 ? -200.0 : x;
  double shifted = x + kIntegerShift, r = x - (shifted - kIntegerShift);
  return power_of_two(shifted) * (1 + exp_minus_one(r * 0x1.62e42fefa39efp-1));
}

inline double tanh_of(double x) {
  double y = std::fabs(x) * 2;
  y = y > 40 ? 40.0 : y;  // where tanh is 1 to every bit
  double shifted = y * 0x1.71547652b82fep0 + kIntegerShift, k = shifted - kIntegerShift;
  double r = (y - k * 0x1.62e42fee00000p-1) - k * 0x1.a39ef35793c76p-33;
  double power = power_of_two(shifted), e = power * exp_minus_one(r) + (power - 1);
  return std::copysign(e / (e + 2), x);
}

/// log2 of what an f32 holds: 2 atanh((m - 1) / (m + 1)) / ln 2 for the mantissa m in [sqrt 1/2, sqrt 2).
inline double log2_of(double x) {
  constexpr uint64_t kRootHalf = 0x3fe6a09e667f3bcd, kOne = 0x3ff0000000000000;
  uint64_t bits = std::bit_cast<uint64_t>(x) + (kOne - kRootHalf);
  double k = std::bit_cast<double>(bits >> 52 | 0x4330000000000000) - (0x1p52 + 1023);
  double m = std::bit_cast<double>((bits & 0xfffffffffffff) + kRootHalf);
  double s = (m - 1) / (m + 1), z = s * s;
  double p = 1.0 / 21;
  p = p * z + 1.0 / 19;
  p = p * z + 1.0 / 17;
  p = p * z + 1.0 / 15;
  p = p * z + 1.0 / 13;
  p = p * z + 1.0 / 11;
  p = p * z + 1.0 / 9;
  p = p * z + 1.0 / 7;
  p = p * z + 1.0 / 5;
  p = p * z + 1.0 / 3;
  double value = k + (s + s * z * p) * 0x1.71547652b82fep1;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  value = x == kInfinity ? x : value;
  value = x == 0 ? -kInfinity : value;
  return x >= 0 ? value : std::numeric_limits<double>::quiet_NaN();
}

/// In [-1, 1), from the bits of the input alone.
inline double noise(uint32_t bits) {
  bits *= 0x9e3779b1;
  bits ^= bits >> 15;
  bits *= 0x85ebca6b;
  bits ^= bits >> 13;
  return static_cast<double>(static_cast<int32_t>(bits)) * 0x1p-31;
}
/// `value` off by at most `bound`, of itself or in all; zeros, infinities and NaN stay what they are.
inline double off_by_relative(double value, double bound, uint32_t bits) {
  return value * (1 + bound * noise(bits));
}
inline double off_by_absolute(double value, double bound, uint32_t bits) {
  double moved = value + bound * noise(bits);
  return value != 0 && value - value == 0 ? moved : value;
}

/// The handler of an approximate lane function, `F<noisy>`.
template <template <bool> class F>
struct ApproximateMap {
  [[gnu::always_inline]] static inline Outcome run(Warp& warp, const Op& op, LaneMask active) {
    return warp.launch().options.numerics == Numerics::kHardware ? LaneMap<F<true>>::run(warp, op, active)
                                                                 : LaneMap<F<false>>::run(warp, op, active);
  }
};
template <template <bool> class F>
Handler each_lane_approximately() {
  return versioned<ApproximateMap<F>>();
}

}  // namespace tenon::emulator
