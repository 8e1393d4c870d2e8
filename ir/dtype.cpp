// dtype.cpp: sizes, names and roundings of the element types.
#include "ir/dtype.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "llvm/Support/ErrorHandling.h"

namespace tenon {
namespace {

struct Row {
  DType type;
  const char* name;
  int size;
  int precision;     // significant bits of a float, 0 otherwise
  int max_exponent;  // of the largest finite float, as in 2^e
  int min_exponent;  // of the smallest normal float
  double largest;    // what overflow saturates to; 0: it goes to infinity
};
constexpr Row kRows[] = {
    {DType::kBool, "bool", 1, 0, 0, 0, 0},
    {DType::kI8, "i8", 1, 0, 0, 0, 0},
    {DType::kU8, "u8", 1, 0, 0, 0, 0},
    {DType::kI32, "i32", 4, 0, 0, 0, 0},
    {DType::kI64, "i64", 8, 0, 0, 0, 0},
    {DType::kF16, "f16", 2, 11, 15, -14, 0},
    {DType::kBF16, "bf16", 2, 8, 127, -126, 0},
    {DType::kF32, "f32", 4, 24, 127, -126, 0},
    {DType::kF8E4M3, "f8e4m3", 1, 4, 8, -6, 448},
    {DType::kF8E5M2, "f8e5m2", 1, 3, 15, -14, 57344},
};
const Row& row(DType type) { return kRows[static_cast<int>(type)]; }

// Rounds to `precision` significant bits, gradual underflow below 2^min_exponent: one rounding from the exact
// double.
double round_float(double value, const Row& r) {
  if (r.largest > 0 && std::fabs(value) > r.largest) return std::copysign(r.largest, value);
  if (value == 0 || !std::isfinite(value)) return value;
  int exponent = std::max(std::ilogb(value), r.min_exponent);
  double quantum = std::ldexp(1.0, exponent - r.precision + 1);
  double rounded = std::nearbyint(value / quantum) * quantum;
  return std::ilogb(rounded) > r.max_exponent ? std::copysign(std::numeric_limits<double>::infinity(), value)
                                              : std::copysign(rounded, value);
}

/// A value of bf16 as it is: what tensors of bf16 mostly hold, and quicker told than rounded.
bool is_bf16(double value) {
  auto narrow = static_cast<float>(value);
  return static_cast<double>(narrow) == value && (std::bit_cast<uint32_t>(narrow) & 0xffff) == 0;
}

template <class Integer>
double saturate(double value) {
  if (std::isnan(value)) return 0;
  value = std::trunc(value);
  constexpr double low = static_cast<double>(std::numeric_limits<Integer>::min());
  constexpr double high = static_cast<double>(std::numeric_limits<Integer>::max());
  return value < low ? low : value > high ? high : value;
}

}  // namespace

int64_t size_of(DType type) { return row(type).size; }
llvm::StringRef name_of(DType type) { return row(type).name; }
bool is_float(DType type) { return row(type).precision > 0; }
bool is_integer(DType type) { return !is_float(type) && type != DType::kBool; }
double unit_roundoff(DType type) { return is_float(type) ? std::ldexp(1.0, -row(type).precision) : 0; }

std::optional<DType> parse_dtype(llvm::StringRef name) {
  for (const Row& r : kRows)
    if (name == r.name) return r.type;
  return std::nullopt;
}

double round_to(DType type, double value) {
  switch (type) {
    case DType::kBool: return value != 0;  // NaN != 0 holds
    case DType::kI8: return saturate<int8_t>(value);
    case DType::kU8: return saturate<uint8_t>(value);
    case DType::kI32: return saturate<int32_t>(value);
    case DType::kI64: return saturate<int64_t>(value);
    case DType::kF32: return static_cast<float>(value);
    case DType::kBF16: return is_bf16(value) ? value : round_float(value, row(type));
    default: return round_float(value, row(type));
  }
}

float bf16_to_f32(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

uint16_t f32_to_bf16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

float f16_to_f32(uint16_t bits) {
  uint32_t sign = (bits & 0x8000u) << 16, exponent = (bits >> 10) & 0x1f, mantissa = bits & 0x3ff;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent == 0) {
    float value = std::ldexp(static_cast<float>(mantissa), -24);
    return sign ? -value : value;
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

uint16_t f64_to_f16(double value) {
  uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  if (std::isnan(value)) return sign | 0x7e00;
  double rounded = std::fabs(round_float(value, row(DType::kF16)));
  if (std::isinf(rounded)) return sign | 0x7c00;
  if (rounded < std::ldexp(1.0, -14)) return sign | static_cast<uint16_t>(std::ldexp(rounded, 24));
  int exponent = std::ilogb(rounded);
  auto mantissa = static_cast<uint16_t>(std::ldexp(rounded, 10 - exponent)) & 0x3ff;
  return static_cast<uint16_t>(sign | ((exponent + 15) << 10) | mantissa);
}

uint16_t f32_to_f16(float value) { return f64_to_f16(value); }
uint16_t f64_to_bf16(double value) {
  return f32_to_bf16(std::isnan(value) ? static_cast<float>(value)
                                       : static_cast<float>(round_float(value, row(DType::kBF16))));
}

}  // namespace tenon
