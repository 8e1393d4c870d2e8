// rounding.h: exact arithmetic on doubles, rounded once to any binary format in any direction, in integers alone: for
// every rounding that the host's own instructions do not do. Some 30 ns a value.
#pragma once
#include <cstdint>

namespace tenon::emulator {

enum class Rounding : uint8_t {
  kNearest,  ///< ties to even: .rn
  kZero,     ///< .rz
  kDown,     ///< .rm
  kUp,       ///< .rp
  kAway,     ///< nearest, ties away from zero: .rna
};

/// A sign bit, then `exponent_bits`, then `mantissa_bits`.
struct FloatFormat {
  int exponent_bits, mantissa_bits;
  uint64_t nan;          ///< what invalid operations give
  bool infinite = true;  ///< false: the top exponent holds numbers; only all ones is NaN (e4m3)

  constexpr int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  constexpr uint64_t sign() const { return 1ull << (exponent_bits + mantissa_bits); }
  constexpr uint64_t top_exponent() const { return ((1ull << exponent_bits) - 1) << mantissa_bits; }
  constexpr uint64_t largest() const {
    return infinite ? top_exponent() - 1 : (top_exponent() | ((1ull << mantissa_bits) - 2));
  }
};
constexpr FloatFormat kF16Format{5, 10, 0x7fff};
constexpr FloatFormat kBf16Format{8, 7, 0x7fff};
constexpr FloatFormat kF32Format{8, 23, 0x7fffffff};
constexpr FloatFormat kF64Format{11, 52, 0xfff8'0000'0000'0000};
constexpr FloatFormat kTf32Format{8, 10, 0x3ffff};  ///< of 19 bits; in a register it stands 13 bits higher
constexpr FloatFormat kE4m3Format{4, 3, 0x7f, false};
constexpr FloatFormat kE5m2Format{5, 2, 0x7f};

/// A real number that is not zero: +-significand * 2^exponent. Its lowest bit may stand for anything below it.
struct Exact {
  bool negative;
  int exponent;
  unsigned __int128 significand;
};
/// The nearest value of the format in that direction; overflow gives infinity or the largest value, as the direction has
/// it, and the largest always where the format has no infinity. `flush`: what is less than the least normal value when it is
/// rounded to the format's precision becomes a zero of its sign, also where the step of the subnormals would have made it that
/// value (as an H200 does).
uint64_t round(const Exact& value, const FloatFormat& format, Rounding rounding, bool flush = false);
/// Of an integer, zero too.
uint64_t round_integer(uint64_t magnitude, bool negative, const FloatFormat& format, Rounding rounding);
/// Of a double: zeros and infinities keep their sign, NaN becomes the format's.
uint64_t round(double value, const FloatFormat& format, Rounding rounding, bool flush = false);

/// The IEEE operations with one rounding of the exact result. Where a NaN goes in or comes out: the format's.
uint64_t exact_fma(double a, double b, double c, const FloatFormat& format, Rounding rounding,
                   bool flush = false);
uint64_t exact_add(double a, double b, const FloatFormat& format, Rounding rounding, bool flush = false);
uint64_t exact_mul(double a, double b, const FloatFormat& format, Rounding rounding, bool flush = false);
uint64_t exact_div(double a, double b, const FloatFormat& format, Rounding rounding, bool flush = false);
uint64_t exact_sqrt(double a, const FloatFormat& format, Rounding rounding, bool flush = false);

/// A value of the format as a double; a NaN becomes a quiet NaN.
double widen(uint64_t bits, const FloatFormat& format);
/// To an integral value: .rni .rzi .rmi .rpi.
double round_to_integral(double value, Rounding rounding);

}  // namespace tenon::emulator
