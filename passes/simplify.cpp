// simplify.cpp: arithmetic that does nothing, and ops that have a simpler spelling. Every rule keeps every
// value, NaN and the sign of zero included, or says why it may not.
#include <cmath>

#include "ir/infer.h"
#include "passes/match.h"
#include "passes/passes.h"
#include "passes/rewrite.h"
#include "passes/simplify_movement.h"

namespace tenon {
namespace {

bool is_float_value(const Value* value) { return is_float(value->type().dtype); }
bool is_true(const Value* value) { return number(value) == 1.0; }
bool is_false(const Value* value) { return number(value) == 0.0; }
/// `value` in the type and shape of `node`'s result, or null: a neutral operand may still have broadcast it.
Value* as_result(const Node& node, Value* value) { return value->type() == node.type() ? value : nullptr; }

bool is_zero(const Value* value, bool negative) {
  auto found = number(value);
  return found && *found == 0 && std::signbit(*found) == negative;
}

/// A float that cannot be -0, so that adding +0 leaves it.
bool never_negative_zero(const Value* value) {
  switch (value->node()->op()) {
    case Op::kExp:
    case Op::kAbs:
    case Op::kSigmoid:
    case Op::kSoftplus:
    case Op::kSoftmax: return true;
    case Op::kCast: return !is_float(value->node()->operand(0)->type().dtype);
    default: return !is_float_value(value);
  }
}

Value* simplify_add(Node& node) {
  Value *a = node.operand(0), *b = node.operand(1);
  if (is_zero(b, true) || (is_zero(b, false) && never_negative_zero(a))) return as_result(node, a);
  if (b->node()->op() == Op::kNeg) return Builder::before(&node).make(Op::kSub, {a, b->node()->operand(0)});
  return nullptr;
}

Value* simplify_sub(Node& node) {
  Value *a = node.operand(0), *b = node.operand(1);
  if (is_zero(b, false)) return as_result(node, a);
  if (b->node()->op() == Op::kNeg) return Builder::before(&node).make(Op::kAdd, {a, b->node()->operand(0)});
  if (a == b && !is_float_value(a))
    return Builder::before(&node).constant(0, node.type().dtype, node.type().shape);
  return nullptr;
}

Value* simplify_mul(Node& node) {
  Value *a = node.operand(0), *b = node.operand(1);
  if (is_number(b, 1)) return as_result(node, a);
  if (is_number(b, 0) && !is_float_value(a))
    return Builder::before(&node).constant(0, node.type().dtype, node.type().shape);
  return nullptr;
}

Value* simplify_div(Node& node) {
  Value *a = node.operand(0), *b = node.operand(1);
  if (is_number(b, 1)) return as_result(node, a);
  if (!is_float_value(a)) return nullptr;
  Builder builder = Builder::before(&node);
  if (is_number(a, 1) && b->type() == node.type()) return builder.make(Op::kReciprocal, {b});
  // Division by a power of two is the product with its inverse, exactly, while the inverse is a normal
  // number.
  int exponent = 0;
  if (auto divisor = number(b);
      divisor && std::fabs(std::frexp(*divisor, &exponent)) == 0.5 && std::abs(exponent) < 14)
    return builder.make(Op::kMul, {a, builder.constant(1 / *divisor, a->type().dtype)});
  return nullptr;
}

Value* simplify_pow(Node& node) {
  Value* x = node.operand(0);
  Builder builder = Builder::before(&node);
  if (is_number(node.operand(1), 1)) return as_result(node, x);
  if (x->type() != node.type()) return nullptr;
  if (is_number(node.operand(1), 2)) return builder.make(Op::kMul, {x, x});
  if (is_number(node.operand(1), -1) && is_float_value(x)) return builder.make(Op::kReciprocal, {x});
  return nullptr;
}

Value* simplify_unary(Node& node) {
  Value* x = node.operand(0);
  Node& inner = *x->node();
  bool twice = inner.op() == node.op();
  switch (node.op()) {
    case Op::kNeg:
    case Op::kNot: return twice ? inner.operand(0) : nullptr;
    case Op::kAbs:
    case Op::kRelu:
    case Op::kSign: return twice ? x : nullptr;
    case Op::kFloor:
    case Op::kCeil:
    case Op::kRound: return twice || !is_float_value(x) ? x : nullptr;
    case Op::kReciprocal:
      return inner.op() == Op::kSqrt ? Builder::before(&node).make(Op::kRsqrt, {inner.operand(0)}) : nullptr;
    default: return nullptr;
  }
}

Value* simplify_cast(Node& node) {
  Value* x = node.operand(0);
  if (x->type() == node.type()) return x;
  if (x->node()->op() != Op::kCast) return nullptr;
  // first -> middle -> last: the middle loses nothing, so it need not be, save that floats saturate where
  // integers wrap.
  Value* first = x->node()->operand(0);
  DType from = first->type().dtype, middle = x->type().dtype, last = node.type().dtype;
  bool saturates = is_integer(from) && is_float(middle) && is_integer(last) && !is_lossless(from, last);
  return is_lossless(from, middle) && !saturates ? Builder::before(&node).cast(first, last) : nullptr;
}

Value* simplify_logic(Node& node) {
  Value *a = node.operand(0), *b = node.operand(1);
  switch (node.op()) {
    case Op::kMaximum:
    case Op::kMinimum: return a == b ? a : nullptr;
    case Op::kAnd:
      return a == b || is_true(b) ? as_result(node, a) : is_false(b) ? as_result(node, b) : nullptr;
    case Op::kOr:
      return a == b || is_false(b) ? as_result(node, a) : is_true(b) ? as_result(node, b) : nullptr;
    case Op::kXor: return is_false(b) ? as_result(node, a) : nullptr;
    default: return nullptr;
  }
}

Value* simplify_where(Node& node) {
  Value *condition = node.operand(0), *a = node.operand(1), *b = node.operand(2);
  if (a == b || is_true(condition)) return as_result(node, a);
  if (is_false(condition)) return as_result(node, b);
  if (condition->node()->op() == Op::kNot)
    return Builder::before(&node).make(Op::kWhere, {condition->node()->operand(0), b, a});
  return nullptr;
}

/// An elementwise op broadcasts by itself: what an operand loses with its expand or its leading ones it gets
/// back, where the others keep the result's shape.
Value* plain_operand(const Node& node, int at) {
  Value* operand = node.operand(at);
  Value* plain = strip_leading_ones(strip_expand(operand));
  if (plain == operand) return nullptr;
  Shape shape = plain->type().shape;
  for (int i = 0; i < node.operand_count(); ++i)
    if (i != at) shape = broadcast(shape, node.operand(i)->type().shape, node.location);
  return shape == node.type().shape ? plain : nullptr;
}

/// Constants stand right of what they are added to, multiplied with or compared to.
bool should_swap(const Node& node) {
  return is_commutative(node.op()) && number(node.operand(0)) && !number(node.operand(1));
}

void canonicalise_operands(Node& node, Rewriter& rewriter) {
  if (node.operand_count() > 1)
    for (int i = 0; i < node.operand_count(); ++i)
      if (Value* plain = plain_operand(node, i)) rewriter.set_operand(&node, i, plain);
  if (!should_swap(node)) return;
  Value *a = node.operand(0), *b = node.operand(1);
  node.set_operand(0, b);
  node.set_operand(1, a);
  rewriter.changed(&node);
}

Value* simplified(Node& node) {
  switch (node.op()) {
    case Op::kAdd: return simplify_add(node);
    case Op::kSub: return simplify_sub(node);
    case Op::kMul: return simplify_mul(node);
    case Op::kDiv: return simplify_div(node);
    case Op::kPow: return simplify_pow(node);
    case Op::kCast: return simplify_cast(node);
    case Op::kWhere: return simplify_where(node);
    default: break;
  }
  if (node.kind() == OpKind::kMovement) return simplify_movement(node);
  if (!is_elementwise(node.op())) return nullptr;
  return node.operand_count() == 1 ? simplify_unary(node) : simplify_logic(node);
}

}  // namespace

bool simplify(Graph& graph) {
  Rewriter rewriter(graph);
  return rewriter.settle([&](Node& node) {
    if (is_elementwise(node.op())) canonicalise_operands(node, rewriter);
    if (Value* simpler = simplified(node)) rewriter.replace(node.result(), simpler);
  });
}

}  // namespace tenon
