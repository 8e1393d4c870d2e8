// recognise_activation.cpp: gelu in both forms, silu and sigmoid from arithmetic.
#include <array>
#include <cmath>

#include "passes/match.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace tenon {
namespace {

constexpr char kGelu[] = "gelu";
constexpr char kSilu[] = "silu";

/// c[0] + c[1] x + c[2] x^2 + c[3] x^3.
using Polynomial = std::array<double, 4>;

std::optional<Polynomial> product(const Polynomial& a, const Polynomial& b) {
  Polynomial c = {};
  for (size_t i = 0; i < 4; ++i)
    for (size_t j = 0; j < 4; ++j) {
      if (a[i] == 0 || b[j] == 0) continue;
      if (i + j > 3) return std::nullopt;
      c[i + j] += a[i] * b[j];
    }
  return c;
}

/// `value` as a polynomial in x; whatever the order in which its author wrote it.
std::optional<Polynomial> polynomial(const Value* value, const Value* x, int depth = 6) {
  if (value == x) return Polynomial{0, 1, 0, 0};
  if (auto constant = number(value)) return Polynomial{*constant, 0, 0, 0};
  const Node& node = *value->node();
  if (depth == 0 || !is_elementwise(node.op()) || node.operand_count() > 2) return std::nullopt;
  auto a = polynomial(node.operand(0), x, depth - 1);
  if (!a) return std::nullopt;
  if (node.op() == Op::kNeg) return product(*a, {-1, 0, 0, 0});
  auto b = node.operand_count() == 2 ? polynomial(node.operand(1), x, depth - 1) : std::nullopt;
  if (!b) return std::nullopt;
  bool number_right = (*b)[1] == 0 && (*b)[2] == 0 && (*b)[3] == 0;
  switch (node.op()) {
    case Op::kAdd:
    case Op::kSub:
      for (size_t i = 0; i < 4; ++i) (*a)[i] += node.op() == Op::kAdd ? (*b)[i] : -(*b)[i];
      return a;
    case Op::kMul: return product(*a, *b);
    case Op::kDiv: return number_right ? product(*a, {1 / (*b)[0], 0, 0, 0}) : std::nullopt;
    case Op::kPow: {
      auto square = product(*a, *a);
      if (!number_right || !square) return std::nullopt;
      return (*b)[0] == 2 ? square : (*b)[0] == 3 ? product(*square, *a) : std::nullopt;
    }
    default: return std::nullopt;
  }
}

bool near(double found, double expected, double tolerance) {
  return std::fabs(found - expected) <= tolerance * std::fabs(expected);
}

/// The argument of erf or tanh in gelu(x).
bool is_gelu_argument(const Value* argument, const Value* x, bool exact) {
  auto p = polynomial(argument, x);
  if (!p || (*p)[0] != 0 || (*p)[2] != 0) return false;
  double tolerance = constant_tolerance(argument->type().dtype);
  double linear = exact ? std::sqrt(0.5) : std::sqrt(2 / M_PI);
  bool cubic = exact ? (*p)[3] == 0 : near((*p)[3], linear * 0.044715, 2 * tolerance);
  return near((*p)[1], linear, tolerance) && cubic;
}

/// Climbs from 1 + erf(..) through products with x and numbers until they make x/2 * (1 + erf(..)).
struct GeluClimb {
  const Node& curve;  ///< the erf or tanh
  Value* x = nullptr;
  double factor = 1;

  bool is_half() const { return near(factor, 0.5, constant_tolerance(curve.type().dtype)); }
  bool take(Value* other);
  std::string climb(Value*& at);
};

/// One more factor: a number, or x, which may itself stand there times a number.
bool GeluClimb::take(Value* other) {
  if (auto constant = number(other)) {
    factor *= *constant;
    return true;
  }
  if (x) return false;
  bool exact = curve.op() == Op::kErf;
  double scale = 1;
  for (std::optional<Scaled> part = Scaled{other, 1}; part; part = strip_factor(part->base)) {
    scale *= part->factor;
    if (!is_gelu_argument(curve.operand(0), part->base, exact)) continue;
    x = part->base;
    factor *= scale;
    return true;
  }
  return false;
}

/// Moves `at` up to the whole gelu. Returns why it cannot.
std::string GeluClimb::climb(Value*& at) {
  std::string name = name_of(curve.op()).str();
  while (!x || !is_half()) {
    Node* user = only_user(at);
    bool multiplies = user && user->op() == Op::kMul;
    bool divides = user && user->op() == Op::kDiv && user->operand(0) == at && number(user->operand(1));
    if (!multiplies && !divides)
      return x ? "the whole is " + text_of(factor) + " x (1 + " + name + "(..)) instead of 0.5"
               : "1 + " + name + "(..) is not multiplied by the x in its argument";
    if (divides)
      factor /= *number(user->operand(1));
    else if (!take(other_operand(*user, at)))
      return "1 + " + name + "(..) is multiplied by something other than the x of its argument";
    at = user->result();
  }
  return "";
}

void recognise_gelu(Node& curve, Rewriter& rewriter, Remarks& remarks) {
  for (Node* sum : curve.result()->users()) {
    if (sum->op() != Op::kAdd || !is_number(other_operand(*sum, curve.result()), 1)) continue;
    GeluClimb gelu{curve};
    Value* whole = sum->result();
    if (std::string reason = gelu.climb(whole); !reason.empty()) {
      remarks.push_back(remark(curve, kGelu, reason));
      continue;
    }
    Op op = curve.op() == Op::kErf ? Op::kGelu : Op::kGeluTanh;
    return rewriter.replace(whole, Builder::before(whole->node()).make(op, {gelu.x}));
  }
}

/// The operand of 1 + exp(-x); null for anything else.
Value* match_logistic(const Value* value) {
  const Node& sum = *value->node();
  if (sum.op() != Op::kAdd || !is_number(sum.operand(1), 1)) return nullptr;
  const Node& exponential = *sum.operand(0)->node();
  if (exponential.op() != Op::kExp) return nullptr;
  auto negative = strip_factor(exponential.operand(0));
  return negative && negative->factor == -1 ? negative->base : nullptr;
}

/// 1 / (1 + exp(-x)) and x / (1 + exp(-x)).
void recognise_logistic(Node& node, Rewriter& rewriter) {
  bool divides = node.op() == Op::kDiv;
  Value* x = match_logistic(node.operand(divides ? 1 : 0));
  if (!x || x->type() != node.type()) return;
  if (!divides)
    rewriter.replace(node.result(), Builder::before(&node).make(Op::kSigmoid, {x}));
  else if (node.operand(0) == x)
    rewriter.replace(node.result(), Builder::before(&node).make(Op::kSilu, {x}));
}

/// x * sigmoid(x).
void recognise_silu(Node& node, Rewriter& rewriter, Remarks& remarks) {
  for (int i = 0; i < 2; ++i) {
    const Node& gate = *node.operand(i)->node();
    Value* x = node.operand(1 - i);
    if (gate.op() != Op::kSigmoid) continue;
    if (gate.operand(0) == x)
      return rewriter.replace(node.result(), Builder::before(&node).make(Op::kSilu, {x}));
    auto scaled = strip_factor(gate.operand(0));
    if (scaled && scaled->base == x)
      remarks.push_back(remark(node, kSilu, "sigmoid takes " + text_of(scaled->factor) + " x, not x"));
  }
}

}  // namespace

bool recognise_activation(Graph& graph, Remarks& remarks) {
  Rewriter rewriter(graph);
  return rewriter.sweep([&](Node& node) {
    switch (node.op()) {
      case Op::kErf:
      case Op::kTanh: return recognise_gelu(node, rewriter, remarks);
      case Op::kDiv:
      case Op::kReciprocal: return recognise_logistic(node, rewriter);
      case Op::kMul: return recognise_silu(node, rewriter, remarks);
      default: return;
    }
  });
}

}  // namespace tenon
