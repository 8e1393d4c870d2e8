// recognise_norm.cpp: layernorm and rmsnorm from their statistics, and weights, biases and casts taken into
// them.
#include "passes/match.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace tenon {
namespace {

constexpr char kPattern[] = "norm";

/// 1 / sqrt(mean(centred^2) + eps), as an op to multiply with or its square root to divide by.
struct Scale {
  Value* centred = nullptr;  ///< x - mean(x), or x itself for rmsnorm
  Extents axes;
  double eps = 0;
  bool divides = false;
};

std::optional<Scale> match_scale(const Node& node) {
  bool power = node.op() == Op::kPow && (is_number(node.operand(1), -0.5) || is_number(node.operand(1), 0.5));
  if (node.op() != Op::kRsqrt && node.op() != Op::kSqrt && !power) return std::nullopt;
  Scale scale;
  scale.divides = node.op() == Op::kSqrt || (power && is_number(node.operand(1), 0.5));
  Value* variance = node.operand(0);
  if (variance->node()->op() == Op::kAdd)
    if (auto eps = number(variance->node()->operand(1))) {
      scale.eps = *eps;
      variance = variance->node()->operand(0);
    }
  auto mean = match_mean(variance);
  scale.centred = mean ? match_square(mean->operand) : nullptr;
  if (!scale.centred) return std::nullopt;
  scale.axes = mean->axes;
  return scale;
}

/// centred * scale or centred / scale: the normalised value; null when nobody makes it.
Node* normalised(const Scale& scale, Value* factor) {
  for (Node* user : factor->users()) {
    bool fits = scale.divides ? user->op() == Op::kDiv && user->operand(1) == factor : user->op() == Op::kMul;
    if (fits && other_operand(*user, factor) == scale.centred && user->type() == scale.centred->type())
      return user;
  }
  return nullptr;
}

/// x of x - mean(x) over the same axes; null for anything else.
Value* match_centred(const Value* value, const Extents& axes) {
  const Node& node = *value->node();
  if (node.op() != Op::kSub) return nullptr;
  auto mean = match_mean(node.operand(1));
  return mean && mean->operand == node.operand(0) && mean->axes == axes ? node.operand(0) : nullptr;
}

/// Replaces the definition around `factor` = 1 / sqrt(..) by a norm without weights. Returns why not.
std::string recognise(Node& factor, const Scale& scale, Rewriter& rewriter) {
  if (!are_trailing(scale.axes, scale.centred->type().shape)) return "its axes are not the last ones";
  Node* root = normalised(scale, factor.result());
  if (!root) return "what was squared is not what is scaled";
  Value* x = match_centred(scale.centred, scale.axes);
  Attributes attributes = {{"axis", Dim(scale.axes[0])}, {"eps", scale.eps}};
  Value* norm =
      Builder::before(root).make(x ? Op::kLayernorm : Op::kRmsnorm, {x ? x : scale.centred}, attributes);
  rewriter.replace(root->result(), norm);
  return "";
}

/// A weight or bias that fits the norm's rows: not a lone number, which would only become a vector.
bool fits_row(const Node& norm, const Value* value) {
  const Type& x = norm.type();
  int64_t axis = norm.attributes.integer("axis", -1);
  llvm::ArrayRef<Dim> row = llvm::ArrayRef<Dim>(x.shape).drop_front(axis < 0 ? axis + x.rank() : axis);
  const Type& type = value->type();
  if (type.dtype != x.dtype || type.rank() == 0 || type.shape.size() > row.size() || number(value))
    return false;
  for (size_t i = 0; i < type.shape.size(); ++i)
    if (type.shape[i].extent() != 1 && type.shape[i] != row[row.size() - type.shape.size() + i]) return false;
  return true;
}

/// The norm with one more thing inside, in place of `user`; null when `user` is nothing that a norm takes in.
/// Casts as Hugging Face models write them: the norm of a bf16 value in f32, cast back, is the bf16 norm,
/// which computes in f32 anyway.
Value* absorbed(const Node& norm, Node* user) {
  Builder builder = Builder::before(user);
  llvm::SmallVector<Value*, 3> operands(norm.operands().begin(), norm.operands().end());
  Attributes attributes = norm.attributes;
  bool weight = attributes.flag("weight"), bias = attributes.flag("bias");
  Node& input = *norm.operand(0)->node();
  if (user->op() == Op::kCast && !weight && !bias && input.op() == Op::kCast &&
      input.operand(0)->type() == user->type() && is_lossless(user->type().dtype, norm.type().dtype))
    return builder.make(norm.op(), {input.operand(0)}, attributes);
  bool takes = (user->op() == Op::kMul && !weight && !bias) ||
               (user->op() == Op::kAdd && !bias && norm.op() == Op::kLayernorm);
  if (!takes) return nullptr;
  Value* other = other_operand(*user, norm.result());
  if (other == norm.result() || !fits_row(norm, other)) return nullptr;
  operands.push_back(other);
  attributes.set(user->op() == Op::kMul ? "weight" : "bias", true);
  return builder.make(norm.op(), operands, attributes);
}

}  // namespace

bool recognise_norm(Graph& graph, Remarks& remarks) {
  Rewriter rewriter(graph);
  bool changed = rewriter.sweep([&](Node& node) {
    auto scale = match_scale(node);
    if (!scale) return;
    if (std::string reason = recognise(node, *scale, rewriter); !reason.empty())
      remarks.push_back(remark(node, kPattern, reason));
  });
  changed |= rewriter.settle([&](Node& node) {
    if (node.op() != Op::kLayernorm && node.op() != Op::kRmsnorm) return;
    Node* user = only_user(node.result());
    if (Value* wider = user ? absorbed(node, user) : nullptr) rewriter.replace(user->result(), wider);
  });
  return changed;
}

}  // namespace tenon
