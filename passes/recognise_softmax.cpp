// recognise_softmax.cpp: softmax and log_softmax from their definitions.
#include "passes/match.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace tenon {
namespace {

constexpr char kPattern[] = "softmax";

/// exp(x - max(x)), and along which axis.
struct Exponentials {
  Value* x = nullptr;
  int64_t axis = 0;
  std::string near_miss;  ///< why it is none, where it looks like one
};

/// `sum` is the sum of `exponential` = exp(x - max(x)) along the one axis of that max.
Exponentials match_exponentials(Value* exponential, Value* sum) {
  Exponentials found;
  auto total = match_reduction(sum, Op::kSum);
  if (exponential->node()->op() != Op::kExp || !total || total->operand != exponential) return found;
  const Node& shifted = *exponential->node()->operand(0)->node();
  auto largest = shifted.op() == Op::kSub ? match_reduction(shifted.operand(1), Op::kMax) : std::nullopt;
  if (!largest || largest->operand != shifted.operand(0))
    found.near_miss = "exp takes its operand without the maximum subtracted";
  else if (total->axes.size() != 1)
    found.near_miss = "the sum is over several axes";
  else if (largest->axes != total->axes)
    found.near_miss = "the maximum and the sum are along different axes";
  else
    found = {shifted.operand(0), total->axes[0], ""};
  return found;
}

/// e / sum(e) or e * (1 / sum(e)).
Exponentials match_softmax(const Node& node) {
  if (node.op() == Op::kDiv) return match_exponentials(node.operand(0), node.operand(1));
  for (int i = 0; i < 2; ++i) {
    const Node& inverse = *strip_expand(node.operand(i))->node();
    if (inverse.op() == Op::kReciprocal) return match_exponentials(node.operand(1 - i), inverse.operand(0));
  }
  return {};
}

/// log(sum(e)) before the expand or the reshape that gives its row back.
Value* match_log_sum(Value* value) {
  value = strip_expand(value);
  return value->node()->op() == Op::kLog ? value->node()->operand(0) : nullptr;
}

/// d - log(sum(exp(d))) with d = x - max(x), or x - (max(x) + log(sum(exp(x - max(x))))).
Exponentials match_log_softmax(const Node& node) {
  Value *left = node.operand(0), *right = strip_expand(node.operand(1));
  auto exponential_of = [](Value* sum) -> Value* {
    auto total = match_reduction(sum, Op::kSum);
    return total ? total->operand : nullptr;
  };
  if (Value* sum = match_log_sum(right))
    if (Value* e = exponential_of(sum); e && e->node()->op() == Op::kExp && e->node()->operand(0) == left)
      return match_exponentials(e, sum);
  if (right->node()->op() != Op::kAdd) return {};
  for (Value* part : right->node()->operands()) {
    Value* sum = match_log_sum(part);
    Value* e = sum ? exponential_of(sum) : nullptr;
    if (!e) continue;
    Exponentials found = match_exponentials(e, sum);
    auto largest = match_reduction(other_operand(*right->node(), part), Op::kMax);
    if (found.x == left && largest && largest->operand == left && largest->axes[0] == found.axis)
      return found;
  }
  return {};
}

}  // namespace

bool recognise_softmax(Graph& graph, Remarks& remarks) {
  Rewriter rewriter(graph);
  return rewriter.sweep([&](Node& node) {
    if (node.op() == Op::kLog && node.operand(0)->node()->op() == Op::kSoftmax) {
      Node& softmax = *node.operand(0)->node();
      return rewriter.replace(node.result(), Builder::before(&node).make(
                                                 Op::kLogSoftmax, {softmax.operand(0)}, softmax.attributes));
    }
    bool log = node.op() == Op::kSub;
    if (!log && node.op() != Op::kDiv && node.op() != Op::kMul) return;
    Exponentials found = log ? match_log_softmax(node) : match_softmax(node);
    if (!found.near_miss.empty()) remarks.push_back(remark(node, kPattern, found.near_miss));
    if (!found.x || found.x->type() != node.type()) return;
    rewriter.replace(node.result(), Builder::before(&node).make(log ? Op::kLogSoftmax : Op::kSoftmax,
                                                                {found.x}, {{"axis", Dim(found.axis)}}));
  });
}

}  // namespace tenon
