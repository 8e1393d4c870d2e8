// simplify_movement.cpp: movement of movement is one, movement that moves nothing is none.
#include "passes/simplify_movement.h"

#include "ir/builder.h"
#include "ir/infer.h"
#include "llvm/ADT/STLExtras.h"

namespace tenon {
namespace {

Value* simplify_reshape(Node& node) {
  Value* x = node.operand(0);
  if (x->type() == node.type()) return x;
  if (x->node()->op() == Op::kReshape)
    return Builder::before(&node).reshape(x->node()->operand(0), node.type().shape);
  return nullptr;
}

Extents permutation(const Node& node) {
  Extents perm = node.attributes.integers("perm");
  for (int64_t& axis : perm) axis = normalise_axis(axis, node.type().rank(), node.location);
  return perm;
}

Value* simplify_transpose(Node& node) {
  Extents perm = permutation(node);
  if (llvm::is_sorted(perm)) return node.operand(0);
  Node& inner = *node.operand(0)->node();
  if (inner.op() != Op::kTranspose) return nullptr;
  Extents first = permutation(inner), both;
  for (int64_t axis : perm) both.push_back(first[axis]);
  return Builder::before(&node).transpose(inner.operand(0), both);
}

Value* simplify_slice(Node& node) {
  Value* x = node.operand(0);
  if (x->type() == node.type() && node.attributes.integer("step", 1) == 1) return x;
  int64_t axis = normalise_axis(node.attributes.integer("axis"), node.type().rank(), node.location);
  Dim start = node.attributes.dim("start"), step = node.attributes.dim("step", 1);
  Node& inner = *x->node();
  auto inner_axis = [&] {
    return normalise_axis(inner.attributes.integer("axis"), x->type().rank(), inner.location);
  };
  if (inner.op() == Op::kSlice && inner_axis() == axis) {
    Dim inner_step = inner.attributes.dim("step", 1);
    return Builder::before(&node).slice(inner.operand(0), axis,
                                        inner.attributes.dim("start") + start * inner_step,
                                        node.type().shape[axis], (step * inner_step).extent());
  }
  if (inner.op() == Op::kConcat && inner_axis() == axis && step.extent() == 1) {
    int64_t at = 0;  // exactly one of the parts
    for (Value* part : inner.operands()) {
      if (at == start.extent() && part->type() == node.type()) return part;
      at += part->type().shape[axis].extent();
    }
  }
  return nullptr;
}

/// The value of which all operands of a concat are slices, in order and without a gap; null when there is
/// none.
Value* sliced_whole(const Node& node, int64_t axis) {
  Value* whole = nullptr;
  int64_t at = 0;
  for (const Value* part : node.operands()) {
    const Node& slice = *part->node();
    if (slice.op() != Op::kSlice || slice.attributes.integer("step", 1) != 1 ||
        slice.attributes.integer("start") != at ||
        normalise_axis(slice.attributes.integer("axis"), part->type().rank(), slice.location) != axis ||
        (whole && slice.operand(0) != whole))
      return nullptr;
    whole = slice.operand(0);
    at += part->type().shape[axis].extent();
  }
  return whole;
}

}  // namespace

Value* simplify_movement(Node& node) {
  Value* x = node.operand(0);
  switch (node.op()) {
    case Op::kReshape: return simplify_reshape(node);
    case Op::kTranspose: return simplify_transpose(node);
    case Op::kSlice: return simplify_slice(node);
    case Op::kExpand:
      if (x->type() == node.type()) return x;
      return x->node()->op() == Op::kExpand
                 ? Builder::before(&node).expand(x->node()->operand(0), node.type().shape)
                 : nullptr;
    case Op::kPad: return x->type() == node.type() ? x : nullptr;
    case Op::kConcat: {
      if (node.operand_count() == 1) return x;
      int64_t axis = normalise_axis(node.attributes.integer("axis"), node.type().rank(), node.location);
      Value* whole = sliced_whole(node, axis);
      return whole && whole->type() == node.type() ? whole : nullptr;
    }
    default: return nullptr;
  }
}

}  // namespace tenon
