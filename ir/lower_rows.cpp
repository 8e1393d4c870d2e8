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

namespace {

/// What `experts` asks of its operands beyond what its products do.
void check_experts(Call& call, const Type& x, const Type& weights, const Type& ids, const Type& gate,
                   const Type& up, const Type& down) {
  if (x.rank() < 1 || gate.rank() != 3 || gate.shape[2] != x.shape.back())
    call.fail_at("gate", "gate must be [E, F, D] with the D of x " + x.text() + ", not " + gate.text());
  if (up.shape != gate.shape) call.fail_at("up", "up is " + up.text() + ", gate " + gate.text());
  if (down.shape != Shape{gate.shape[0], gate.shape[2], gate.shape[1]})
    call.fail_at("down", "down must be [E, D, F], not " + down.text() + " beside gate " + gate.text());
  if (ids.rank() != x.rank() || weights.shape != ids.shape)
    call.fail_at("router_ids", "router_weights " + weights.text() + " and router_ids " + ids.text() +
                                   " must be [.., k] for x " + x.text());
  if (weights.dtype != x.dtype && weights.dtype != DType::kF32)
    call.fail_at("router_weights", "router_weights must be f32 or of x's type, not " + weights.text(),
                 "cast it");
}

}  // namespace

Operands lower_experts(Call& call) {
  Value *x = call.tensor("x"), *weights = call.tensor("router_weights"), *ids = call.tensor("router_ids");
  Value *gate = call.tensor("gate"), *up = call.tensor("up"), *down = call.tensor("down");
  check_experts(call, x->type(), weights->type(), ids->type(), gate->type(), up->type(), down->type());
  Builder& builder = call.builder;
  Value* gates = builder.make(Op::kGroupedMatmul, {x, gate, ids});
  Value* hidden = builder.make(
      Op::kMul, {builder.make(Op::kSilu, {gates}), builder.make(Op::kGroupedMatmul, {x, up, ids})});
  Value* results = builder.cast(builder.make(Op::kGroupedMatmul, {hidden, down, ids}), DType::kF32);
  Shape columns = ids->type().shape;
  columns.push_back(1);
  Value* factors = builder.reshape(builder.cast(weights, DType::kF32), columns);
  Value* sum =
      builder.reduce(Op::kSum, builder.make(Op::kMul, {results, factors}), {x->type().rank() - 1}, false);
  return {builder.cast(sum, x->type().dtype)};
}

}  // namespace tenon
