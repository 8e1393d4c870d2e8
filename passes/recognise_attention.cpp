// recognise_attention.cpp: attention from products, scale, masks and softmax.
#include "ir/infer.h"
#include "passes/attention_operands.h"
#include "passes/attention_scores.h"
#include "passes/causal_mask.h"
#include "passes/match.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace tenon {
namespace {

constexpr char kPattern[] = "attention";

/// softmax(scores) @ v on its way to becoming an attention in front of that product.
struct Candidate {
  Node& output;  ///< probabilities @ v
  Scores scores;
  Builder builder = Builder::before(&output);
  Value *q = nullptr, *k = nullptr, *v = nullptr;  ///< with four axes
  Value* mask = nullptr;
  PositionMask positions = {};

  std::string take_operands();
  std::string take_masks();
  Value* make();
};

/// The operand of an additive mask must have q's type: the type that it had before a cast, if that helps.
std::string fit_mask_type(Scores& scores) {
  if (!scores.additive) return "";
  DType wanted = scores.product->type().dtype;
  if (Value* narrow = strip_casts(scores.additive); narrow->type().dtype == wanted) scores.additive = narrow;
  if (scores.additive->type().dtype == wanted) return "";
  return "the mask is " + scores.additive->type().text() + ", q is " +
         scores.product->operand(0)->type().text();
}

/// q, k and v with four axes, keys as rows, plain factors in the scale. Returns what attention would refuse.
std::string Candidate::take_operands() {
  const Node& product = *scores.product;
  const Type &left = product.operand(0)->type(), &right = product.operand(1)->type();
  const Type& values = output.operand(1)->type();
  auto leading = [](const Type& type) { return Shape(type.shape.begin(), type.shape.end() - 2); };
  if (left.rank() < 2 || left.rank() > 5) return "q has " + std::to_string(left.rank()) + " axes";
  if (!is_float(left.dtype) || left.dtype != values.dtype)
    return "q is " + left.text() + ", v is " + values.text();
  bool same_rank = right.rank() == left.rank() && values.rank() == left.rank();
  Shape expected = leading(left);
  if (left.rank() == 5 && same_rank) expected[2] = right.shape[2].extent() == 1 ? Dim(1) : expected[2];
  if (!same_rank || leading(right) != expected || leading(values) != expected)
    return "q " + left.text() + ", k " + right.text() + " and v " + values.text() +
           " differ in their leading axes";
  q = product.operand(0), k = product.operand(1), v = output.operand(1);
  for (Value** side : {&q, &k})
    while (auto scaled = strip_factor(*side)) scores.scale *= scaled->factor, *side = scaled->base;
  if (product.attributes.flag("transpose_a")) q = swap_last_axes(builder, q);
  if (!product.attributes.flag("transpose_b")) k = swap_last_axes(builder, k);
  if (output.attributes.flag("transpose_b")) v = swap_last_axes(builder, v);
  for (Value** side : {&q, &k, &v}) *side = with_four_axes(builder, *side);
  Value *few_k = without_repeated_heads(builder, k), *few_v = without_repeated_heads(builder, v);
  if (few_k->type().shape[1] == few_v->type().shape[1]) k = few_k, v = few_v;
  return "";
}

/// causal, window and offset, and one mask for the conditions that are left. Returns what attention cannot
/// say.
std::string Candidate::take_masks() {
  positions =
      take_position_bounds(scores.conditions, q->type().shape[2].extent(), k->type().shape[2].extent());
  if (scores.additive && !scores.conditions.empty()) return "an additive mask stands beside a boolean one";
  Value* whole = scores.additive;
  for (Value* condition : scores.conditions)
    whole = whole ? builder.make(Op::kAnd, {whole, condition}) : condition;
  if (!whole) return "";
  mask = mask_with_four_axes(builder, whole, output.type().rank());
  return mask ? "" : "the mask " + whole->type().text() + " does not fit heads in groups";
}

/// The offset's operand, or null where it is 0.
Value* offset_operand(Builder& builder, const PositionMask& positions) {
  Value* value = positions.offset_value;
  auto constant = static_cast<double>(positions.offset);
  if (!value) return positions.offset ? builder.constant(constant, DType::kI32) : nullptr;
  if (value->type().rank() != 0) value = builder.reshape(value, {});
  return positions.offset ? builder.make(Op::kAdd, {value, builder.constant(constant, value->type().dtype)})
                          : value;
}

Value* make_attention(Builder& builder, llvm::ArrayRef<Value*> qkv, Value* mask,
                      const PositionMask& positions, Value* sinks, Attributes attributes) {
  Value* offset = offset_operand(builder, positions);
  attributes.set("causal", positions.causal);
  if (positions.window) attributes.set("window", Dim(positions.window));
  attributes.set("mask", mask != nullptr);
  attributes.set("offset", offset != nullptr);
  llvm::SmallVector<Value*, 6> operands(qkv.begin(), qkv.end());
  for (Value* optional : {mask, offset, sinks})
    if (optional) operands.push_back(optional);
  return builder.make(Op::kAttention, operands, std::move(attributes));
}

Value* Candidate::make() {
  Attributes attributes = {{"scale", scores.scale}};
  if (scores.softcap != 0) attributes.set("softcap", scores.softcap);
  Value* attention = make_attention(builder, {q, k, v}, mask, positions, nullptr, std::move(attributes));
  return attention->type() == output.type() ? attention : builder.reshape(attention, output.type().shape);
}

/// The softmax whose result, perhaps cast, is the left operand of `node`; null when there is none.
Node* softmax_before(const Node& node) {
  Node* softmax = strip_casts(node.operand(0))->node();
  if (softmax->op() != Op::kSoftmax || node.attributes.flag("transpose_a")) return nullptr;
  int64_t rank = softmax->type().rank();
  bool last = normalise_axis(softmax->attributes.integer("axis", -1), rank, softmax->location) == rank - 1;
  return last && node.operand(1)->type().rank() > 1 ? softmax : nullptr;
}

/// Replaces probabilities @ v by an attention. Returns why it cannot.
std::string recognise(Node& output, Node& softmax, Rewriter& rewriter) {
  for (Value* p = output.operand(0); p != softmax.operand(0); p = p->node()->operand(0))
    if (!only_user(p)) return "the probabilities are read elsewhere";
  Candidate candidate{output, read_scores(softmax.operand(0))};
  if (!candidate.scores.reason.empty()) return candidate.scores.reason;
  if (std::string reason = fit_mask_type(candidate.scores); !reason.empty()) return reason;
  if (std::string reason = candidate.take_operands(); !reason.empty()) return reason;
  if (std::string reason = candidate.take_masks(); !reason.empty()) return reason;
  rewriter.replace(output.result(), candidate.make());
  return "";
}

/// An attention whose boolean mask compares positions says so by causal, window and offset instead.
void recognise_positions(Node& node, Rewriter& rewriter) {
  const Attributes& given = node.attributes;
  bool has_positions = given.flag("causal") || given.flag("offset") || given.integer("window") != 0;
  if (has_positions || given.flag("alibi")) return;  // alibi counts from the offset
  Value* mask = optional_operand(node, "mask");
  if (!mask || mask->type().dtype != DType::kBool) return;
  Scores scores;
  scores.add_condition(mask);
  PositionMask positions = take_position_bounds(scores.conditions, node.operand(0)->type().shape[2].extent(),
                                                node.operand(1)->type().shape[2].extent());
  if (!positions.causal && positions.window == 0) return;
  Builder builder = Builder::before(&node);
  Value* left = nullptr;
  for (Value* condition : scores.conditions)
    left = left ? builder.make(Op::kAnd, {left, condition}) : condition;
  rewriter.replace(node.result(), make_attention(builder, node.operands().take_front(3), left, positions,
                                                 optional_operand(node, "sinks"), given));
}

}  // namespace

bool recognise_attention(Graph& graph, Remarks& remarks) {
  Rewriter rewriter(graph);
  return rewriter.sweep([&](Node& node) {
    if (node.op() == Op::kAttention) return recognise_positions(node, rewriter);
    if (node.op() != Op::kMatmul) return;
    Node* softmax = softmax_before(node);
    if (!softmax) return;
    SiteNotFused near_miss = remark(*softmax, kPattern, "");
    near_miss.reason = recognise(node, *softmax, rewriter);
    if (!near_miss.reason.empty()) remarks.push_back(std::move(near_miss));
  });
}

}  // namespace tenon
