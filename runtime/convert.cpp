// convert.cpp: bulk conversion of elements.
#include "runtime/convert.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "runtime/simd.h"

namespace tenon {
namespace {

template <class T>
T load(const std::byte* data, int64_t i) {
  T value;
  std::memcpy(&value, data + i * sizeof(T), sizeof(T));
  return value;
}

template <class T>
void store(std::byte* data, int64_t i, T value) {
  std::memcpy(data + i * sizeof(T), &value, sizeof(T));
}

TENON_SIMD void bf16_to_f32(const std::byte* data, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i)
    out[i] = std::bit_cast<float>(static_cast<uint32_t>(load<uint16_t>(data, i)) << 16);
}

TENON_SIMD void f32_to_bf16(const float* values, int64_t count, std::byte* out) {
  for (int64_t i = 0; i < count; ++i) {
    auto bits = std::bit_cast<uint32_t>(values[i]);
    uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    uint32_t quiet = (bits >> 16) | 0x40;
    store(out, i, static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded));
  }
}

// The bits of an f16 moved to those of an f32 are the value times 2^-112, subnormals too; one product scales
// them. Infinity and NaN get the f32's exponent instead.
TENON_SIMD void f16_to_f32(const std::byte* data, int64_t count, float* out) {
  const float scale = std::bit_cast<float>(uint32_t{(127 + 112) << 23});
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits = load<uint16_t>(data, i), magnitude = (bits & 0x7fff) << 13;
    auto finite = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) * scale);
    uint32_t special = magnitude | 0x7f800000;
    out[i] = std::bit_cast<float>(((bits & 0x8000) << 16) | (magnitude >= (0x1fu << 23) ? special : finite));
  }
}

// Normal results: round the mantissa to 10 bits in the f32's own bits (a carry into the exponent is right).
// Subnormal ones: adding 0.5 leaves multiples of 2^-24 in the mantissa, rounded by the addition itself.
TENON_SIMD void f32_to_f16(const float* values, int64_t count, std::byte* out) {
  for (int64_t i = 0; i < count; ++i) {
    auto bits = std::bit_cast<uint32_t>(values[i]);
    uint32_t sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7fffffff;
    uint32_t normal = (magnitude - (112u << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13;
    uint32_t subnormal =
        std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - std::bit_cast<uint32_t>(0.5f);
    uint32_t result = magnitude < (113u << 23) ? subnormal : normal;
    result = magnitude >= 0x477ff000u ? 0x7c00 : result;  // 65520 and above
    result = magnitude > 0x7f800000u ? 0x7e00 : result;
    store(out, i, static_cast<uint16_t>(sign | result));
  }
}

/// The values of the 256 8-bit floats with `mantissa` bits; e4m3 has no infinity, e5m2 is a short f16.
std::array<float, 256> f8_values(int mantissa) {
  std::array<float, 256> values{};
  const int bias = (1 << (6 - mantissa)) - 1;
  for (int bits = 0; bits < 256; ++bits) {
    int exponent = (bits & 0x7f) >> mantissa, fraction = bits & ((1 << mantissa) - 1);
    double value = exponent == 0 ? std::ldexp(fraction, 1 - bias - mantissa)
                                 : std::ldexp(fraction + (1 << mantissa), exponent - bias - mantissa);
    if (mantissa == 3 && (bits & 0x7f) == 0x7f) value = NAN;
    if (mantissa == 2 && exponent == 31) value = fraction ? NAN : INFINITY;
    values[bits] = static_cast<float>(bits & 0x80 ? -value : value);
  }
  return values;
}
const std::array<float, 256>& f8_table(DType dtype) {
  static const std::array<float, 256> kE4M3 = f8_values(3), kE5M2 = f8_values(2);
  return dtype == DType::kF8E4M3 ? kE4M3 : kE5M2;
}

/// The bits of the nearest 8-bit float: round_to knows the rounding, the table the bits.
uint8_t f64_to_f8(DType dtype, double value) {
  const auto& table = f8_table(dtype);
  uint8_t sign = std::signbit(value) ? 0x80 : 0;
  double rounded = std::fabs(round_to(dtype, value));
  int low = 0, high = dtype == DType::kF8E4M3 ? 0x7e : 0x7b;  // the largest value
  if (std::isnan(value)) return 0x7f;
  while (low < high) {  // magnitudes rise with the bits
    int middle = (low + high) / 2;
    if (table[middle] >= rounded)
      high = middle;
    else
      low = middle + 1;
  }
  return sign | static_cast<uint8_t>(low);
}

}  // namespace

void to_f32(DType dtype, const std::byte* data, int64_t count, float* out) {
  if (count == 0) return;  // pointers to nothing may be null
  switch (dtype) {
    case DType::kF32: std::memcpy(out, data, count * sizeof(float)); return;
    case DType::kBF16: return bf16_to_f32(data, count, out);
    case DType::kF16: return f16_to_f32(data, count, out);
    case DType::kF8E4M3:
    case DType::kF8E5M2: {
      const auto& table = f8_table(dtype);
      for (int64_t i = 0; i < count; ++i) out[i] = table[std::to_integer<uint8_t>(data[i])];
      return;
    }
    default: break;
  }
  for (int64_t i = 0; i < count; ++i) out[i] = load<uint8_t>(data, i) != 0;
}

void from_f32(const float* values, int64_t count, DType dtype, std::byte* out) {
  if (count == 0) return;  // pointers to nothing may be null
  switch (dtype) {
    case DType::kF32: std::memcpy(out, values, count * sizeof(float)); return;
    case DType::kBF16: return f32_to_bf16(values, count, out);
    case DType::kF16: return f32_to_f16(values, count, out);
    case DType::kF8E4M3:
    case DType::kF8E5M2:
      for (int64_t i = 0; i < count; ++i) store(out, i, f64_to_f8(dtype, values[i]));
      return;
    default: break;
  }
  for (int64_t i = 0; i < count; ++i) store<uint8_t>(out, i, values[i] != 0);
}

void from_f64(const double* values, int64_t count, DType dtype, std::byte* out) {
  for (int64_t i = 0; i < count; ++i) {
    switch (dtype) {
      case DType::kF32: store(out, i, static_cast<float>(values[i])); break;
      case DType::kF16: store(out, i, f64_to_f16(values[i])); break;
      case DType::kBF16: store(out, i, f64_to_bf16(values[i])); break;
      case DType::kF8E4M3:
      case DType::kF8E5M2: store(out, i, f64_to_f8(dtype, values[i])); break;
      default: store<uint8_t>(out, i, values[i] != 0);
    }
  }
}

void to_i64(DType dtype, const std::byte* data, int64_t count, int64_t* out) {
  if (count == 0) return;  // pointers to nothing may be null
  switch (dtype) {
    case DType::kI64: std::memcpy(out, data, count * sizeof(int64_t)); return;
    case DType::kI32:
      for (int64_t i = 0; i < count; ++i) out[i] = load<int32_t>(data, i);
      return;
    case DType::kI8:
      for (int64_t i = 0; i < count; ++i) out[i] = load<int8_t>(data, i);
      return;
    case DType::kBool:
      for (int64_t i = 0; i < count; ++i) out[i] = load<uint8_t>(data, i) != 0;
      return;
    default: break;
  }
  for (int64_t i = 0; i < count; ++i) out[i] = load<uint8_t>(data, i);
}

void from_i64(const int64_t* values, int64_t count, DType dtype, std::byte* out) {
  if (count == 0) return;  // pointers to nothing may be null
  switch (dtype) {
    case DType::kI64: std::memcpy(out, values, count * sizeof(int64_t)); return;
    case DType::kI32:
      for (int64_t i = 0; i < count; ++i) store(out, i, static_cast<int32_t>(values[i]));
      return;
    case DType::kBool:
      for (int64_t i = 0; i < count; ++i) store<uint8_t>(out, i, values[i] != 0);
      return;
    default: break;
  }
  for (int64_t i = 0; i < count; ++i) store(out, i, static_cast<uint8_t>(values[i]));
}

}  // namespace tenon
