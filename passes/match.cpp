// match.cpp: questions about small neighbourhoods of a graph.
#include "passes/match.h"

#include <cmath>

#include "ir/infer.h"

namespace tenon {
namespace {

constexpr int kLongestChain = 16;  // of casts and the like that a question looks through

}  // namespace

std::optional<double> number(const Value* value) {
  const Node* node = value->node();
  auto passes_on = [](const Node& n) {
    bool cast = n.op() == Op::kCast && is_float(n.type().dtype) && is_float(n.operand(0)->type().dtype);
    return cast || n.op() == Op::kExpand || n.op() == Op::kReshape;
  };
  for (int i = 0; i < kLongestChain && passes_on(*node); ++i) node = node->operand(0)->node();
  if (node->op() != Op::kConstant || !node->attributes.find("value")) return std::nullopt;
  return node->attributes.number("value");
}

bool is_number(const Value* value, double expected, double tolerance) {
  auto found = number(value);
  return found && std::fabs(*found - expected) <= tolerance * std::fabs(expected);
}

double constant_tolerance(DType type) { return std::max(2e-5, unit_roundoff(type)); }

Value* other_operand(const Node& node, const Value* value) {
  return node.operand(node.operand(0) == value ? 1 : 0);
}

Node* only_user(const Value* value) {
  return value->users().size() == 1 && !value->is_result() ? value->users()[0] : nullptr;
}

Value* strip_casts(Value* value) {
  for (int i = 0; i < kLongestChain && value->node()->op() == Op::kCast; ++i) {
    Value* before = value->node()->operand(0);
    if (!is_float(value->type().dtype) || !is_float(before->type().dtype)) break;
    value = before;
  }
  return value;
}

Value* strip_expand(Value* value) {
  return value->node()->op() == Op::kExpand ? value->node()->operand(0) : value;
}

Value* strip_leading_ones(Value* value) {
  if (value->node()->op() != Op::kReshape) return value;
  Value* inner = value->node()->operand(0);
  llvm::ArrayRef<Dim> shape = value->type().shape, rest = inner->type().shape;
  return shape.size() > rest.size() && shape.take_back(rest.size()) == rest ? inner : value;
}

bool is_lossless(DType from, DType to) {
  if (from == to || from == DType::kBool) return true;
  switch (to) {
    case DType::kI64: return is_integer(from);
    case DType::kI32: return from == DType::kI8 || from == DType::kU8;
    case DType::kF32: return is_float(from) || from == DType::kI8 || from == DType::kU8;
    case DType::kF16:
    case DType::kBF16:
      return from == DType::kI8 || from == DType::kU8 || from == DType::kF8E4M3 || from == DType::kF8E5M2;
    default: return false;
  }
}

std::optional<Scaled> strip_factor(Value* value) {
  const Node& node = *value->node();
  if (node.op() == Op::kNeg) return Scaled{node.operand(0), -1};
  if (node.op() != Op::kMul && node.op() != Op::kDiv) return std::nullopt;
  if (auto right = number(node.operand(1)); right && node.operand(0)->type() == value->type())
    return Scaled{node.operand(0), node.op() == Op::kMul ? *right : 1 / *right};
  if (node.op() == Op::kMul && node.operand(1)->type() == value->type())
    if (auto left = number(node.operand(0))) return Scaled{node.operand(1), *left};
  return std::nullopt;
}

std::optional<RowReduction> match_reduction(Value* value, Op op) {
  value = strip_expand(value);
  const Node* node = value->node();
  bool reshaped = node->op() == Op::kReshape;
  if (reshaped) node = node->operand(0)->node();
  if (node->op() != op || node->attributes.flag("keepdims") == reshaped) return std::nullopt;
  RowReduction found{node->operand(0), {}};
  Shape kept = found.operand->type().shape;
  for (int64_t axis : node->attributes.integers("axes")) {
    found.axes.push_back(normalise_axis(axis, found.operand->type().rank(), node->location));
    kept[found.axes.back()] = 1;
  }
  llvm::sort(found.axes);
  if (value->type().shape != kept) return std::nullopt;
  return found;
}

std::optional<RowReduction> match_mean(Value* value) {
  value = strip_expand(value);
  if (auto mean = match_reduction(value, Op::kMean)) return mean;
  auto scaled = strip_factor(value);
  if (!scaled) return std::nullopt;
  auto sum = match_reduction(scaled->base, Op::kSum);
  if (!sum) return std::nullopt;
  double count = 1;
  for (int64_t axis : sum->axes) count *= static_cast<double>(sum->operand->type().shape[axis].extent());
  if (std::fabs(scaled->factor * count - 1) > constant_tolerance(value->type().dtype)) return std::nullopt;
  return sum;
}

bool are_trailing(const Extents& axes, llvm::ArrayRef<Dim> shape) {
  for (size_t i = 0; i < axes.size(); ++i)
    if (axes[i] != static_cast<int64_t>(shape.size() - axes.size() + i)) return false;
  return !axes.empty();
}

Value* match_square(const Value* value) {
  const Node& node = *value->node();
  bool square = (node.op() == Op::kMul && node.operand(0) == node.operand(1)) ||
                (node.op() == Op::kPow && is_number(node.operand(1), 2));
  return square && node.operand(0)->type() == value->type() ? node.operand(0) : nullptr;
}

}  // namespace tenon
