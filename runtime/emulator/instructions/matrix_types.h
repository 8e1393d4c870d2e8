// matrix_types.h: the types that mma and wgmma name, as the tensor cores' elements and sums.
#pragma once
#include "runtime/emulator/instructions/tensor_core.h"
#include "runtime/emulator/program/decoder.h"

namespace tenon::emulator {

constexpr bool is_integer(Element e) { return e == Element::kS8 || e == Element::kU8; }
constexpr bool is_small_float(Element e) { return e == Element::kE4m3 || e == Element::kE5m2; }

/// .f16 .bf16 .tf32 .e4m3 .e5m2 .s8 .u8; fails for others.
Element element_of(Decoder& d, ptx::Type type);
/// What D and C of .`type` are summed in; fails where A and B do not go together or not with it.
Accumulator accumulator_of(Decoder& d, ptx::Type type, Element a, Element b, bool saturate);
/// What a register of accumulators is read and written as: two of .f16 share one.
constexpr ptx::Type register_type(Accumulator kind) {
  return kind == Accumulator::kF32   ? ptx::Type::kF32
         : kind == Accumulator::kF16 ? ptx::Type::kB32
                                     : ptx::Type::kS32;
}
/// How the hardware adds their products; `terms` = 0 for integers, which are exact.
SumRule rule_of(Decoder& d, MatrixUnit unit, Element a, Element b);

}  // namespace tenon::emulator
