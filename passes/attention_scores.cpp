// attention_scores.cpp: reads the ops between a softmax and its product, one at a time.
#include "passes/attention_scores.h"

#include "ir/builder.h"
#include "llvm/ADT/STLExtras.h"
#include "passes/match.h"

namespace tenon {
namespace {

constexpr double kVeryNegative = -1e4;  // what models add, or put, where a key shall not be seen

bool is_very_negative(const Value* value) {
  auto found = number(value);
  return found && *found <= kVeryNegative;
}

/// An additive mask of zeros and very negative numbers as the condition under which it is zero: where(c, 0,
/// -inf), where(c, -inf, 0), (1 - cast(c)) * -inf; null for other masks. May make nodes, in front of
/// `reader`.
Value* as_condition(Value* mask, Node* reader) {
  Builder builder = Builder::before(reader);
  mask = strip_casts(strip_leading_ones(strip_expand(mask)));
  const Node& node = *mask->node();
  if (node.op() == Op::kWhere) {
    if (is_number(node.operand(1), 0) && is_very_negative(node.operand(2))) return node.operand(0);
    if (is_very_negative(node.operand(1)) && is_number(node.operand(2), 0))
      return builder.make(Op::kNot, {node.operand(0)});
  }
  auto scaled = strip_factor(mask);
  if (!scaled || scaled->factor > kVeryNegative) return nullptr;
  const Node& inverse = *strip_casts(scaled->base)->node();
  bool one_minus = inverse.op() == Op::kSub && is_number(inverse.operand(0), 1);
  const Node& cast = *strip_casts(one_minus ? inverse.operand(1) : scaled->base)->node();
  if (cast.op() != Op::kCast || cast.operand(0)->type().dtype != DType::kBool) return nullptr;
  return one_minus ? cast.operand(0) : builder.make(Op::kNot, {cast.operand(0)});
}

/// True when elementwise ops lead from `value` down to a product of its shape.
bool leads_to_product(const Value* value, const Shape& shape, int depth = 8) {
  const Node& node = *value->node();
  if (value->type().shape != shape) return false;
  if (node.op() == Op::kMatmul) return true;
  return depth > 0 && is_elementwise(node.op()) && llvm::any_of(node.operands(), [&](const Value* operand) {
           return leads_to_product(operand, shape, depth - 1);
         });
}

/// where(c, scores, -inf): the scores; null for other selections.
Value* take_selection(Node& node, Scores& scores) {
  for (int kept : {1, 2}) {
    if (!is_very_negative(node.operand(3 - kept))) continue;
    Value* condition = node.operand(0);
    scores.add_condition(kept == 1 ? condition : Builder::before(&node).make(Op::kNot, {condition}));
    return node.operand(kept);
  }
  return nullptr;
}

/// scores + mask: the scores; null with a reason for sums that attention cannot say.
Value* take_sum(Node& node, Scores& scores) {
  int at = leads_to_product(node.operand(0), node.type().shape) ? 0 : 1;
  Value* mask = node.operand(1 - at);
  if (Value* condition = as_condition(mask, &node))
    scores.add_condition(condition);
  else if (scores.additive)
    scores.reason = "two masks are added";
  else if (scores.scale != 1)
    scores.reason = "the mask is scaled together with the scores";
  else
    scores.additive = mask;
  return scores.reason.empty() ? node.operand(at) : nullptr;
}

/// One op from the softmax down: the value below it, or null where attention has no word for the op.
Value* step_down(Value* value, Scores& scores) {
  Node& node = *value->node();
  if (auto scaled = strip_factor(value); scaled && scaled->factor > 0) {
    scores.scale *= scaled->factor;
    return scaled->base;
  }
  if (node.op() == Op::kCast) return node.operand(0);
  if (scores.softcap != 0) return nullptr;
  if (node.op() == Op::kTanh) {
    scores.softcap = scores.scale;  // cap * tanh(s / cap): what stands inside, times cap, is s
    return node.operand(0);
  }
  if (node.op() == Op::kWhere) return take_selection(node, scores);
  return node.op() == Op::kAdd ? take_sum(node, scores) : nullptr;
}

}  // namespace

void Scores::add_condition(Value* condition, int depth) {
  const Node& node = *condition->node();
  if (node.op() != Op::kAnd || depth == 0) return conditions.push_back(condition);
  for (Value* part : node.operands()) add_condition(part, depth - 1);
}

Scores read_scores(Value* value) {
  Scores scores;
  for (;;) {
    Node& node = *value->node();
    if (!only_user(value))
      scores.reason = "the scores are read elsewhere";
    else if (node.op() == Op::kMatmul)
      scores.product = &node;
    else
      value = step_down(value, scores);
    if (!value && scores.reason.empty())
      scores.reason = name_of(node.op()).str() + " stands between q @ k and softmax";
    if (scores.product || !scores.reason.empty()) return scores;
  }
}

}  // namespace tenon
