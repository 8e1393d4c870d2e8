// type.h: the fundamental types of PTX, as instruction modifiers and declarations name them (PTX ISA 9.0, 5.2).
#pragma once
#include <cstdint>
#include <optional>

#include "llvm/ADT/StringRef.h"

namespace tenon::ptx {

enum class Type : uint8_t {
  kPred,
  kB8,
  kU8,
  kS8,
  kB16,
  kU16,
  kS16,
  kF16,
  kBf16,
  kB32,
  kU32,
  kS32,
  kF32,
  kTf32,
  kF16x2,
  kBf16x2,
  kB64,
  kU64,
  kS64,
  kF64,
  kB128,
  kE4m3,
  kE5m2,
  kE4m3x2,
  kE5m2x2,  ///< 8-bit floats alone (matrix operands) and packed in 16 bits (conversions)
};

/// "f32" without a dot; nothing where no type has the name.
std::optional<Type> type_named(llvm::StringRef name);
llvm::StringRef name(Type type);
/// Bits of one value: 32 for f16x2, 1 for pred.
int bits(Type type);
inline int bytes(Type type) { return bits(type) / 8; }
bool is_signed(Type type);  ///< s8 ... s64
bool is_float(Type type);   ///< f16, bf16, f32, tf32, f64, their packed forms, the 8-bit floats
bool is_packed(Type type);  ///< two values in one register: f16x2, bf16x2, e4m3x2, e5m2x2

}  // namespace tenon::ptx
