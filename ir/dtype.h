// dtype.h: the element types of tensors, their sizes and their names in the model language.
#pragma once
#include <cstdint>
#include <optional>

#include "llvm/ADT/StringRef.h"

namespace tenon {

enum class DType : uint8_t { kBool, kI8, kU8, kI32, kI64, kF16, kBF16, kF32, kF8E4M3, kF8E5M2 };

/// Bytes of one element; bool takes one byte (0 or 1).
int64_t size_of(DType type);
/// The name in the model language and in IR text: "bf16", "i32", "bool", ...
llvm::StringRef name_of(DType type);
/// The inverse of name_of; nothing for an unknown name.
std::optional<DType> parse_dtype(llvm::StringRef name);
bool is_float(DType type);
bool is_integer(DType type);  ///< i8 u8 i32 i64; bool is neither integer nor float
/// Unit roundoff u of a float type: 2^-24 for f32, 2^-11 for f16, 2^-8 for bf16 (its 8 bits of precision),
/// ...
double unit_roundoff(DType type);

/// Round a double to the nearest value of `type` (ties to even; overflow of floats to infinity, of 8-bit floats to
/// the largest finite value, also from infinity, as ONNX's Cast), saturating and truncating for integers, `x != 0`
/// for bool: the meaning of `cast` from a float, and of storing a result.
double round_to(DType type, double value);

uint16_t f32_to_bf16(float value);  ///< nearest even, NaN stays NaN
float bf16_to_f32(uint16_t bits);
uint16_t f32_to_f16(float value);  ///< nearest even, overflow to infinity, subnormals kept
float f16_to_f32(uint16_t bits);
uint16_t f64_to_f16(double value);   ///< as f32_to_f16 with a single rounding
uint16_t f64_to_bf16(double value);  ///< as f32_to_bf16 with a single rounding

}  // namespace tenon
