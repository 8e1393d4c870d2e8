// rounding.cpp: see rounding.h. Numbers are sign, exponent and a 128-bit significand; what does not fit is "jammed" into
// its lowest bit, which is enough to round right.
#include "runtime/emulator/instructions/rounding.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace tenon::emulator {
namespace {

using Wide = unsigned __int128;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

int top_bit(Wide value) {
  auto high = static_cast<uint64_t>(value >> 64);
  return high != 0 ? 127 - std::countl_zero(high) : 63 - std::countl_zero(static_cast<uint64_t>(value));
}

/// Right, what falls off jammed.
Wide shift_right_jam(Wide value, int by) {
  if (by <= 0) return value;
  if (by > 127) return value != 0;
  return (value >> by) | ((value & ((Wide{1} << by) - 1)) != 0);
}

/// Of a finite double that is not zero.
Exact unpack(double value) {
  auto bits = std::bit_cast<uint64_t>(value);
  int exponent = static_cast<int>(bits >> 52) & 0x7ff;
  uint64_t mantissa = bits & ((1ull << 52) - 1);
  if (exponent == 0) return {std::signbit(value), -1074, mantissa};
  return {std::signbit(value), exponent - 1075, mantissa | 1ull << 52};
}

/// With its top bit at bit 125: two bits of room for a sum's carry.
Exact normalised(Exact value) {
  int up = 125 - top_bit(value.significand);
  return {value.negative, value.exponent - up, value.significand << up};
}

/// The format's infinity, or what it has instead.
uint64_t infinity(bool negative, const FloatFormat& format) {
  return (format.infinite ? format.top_exponent() : format.nan) | (negative ? format.sign() : 0);
}
uint64_t zero(bool negative, const FloatFormat& format) { return negative ? format.sign() : 0; }

/// Of two numbers that are no zeros; the sum may be one.
uint64_t round_sum(Exact a, Exact b, const FloatFormat& format, Rounding rounding, bool flush) {
  a = normalised(a);
  b = normalised(b);
  if (a.exponent < b.exponent) std::swap(a, b);
  Wide low = shift_right_jam(b.significand, a.exponent - b.exponent);
  if (a.negative == b.negative)
    return round({a.negative, a.exponent, a.significand + low}, format, rounding, flush);
  if (a.significand == low) return zero(rounding == Rounding::kDown, format);
  if (a.significand > low)
    return round({a.negative, a.exponent, a.significand - low}, format, rounding, flush);
  return round({b.negative, a.exponent, low - a.significand}, format, rounding, flush);
}

/// Whether the part of a significand below `shift` makes its upper part one larger.
bool rounds_up(const Exact& value, int shift, bool odd, Rounding rounding) {
  if (shift <= 0) return false;
  Wide half = shift > 128 ? 0 : Wide{1} << (shift - 1);
  Wide rest = shift > 127 ? value.significand : value.significand & ((Wide{1} << shift) - 1);
  switch (rounding) {
    case Rounding::kNearest: return half != 0 && (rest > half || (rest == half && odd));
    case Rounding::kAway: return half != 0 && rest >= half;
    case Rounding::kZero: return false;
    case Rounding::kDown: return value.negative && rest != 0;
    case Rounding::kUp: return !value.negative && rest != 0;
  }
  return false;
}

/// Whether what lies beyond the largest value becomes infinite.
bool overflows(bool negative, Rounding rounding) {
  if (rounding == Rounding::kZero) return false;
  if (rounding == Rounding::kDown) return negative;
  return rounding != Rounding::kUp || !negative;
}

/// Whether a value, rounded to the format's precision as if exponents had no end, is below the least normal one.
bool is_tiny(const Exact& value, const FloatFormat& format, Rounding rounding) {
  int top = top_bit(value.significand), below = 1 - format.bias() - (value.exponent + top);
  if (below != 1) return below > 1;
  int shift = top - format.mantissa_bits;
  Wide kept = shift >= 0 ? value.significand >> shift : value.significand << -shift;
  bool all_ones = kept == (Wide{1} << (format.mantissa_bits + 1)) - 1;
  return !all_ones || !rounds_up(value, shift, true, rounding);
}

}  // namespace

uint64_t round(const Exact& value, const FloatFormat& format, Rounding rounding, bool flush) {
  if (flush && is_tiny(value, format, rounding)) return zero(value.negative, format);
  int smallest = 1 - format.bias();
  int exponent = value.exponent + top_bit(value.significand);
  int shift = std::max(exponent, smallest) - format.mantissa_bits - value.exponent;
  Wide kept = shift > 127 ? 0 : shift >= 0 ? value.significand >> shift : value.significand << -shift;
  auto bits = static_cast<uint64_t>(kept);
  if (rounds_up(value, shift, bits & 1, rounding)) ++bits;
  // A normal number's hidden bit adds one to the exponent field, and so does a carry out of the mantissa.
  if (exponent >= smallest) {
    if (exponent - smallest >= 1 << format.exponent_bits)
      bits = format.largest() + 1;
    else
      bits += static_cast<uint64_t>(exponent - smallest) << format.mantissa_bits;
  }
  uint64_t sign = zero(value.negative, format);
  if (bits > format.largest())
    bits = overflows(value.negative, rounding) && format.infinite ? format.top_exponent() : format.largest();
  return sign | bits;
}

uint64_t round_integer(uint64_t magnitude, bool negative, const FloatFormat& format, Rounding rounding) {
  return magnitude == 0 ? 0 : round(Exact{negative, 0, magnitude}, format, rounding);
}

uint64_t round(double value, const FloatFormat& format, Rounding rounding, bool flush) {
  if (std::isnan(value)) return format.nan;
  if (std::isinf(value)) return infinity(value < 0, format);
  if (value == 0) return zero(std::signbit(value), format);
  return round(unpack(value), format, rounding, flush);
}

uint64_t exact_fma(double a, double b, double c, const FloatFormat& format, Rounding rounding, bool flush) {
  bool negative = std::signbit(a) != std::signbit(b);
  if (std::isnan(a) || std::isnan(b) || std::isnan(c)) return format.nan;
  if (std::isinf(a) || std::isinf(b)) {
    if (a == 0 || b == 0 || (std::isinf(c) && std::signbit(c) != negative)) return format.nan;
    return infinity(negative, format);
  }
  if (std::isinf(c)) return infinity(c < 0, format);
  if (a == 0 || b == 0) {
    if (c != 0) return round(unpack(c), format, rounding, flush);
    return zero(negative == std::signbit(c) ? negative : rounding == Rounding::kDown, format);
  }
  Exact x = unpack(a), y = unpack(b);
  Exact product{negative, x.exponent + y.exponent, x.significand * y.significand};
  return c == 0 ? round(product, format, rounding, flush)
                : round_sum(product, unpack(c), format, rounding, flush);
}

uint64_t exact_add(double a, double b, const FloatFormat& format, Rounding rounding, bool flush) {
  return exact_fma(a, 1, b, format, rounding, flush);
}

uint64_t exact_mul(double a, double b, const FloatFormat& format, Rounding rounding, bool flush) {
  return exact_fma(a, b, std::signbit(a) != std::signbit(b) ? -0.0 : 0.0, format, rounding, flush);
}

uint64_t exact_div(double a, double b, const FloatFormat& format, Rounding rounding, bool flush) {
  bool negative = std::signbit(a) != std::signbit(b);
  if (std::isnan(a) || std::isnan(b) || (a == 0 && b == 0) || (std::isinf(a) && std::isinf(b)))
    return format.nan;
  if (std::isinf(a) || b == 0) return infinity(negative, format);
  if (a == 0 || std::isinf(b)) return zero(negative, format);
  Exact x = normalised(unpack(a)), y = unpack(b);
  Wide quotient = x.significand / y.significand, rest = x.significand % y.significand;
  return round(Exact{negative, x.exponent - y.exponent, quotient | (rest != 0)}, format, rounding, flush);
}

uint64_t exact_sqrt(double a, const FloatFormat& format, Rounding rounding, bool flush) {
  if (std::isnan(a) || a < 0) return format.nan;
  if (a == 0) return zero(std::signbit(a), format);
  if (std::isinf(a)) return infinity(false, format);
  Exact x = normalised(unpack(a));
  if (x.exponent & 1) x = {false, x.exponent + 1, x.significand >> 1};  // its low bits are zeros
  Wide root = 0, rest = x.significand;
  for (int bit = 62; bit >= 0; --bit) {  // digit by digit: root^2 + rest stays the radicand
    Wide step = (root << (bit + 1)) + (Wide{1} << (2 * bit));
    if (step > rest) continue;
    rest -= step;
    root |= Wide{1} << bit;
  }
  return round(Exact{false, x.exponent / 2 - 1, root << 1 | (rest != 0)}, format, rounding, flush);
}

double widen(uint64_t bits, const FloatFormat& format) {
  uint64_t magnitude = bits & (format.sign() - 1),
           mantissa = magnitude & ((1ull << format.mantissa_bits) - 1);
  bool negative = (bits & format.sign()) != 0;
  if (magnitude > format.largest()) {
    if (format.infinite && mantissa == 0) return negative ? -kInfinity : kInfinity;
    return std::copysign(std::numeric_limits<double>::quiet_NaN(), negative ? -1.0 : 1.0);
  }
  auto exponent = static_cast<int>(magnitude >> format.mantissa_bits);
  if (exponent != 0) mantissa |= 1ull << format.mantissa_bits;
  double value =
      std::ldexp(static_cast<double>(mantissa), std::max(exponent, 1) - format.bias() - format.mantissa_bits);
  return negative ? -value : value;
}

double round_to_integral(double value, Rounding rounding) {
  switch (rounding) {
    case Rounding::kNearest: return std::nearbyint(value);
    case Rounding::kZero: return std::trunc(value);
    case Rounding::kDown: return std::floor(value);
    case Rounding::kUp: return std::ceil(value);
    case Rounding::kAway: return std::round(value);
  }
  return value;
}

}  // namespace tenon::emulator
