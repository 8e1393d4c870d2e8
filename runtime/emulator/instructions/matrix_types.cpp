// matrix_types.cpp: see matrix_types.h.
#include "runtime/emulator/instructions/matrix_types.h"

namespace tenon::emulator {

Element element_of(Decoder& d, ptx::Type type) {
  switch (type) {
    case ptx::Type::kF16: return Element::kF16;
    case ptx::Type::kBf16: return Element::kBf16;
    case ptx::Type::kTf32: return Element::kTf32;
    case ptx::Type::kE4m3: return Element::kE4m3;
    case ptx::Type::kE5m2: return Element::kE5m2;
    case ptx::Type::kS8: return Element::kS8;
    case ptx::Type::kU8: return Element::kU8;
    default: d.fail("matrices of ." + ptx::name(type).str() + " are not supported");
  }
}

Accumulator accumulator_of(Decoder& d, ptx::Type type, Element a, Element b, bool saturate) {
  const bool mixes = a == b || (is_integer(a) && is_integer(b)) || (is_small_float(a) && is_small_float(b));
  if (!mixes) d.fail("A and B are of types that do not go together");
  if (saturate && !is_integer(a)) d.fail(".satfinite is for integers");
  if (is_integer(a) && type == ptx::Type::kS32)
    return saturate ? Accumulator::kS32Saturated : Accumulator::kS32;
  if (!is_integer(a) && type == ptx::Type::kF32) return Accumulator::kF32;
  if (type == ptx::Type::kF16 && (a == Element::kF16 || is_small_float(a))) return Accumulator::kF16;
  d.fail("products of these operands are not summed in ." + ptx::name(type).str());
}

SumRule rule_of(Decoder& d, MatrixUnit unit, Element a, Element b) {
  SumRule rule = sum_rule(d.target_arch(), unit, a, b);
  if (is_integer(a)) rule.terms = 0;
  return rule;
}

}  // namespace tenon::emulator
