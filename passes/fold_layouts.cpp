// fold_layouts.cpp: transposes become flags of products, and reshapes of leading axes sink below the ops that
// do not care, so that a product sees [.., M, K] @ [K, N] with the model's own leading axes.
#include "ir/infer.h"
#include "passes/match.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace tenon {
namespace {

/// A transpose that swaps the roles of the last two axes (perm [.., j, i] with i < j): the same without the
/// swap, which is the identity for a plain transpose of the last two; null for other values.
Value* without_last_swap(Value* value, Node* reader) {
  Node& node = *value->node();
  if (node.op() != Op::kTranspose || node.type().rank() < 2) return nullptr;
  Extents perm = node.attributes.integers("perm");
  for (int64_t& axis : perm) axis = normalise_axis(axis, node.type().rank(), node.location);
  size_t last = perm.size() - 1;
  if (perm[last] > perm[last - 1]) return nullptr;
  std::swap(perm[last], perm[last - 1]);
  return llvm::is_sorted(perm) ? node.operand(0) : Builder::before(reader).transpose(node.operand(0), perm);
}

void fold_transposes(Node& product, Rewriter& rewriter) {
  for (int i = 0; i < 2; ++i) {
    Value* straight = without_last_swap(product.operand(i), &product);
    if (!straight) continue;
    llvm::StringRef flag = i == 0 ? "transpose_a" : "transpose_b";
    product.attributes.set(flag, !product.attributes.flag(flag));
    rewriter.set_operand(&product, i, straight);
  }
}

/// The operand of a reshape that regroups leading axes only: its last extent stays. Null for other values.
Value* before_regrouping(const Value* value) {
  const Node& node = *value->node();
  if (node.op() != Op::kReshape) return nullptr;
  Value* x = node.operand(0);
  bool regroups =
      x->type().rank() > 1 && node.type().rank() > 1 && x->type().shape.back() == node.type().shape.back();
  return regroups ? x : nullptr;
}

/// An operand that broadcasts along the last axis alone reads the same whatever the leading axes are.
bool is_row_vector(const Value* value) { return value->type().rank() <= 1; }

/// The regrouping behind `moved`, which now computes what `node` did and bears its name.
Value* regrouped(Builder& builder, Value* moved, const Node& node) {
  if (!node.result()->name().empty()) moved->set_name(node.result()->name());
  return builder.reshape(moved, node.type().shape);
}

/// reshape(x) @ w = reshape(x @ w).
Value* sink_below_product(Node& node) {
  Value *x = before_regrouping(node.operand(0)), *w = node.operand(1);
  if (!x || w->type().rank() != 2 || node.attributes.flag("transpose_a")) return nullptr;
  Builder builder = Builder::before(&node);
  return regrouped(builder, builder.make(Op::kMatmul, {x, w}, node.attributes), node);
}

/// f(reshape(x), v, reshape(y)) = reshape(f(x, v, y)) for x and y of one shape and vectors v.
Value* sink_below_elementwise(Node& node) {
  const Shape* common = nullptr;
  llvm::SmallVector<Value*, 3> operands;
  for (Value* operand : node.operands()) {
    Value* x = operand->type().shape == node.type().shape ? before_regrouping(operand) : nullptr;
    if (!x && !is_row_vector(operand)) return nullptr;
    if (x && common && *common != x->type().shape) return nullptr;
    if (x) common = &x->type().shape;
    operands.push_back(x ? x : operand);
  }
  if (!common) return nullptr;
  Builder builder = Builder::before(&node);
  return regrouped(builder, builder.make(node.op(), operands, node.attributes, &node.type()), node);
}

/// norm(reshape(x)) = reshape(norm(x)) where a row is the last axis.
Value* sink_below_norm(Node& node) {
  Value* x = before_regrouping(node.operand(0));
  int64_t rank = node.type().rank();
  if (!x || normalise_axis(node.attributes.integer("axis", -1), rank, node.location) != rank - 1)
    return nullptr;
  llvm::SmallVector<Value*, 3> operands(node.operands().begin(), node.operands().end());
  if (!llvm::all_of(llvm::drop_begin(operands), is_row_vector)) return nullptr;
  operands[0] = x;
  Attributes attributes = node.attributes;
  attributes.set("axis", Dim(x->type().rank() - 1));
  Builder builder = Builder::before(&node);
  return regrouped(builder, builder.make(node.op(), operands, attributes), node);
}

Value* sunk(Node& node) {
  switch (node.op()) {
    case Op::kMatmul: return sink_below_product(node);
    case Op::kSoftmax:
    case Op::kLogSoftmax:
    case Op::kLayernorm:
    case Op::kRmsnorm: return sink_below_norm(node);
    case Op::kReshape:
      return node.operand(0)->node()->op() == Op::kReshape
                 ? node.operand(0)->node()->operand(0)->type() == node.type()
                       ? node.operand(0)->node()->operand(0)
                       : Builder::before(&node).reshape(node.operand(0)->node()->operand(0),
                                                        node.type().shape)
                 : nullptr;
    default: return is_elementwise(node.op()) ? sink_below_elementwise(node) : nullptr;
  }
}

}  // namespace

bool fold_layouts(Graph& graph) {
  Rewriter rewriter(graph);
  return rewriter.settle([&](Node& node) {
    if (node.op() == Op::kMatmul) fold_transposes(node, rewriter);
    if (Value* fresh = sunk(node)) rewriter.replace(node.result(), fresh);
  });
}

}  // namespace tenon
