// causal_mask.cpp: reads comparisons of iotas as bounds on positions.
#include "passes/causal_mask.h"

#include "llvm/ADT/STLExtras.h"
#include "passes/match.h"

namespace tenon {
namespace {

using Bound = PositionBound;  // here also any sum of that form, before it is compared
constexpr int kDepth = 12;

std::optional<Bound> scaled(std::optional<Bound> a, int64_t by) {
  if (!a || (a->scalar && by != 1 && by != -1)) return std::nullopt;
  return Bound{a->row * by, a->column * by, a->constant * by, a->scalar, a->sign * by};
}

std::optional<Bound> sum(std::optional<Bound> a, std::optional<Bound> b) {
  if (!a || !b) return std::nullopt;
  Bound c{a->row + b->row, a->column + b->column, a->constant + b->constant,
          a->scalar ? a->scalar : b->scalar, a->sign + b->sign};
  if (a->scalar && b->scalar && (a->scalar != b->scalar || c.sign != 0)) return std::nullopt;
  if (c.sign == 0) c.scalar = nullptr;
  return c;
}

/// The place of the one axis that is longer than 1, counted from 1 at the right; 0 when there is none, -1
/// when there are several.
int long_axis(llvm::ArrayRef<Dim> shape) {
  int found = 0;
  for (size_t i = 0; i < shape.size(); ++i)
    if (shape[i].extent() != 1) found = found ? -1 : static_cast<int>(shape.size() - i);
  return found;
}

std::optional<Bound> affine(Value* value, int depth);

std::optional<Bound> reshaped(const Node& node, int depth) {
  auto inner = affine(node.operand(0), depth);
  int from = long_axis(node.operand(0)->type().shape), to = long_axis(node.type().shape);
  if (!inner || from < 0 || from > 2 || to > 2) return std::nullopt;
  int64_t step = from == 1 ? inner->column : from == 2 ? inner->row : 0;
  inner->column = to == 1 ? step : 0;
  inner->row = to == 2 ? step : 0;
  return inner;
}

std::optional<Bound> leaf(Value* value) {
  if (auto constant = number(value)) return Bound{0, 0, static_cast<int64_t>(*constant)};
  if (value->type().elements() == 1) return Bound{0, 0, 0, value, 1};
  return std::nullopt;
}

/// An integer value as a sum of positions along its last two axes, a constant and a scalar.
std::optional<Bound> affine(Value* value, int depth) {
  const Node& node = *value->node();
  if (!is_integer(value->type().dtype) || depth == 0) return std::nullopt;
  auto operand = [&](int i) { return affine(node.operand(i), depth - 1); };
  switch (node.op()) {
    case Op::kIota: return Bound{0, value->type().shape[0].extent() > 1, 0};
    case Op::kExpand:
    case Op::kCast: return operand(0);
    case Op::kReshape: return reshaped(node, depth - 1);
    case Op::kAdd: return sum(operand(0), operand(1));
    case Op::kSub: return sum(operand(0), scaled(operand(1), -1));
    case Op::kNeg: return scaled(operand(0), -1);
    case Op::kSlice: {
      auto inner = operand(0);
      if (!inner || value->type().rank() != 1) return std::nullopt;
      inner->constant += inner->column * node.attributes.integer("start");
      inner->column *= value->type().shape[0].extent() > 1 ? node.attributes.integer("step", 1) : 0;
      return inner;
    }
    case Op::kTranspose: {
      auto inner = operand(0);
      if (!inner || value->type().rank() != 2) return std::nullopt;
      std::swap(inner->row, inner->column);
      return inner;
    }
    default: return leaf(value);
  }
}

/// j <= i + shift: query i = 0 and key j = 0 stand alone where there is one of them, and carry no step.
bool is_causal(const Bound& bound, int64_t queries, int64_t keys) {
  bool steps = (bound.column == 1 || (keys == 1 && bound.column == 0)) &&
               (bound.row == -1 || (queries == 1 && bound.row == 0));
  return steps && bound.sign <= 0;
}
/// j >= i + shift.
bool is_window(const Bound& bound, int64_t queries) {
  return bound.column == -1 && (bound.row == 1 || (queries == 1 && bound.row == 0)) && bound.sign >= 0;
}

}  // namespace

std::optional<PositionBound> match_position_bound(Value* condition) {
  condition = strip_leading_ones(strip_expand(condition));
  Node& node = *condition->node();
  if (node.op() == Op::kNot) {
    auto bound = match_position_bound(node.operand(0));  // not (d <= 0) is 1 - d <= 0
    return bound ? sum(scaled(bound, -1), Bound{0, 0, 1}) : std::nullopt;
  }
  if (!is_comparison(node.op()) || node.op() == Op::kEqual) return std::nullopt;
  auto left = affine(node.operand(0), kDepth), right = affine(node.operand(1), kDepth);
  bool less = node.op() == Op::kLess || node.op() == Op::kLessEqual;
  bool strict = node.op() == Op::kLess || node.op() == Op::kGreater;
  auto difference = less ? sum(left, scaled(right, -1)) : sum(right, scaled(left, -1));
  return sum(difference, Bound{0, 0, strict});
}

PositionMask take_position_bounds(llvm::SmallVectorImpl<Value*>& conditions, int64_t queries, int64_t keys) {
  PositionMask mask;
  for (Value* condition : conditions) {
    auto bound = match_position_bound(condition);
    if (!bound || !is_causal(*bound, queries, keys)) continue;
    mask.causal = true;
    mask.offset = -bound->constant;
    mask.offset_value = bound->scalar;
    llvm::erase_value(conditions, condition);
    break;
  }
  for (Value* condition : conditions) {
    auto bound = match_position_bound(condition);
    if (!bound || !is_window(*bound, queries) || bound->scalar != mask.offset_value) continue;
    int64_t window = mask.offset - bound->constant + 1;  // j >= i + constant is j > i + offset - window
    if (window <= 0) continue;
    mask.window = window;
    llvm::erase_value(conditions, condition);
    break;
  }
  return mask;
}

}  // namespace tenon
