// lower_rows.cpp: products, reductions and normalisations.
#include "ir/lower_operations.h"

namespace tenon {

Operands lower_matmul(Call& call) {
  Value *a = call.tensor("a"), *b = call.tensor("b");
  return {call.matmul(a, b, false)};
}

Operands lower_linear(Call& call) {
  Value *x = call.tensor("x"), *w = call.tensor("w"), *b = call.optional_tensor("b");
  if (w->type().rank() != 2) call.fail_at("w", "w must be [out, in], not " + w->type().text());
  Value* product = call.matmul(x, w, true);
  return {b ? call.builder.make(Op::kAdd, {product, b}) : product};
}

Operands lower_reduction(Call& call) {
  Value* x = call.tensor("x");
  llvm::SmallVector<int64_t, 6> axes;
  if (!call.given("axis")) {
    for (int64_t i = 0; i < x->type().rank(); ++i) axes.push_back(i);
  } else {
    for (const Dim& axis : call.dims("axis")) {
      int64_t rank = x->type().rank(), at = axis.extent();
      axes.push_back(at < 0 && at >= -rank ? at + rank : at);  // what is outside, infer reports
    }
  }
  return {call.builder.reduce(call.operation.op, x, axes, call.flag("keepdims"))};
}

Operands lower_along_axis(Call& call) {
  Value* x = call.tensor("x");
  return {call.builder.make(call.operation.op, {x}, {{"axis", Dim(call.axis("axis", x->type().rank()))}})};
}

Operands lower_topk(Call& call) {
  Value* x = call.tensor("x");
  Node* node = call.builder.make_node(
      Op::kTopk, {x}, {{"k", call.integer("k")}, {"axis", Dim(call.axis("axis", x->type().rank()))}});
  return {node->result(0), node->result(1)};
}

Operands lower_norm(Call& call) {
  Value* x = call.tensor("x");
  Attributes attributes{{"axis", Dim(call.axis("axis", x->type().rank()))}, {"eps", call.real("eps")}};
  llvm::SmallVector<Value*, 3> operands{x};
  for (llvm::StringRef name : {"weight", "bias"}) {
    if (name == "bias" && call.operation.op == Op::kRmsnorm) continue;
    Value* operand = call.optional_tensor(name);
    attributes.set(name, operand != nullptr);
    if (operand) operands.push_back(operand);
  }
  return {call.builder.make(call.operation.op, operands, attributes)};
}

Operands lower_experts(Call& call) {
  llvm::SmallVector<Value*, 6> operands;
  for (llvm::StringRef name : {"x", "router_weights", "router_ids", "gate", "up", "down"})
    operands.push_back(call.tensor(name));
  return {call.builder.make(Op::kExperts, operands)};
}

}  // namespace tenon
