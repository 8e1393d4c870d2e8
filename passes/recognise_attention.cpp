// recognise_attention.cpp: attention from products, scale, masks and softmax.
#include <cmath>

#include "ir/infer.h"
#include "passes/causal_mask.h"
#include "passes/match.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace tenon {
namespace {

constexpr char kPattern[] = "attention";
constexpr double kVeryNegative = -1e4;  // what models add, or put, where a key shall not be seen

/// Everything between the softmax and the product of queries and keys.
struct Scores {
  Node* product = nullptr;
  Value *q = nullptr, *k = nullptr;
  double scale = 1, softcap = 0;
  llvm::SmallVector<Value*, 4> conditions;  ///< bool: true where the query sees the key
  Value* additive = nullptr;
  std::string reason;  ///< why it is no attention

  void add_condition(Value* condition) {
    const Node& node = *condition->node();
    if (node.op() != Op::kAnd) return conditions.push_back(condition);
    for (Value* part : node.operands()) add_condition(part);
  }
};

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

/// Reads the scores from the softmax down to the product.
void read_scores(Value* value, Scores& scores) {
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
    if (scores.product || !scores.reason.empty()) return;
  }
}

/// k or v before the expand that repeats each key head for its group of query heads: reshape(expand(x)) with
/// x [B, Hkv, 1, T, d] expanded to [B, Hkv, G, T, d]; `value` itself when it is not that.
Value* ungrouped(Value* value, Node* reader) {
  const Node& merge = *value->node();
  if (merge.op() != Op::kReshape || value->type().rank() != 4) return value;
  const Node& repeat = *merge.operand(0)->node();
  if (repeat.op() != Op::kExpand || repeat.type().rank() != 5 || repeat.operand(0)->type().rank() != 5)
    return value;
  const Shape &wide = repeat.type().shape, &narrow = repeat.operand(0)->type().shape,
              &whole = value->type().shape;
  bool fits = narrow[2].extent() == 1 && wide[0] == narrow[0] && wide[1] == narrow[1] &&
              wide[3] == narrow[3] && wide[4] == narrow[4] && whole[0] == wide[0] && whole[2] == wide[3] &&
              whole[3] == wide[4];
  if (!fits) return value;
  return Builder::before(reader).reshape(repeat.operand(0), {narrow[0], narrow[1], narrow[3], narrow[4]});
}

Value* swap_last(Builder& builder, Value* value) {
  Extents perm;
  for (int64_t i = 0; i < value->type().rank(); ++i) perm.push_back(i);
  std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  return builder.transpose(value, perm);
}

/// Brings q, k, v and masks to four axes and makes the attention in front of its last product.
struct Emitter {
  Node& output;  ///< probabilities @ v
  Scores& scores;
  Builder builder = Builder::before(&output);

  Value* four_axes(Value* value);
  Value* mask_of_rank_four(Value* mask);
  Value* combined_mask();
  Value* offset(const PositionMask& mask);
  void add_masks(const PositionMask& positions, llvm::SmallVectorImpl<Value*>& operands,
                 Attributes& attributes);
  Value* emit();
};

/// [.., T, d] as [B, heads, T, d]: leading axes in front of the last three become one batch.
Value* Emitter::four_axes(Value* value) {
  Shape shape = value->type().shape;
  if (shape.size() == 4) return value;
  if (shape.size() == 3)
    shape.insert(shape.begin() + 1, Dim(1));
  else
    shape.insert(shape.begin(), 2, Dim(1));
  return builder.reshape(value, shape);
}

Value* Emitter::mask_of_rank_four(Value* mask) {
  mask = strip_leading_ones(strip_expand(mask));
  bool batched = output.type().rank() == 3 && mask->type().rank() == 3;  // [N, Tq, Tk] of q [N, 1, Tq, d]
  return batched ? four_axes(mask) : mask;
}

Value* Emitter::combined_mask() {
  Value* mask = scores.additive;
  for (Value* condition : scores.conditions)
    mask = mask ? builder.make(Op::kAnd, {mask, condition}) : condition;
  return mask ? mask_of_rank_four(mask) : nullptr;
}

Value* Emitter::offset(const PositionMask& mask) {
  if (!mask.offset_value)
    return mask.offset ? builder.constant(static_cast<double>(mask.offset), DType::kI32) : nullptr;
  Value* scalar =
      mask.offset_value->type().rank() == 0 ? mask.offset_value : builder.reshape(mask.offset_value, {});
  if (mask.offset == 0) return scalar;
  return builder.make(Op::kAdd,
                      {scalar, builder.constant(static_cast<double>(mask.offset), scalar->type().dtype)});
}

/// Attributes and operands for what masks are left and for the positions.
void Emitter::add_masks(const PositionMask& positions, llvm::SmallVectorImpl<Value*>& operands,
                        Attributes& attributes) {
  Value *mask = combined_mask(), *shift = offset(positions);
  attributes.set("causal", positions.causal);
  if (positions.window) attributes.set("window", Dim(positions.window));
  attributes.set("mask", mask != nullptr);
  attributes.set("offset", shift != nullptr);
  if (mask) operands.push_back(mask);
  if (shift) operands.push_back(shift);
}

Value* Emitter::emit() {
  Value* v = output.operand(1);
  if (output.attributes.flag("transpose_b")) v = swap_last(builder, v);
  Value *q = four_axes(scores.q), *k = four_axes(scores.k);
  v = four_axes(v);
  Value *few_k = ungrouped(k, &output), *few_v = ungrouped(v, &output);
  if (few_k->type().shape[1] == few_v->type().shape[1]) k = few_k, v = few_v;
  PositionMask positions =
      take_position_bounds(scores.conditions, q->type().shape[2].extent(), k->type().shape[2].extent());
  Attributes attributes = {{"scale", scores.scale}};
  if (scores.softcap != 0) attributes.set("softcap", scores.softcap);
  llvm::SmallVector<Value*, 5> operands{q, k, v};
  add_masks(positions, operands, attributes);
  Value* attention = builder.make(Op::kAttention, operands, attributes);
  return attention->type() == output.type() ? attention : builder.reshape(attention, output.type().shape);
}

/// q and k with four axes or fewer, keys as rows, plain factors taken into the scale.
void split_product(Scores& scores) {
  Node& product = *scores.product;
  Builder builder = Builder::before(&product);
  Value* sides[2] = {product.operand(0), product.operand(1)};
  for (Value*& side : sides)
    while (auto scaled = strip_factor(side)) scores.scale *= scaled->factor, side = scaled->base;
  scores.q = product.attributes.flag("transpose_a") ? swap_last(builder, sides[0]) : sides[0];
  scores.k = product.attributes.flag("transpose_b") ? sides[1] : swap_last(builder, sides[1]);
}

/// What attention's own rules would refuse, in words; "" when it fits.
std::string misfit(const Scores& scores, const Node& output) {
  const Type &q = scores.product->operand(0)->type(), &k = scores.product->operand(1)->type();
  const Type& v = output.operand(1)->type();
  if (q.rank() < 2 || q.rank() > 4) return "q has " + std::to_string(q.rank()) + " axes";
  if (!is_float(q.dtype) || q.dtype != v.dtype) return "q is " + q.text() + ", v is " + v.text();
  auto leading = [](const Type& type) { return llvm::ArrayRef<Dim>(type.shape).drop_back(2); };
  if (k.rank() != q.rank() || v.rank() != q.rank() || leading(k) != leading(q) || leading(v) != leading(q))
    return "q " + q.text() + ", k " + k.text() + " and v " + v.text() + " differ in their leading axes";
  return "";
}

/// An additive mask must have q's type, and no boolean mask beside it that causal cannot express.
std::string mask_misfit(Scores& scores) {
  if (!scores.additive) return "";
  DType wanted = scores.product->type().dtype;
  Value* narrow = strip_casts(scores.additive);
  if (narrow->type().dtype == wanted) scores.additive = narrow;
  if (scores.additive->type().dtype != wanted)
    return "the mask is " + scores.additive->type().text() + ", q is " +
           scores.product->operand(0)->type().text();
  auto is_position = [](Value* condition) {
    auto bound = match_position_bound(condition);
    return bound && bound->column == 1 && bound->row == -1;
  };
  if (!llvm::all_of(scores.conditions, is_position) || scores.conditions.size() > 1)
    return "an additive mask stands beside a boolean one";
  return "";
}

/// The softmax whose result, perhaps cast, is the left operand of `node`; null when there is none.
Node* softmax_before(const Node& node) {
  Node* softmax = strip_casts(node.operand(0))->node();
  int64_t rank = softmax->type().rank();
  bool last = softmax->op() == Op::kSoftmax &&
              normalise_axis(softmax->attributes.integer("axis", -1), rank, softmax->location) == rank - 1;
  return last && !node.attributes.flag("transpose_a") && node.operand(1)->type().rank() > 1 ? softmax
                                                                                            : nullptr;
}

std::string recognise(Node& output, Node& softmax, Rewriter& rewriter) {
  for (Value* p = output.operand(0); p != softmax.operand(0); p = p->node()->operand(0))
    if (!only_user(p)) return "the probabilities are read elsewhere";
  Scores scores;
  read_scores(softmax.operand(0), scores);
  if (!scores.reason.empty()) return scores.reason;
  if (std::string reason = misfit(scores, output); !reason.empty()) return reason;
  if (std::string reason = mask_misfit(scores); !reason.empty()) return reason;
  split_product(scores);
  rewriter.replace(output.result(), Emitter{output, scores}.emit());
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
  Emitter emitter{node, scores};
  Attributes attributes = given;
  llvm::SmallVector<Value*, 7> operands{node.operand(0), node.operand(1), node.operand(2)};
  emitter.add_masks(positions, operands, attributes);
  if (Value* sinks = optional_operand(node, "sinks")) operands.push_back(sinks);
  rewriter.replace(node.result(), emitter.builder.make(Op::kAttention, operands, attributes));
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
