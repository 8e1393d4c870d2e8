// lower_pointwise.cpp: elementwise operations.
#include <algorithm>
#include <cmath>

#include "ir/lower_operations.h"

namespace tenon {

Operands lower_unary(Call& call) {
  Operand x = call.operand("x");
  if (x.is_tensor()) return {call.builder.make(call.operation.op, {x.tensor})};
  if (!x.number.boolean && call.operation.op == Op::kSqrt) return {Number::of(std::sqrt(x.number.value))};
  if (!x.number.boolean && call.operation.op == Op::kNeg) return {negate(x.number)};
  call.fail_at("x", "x must be a tensor, not " + describe(x));
}

Operands lower_gelu(Call& call) {
  Value* x = call.tensor("x");
  std::string approximate = call.string("approximate");
  if (approximate != "none" && approximate != "tanh")
    call.fail_at("approximate", "approximate is \"none\" or \"tanh\", not \"" + approximate + "\"");
  return {call.builder.make(approximate == "tanh" ? Op::kGeluTanh : Op::kGelu, {x})};
}

Operands lower_leaky_relu(Call& call) {
  return {call.builder.make(Op::kLeakyRelu, {call.tensor("x")}, {{"slope", call.real("slope")}})};
}

Operands lower_cast(Call& call) {
  Operand x = call.operand("x");
  DType dtype = call.dtype("dtype");
  if (x.is_tensor()) return {call.builder.cast(x.tensor, dtype)};
  return {call.builder.constant(round_to(dtype, x.number.value), dtype)};
}

Operands lower_clamp(Call& call) {
  Value* x = call.tensor("x");
  if (call.given("min"))
    x = call.builder.make(Op::kMaximum, {x, call.tensor_or_constant("min", x->type().dtype)});
  if (call.given("max"))
    x = call.builder.make(Op::kMinimum, {x, call.tensor_or_constant("max", x->type().dtype)});
  return {x};
}

Operands lower_fold(Call& call) {
  std::vector<Operand> operands = call.variadic();
  bool largest = call.operation.op == Op::kMaximum;
  if (std::all_of(operands.begin(), operands.end(),
                  [](const Operand& o) { return o.is_number() && !o.number.boolean; })) {
    auto less = [](const Operand& a, const Operand& b) { return a.number.value < b.number.value; };
    return {largest ? *std::max_element(operands.begin(), operands.end(), less)
                    : *std::min_element(operands.begin(), operands.end(), less)};
  }
  auto values = call.typed_alike(operands);
  Value* result = values[0];
  for (Value* next : llvm::ArrayRef<Value*>(values).drop_front())
    result = call.builder.make(call.operation.op, {result, next});
  return {result};
}

Operands lower_pair(Call& call) {
  Operand a = call.operand("a"), b = call.operand("b");
  return {call.builder.make(call.operation.op, call.typed_alike({a, b}))};
}

Operands lower_where(Call& call) {
  Value* condition = call.tensor_or_constant("c", DType::kBool);
  Operand a = call.operand("a"), b = call.operand("b");
  auto values = call.typed_alike({a, b});
  return {call.builder.make(Op::kWhere, {condition, values[0], values[1]})};
}

}  // namespace tenon
