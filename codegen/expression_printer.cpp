// expression_printer.cpp: the spelling of each elementwise op in device code.
#include "codegen/expression_printer.h"

#include <cassert>
#include <cmath>
#include <cstdio>

namespace tenon {
namespace {

/// The function of templates/elementwise.cuh that computes `op` in the type of `node`.
std::string function_of(const Node& node) {
  const DType type = node.type().dtype;
  const bool half = type == DType::kBF16 || type == DType::kF16;
  switch (node.op()) {
    case Op::kNot: return "logical_not";
    case Op::kAnd: return "logical_and";
    case Op::kOr: return "logical_or";
    case Op::kXor: return "logical_xor";
    case Op::kExp:
    case Op::kSqrt:
    case Op::kRsqrt:
    case Op::kReciprocal:
    case Op::kSigmoid:
    case Op::kSilu:
    case Op::kGelu:
    case Op::kGeluTanh:
    case Op::kDiv: return name_of(node.op()).str() + (half ? "_approx" : "");
    case Op::kTanh: return type == DType::kBF16 ? "tanh_approx" : "tanh";
    default: return name_of(node.op()).str();
  }
}

const char* operator_of(const Node& node) {
  if (!is_float(node.type().dtype)) return nullptr;  // integers wrap: a function's work
  switch (node.op()) {
    case Op::kAdd: return " + ";
    case Op::kSub: return " - ";
    case Op::kMul: return " * ";
    case Op::kDiv: return function_of(node) == "div" ? " / " : nullptr;
    default: return nullptr;
  }
}

std::string cast_expression(const Node& node, const std::string& x) {
  const DType from = node.operand(0)->type().dtype, to = node.type().dtype;
  const bool narrow = is_float(to) && to != DType::kF32;
  if (is_float(from) && narrow)
    return from == to ? x : ("round_to<" + storage_type(to) + ">(" + x + ")").str();
  if (compute_type(from) == compute_type(to)) return x;
  const std::string widened = ("cast<" + compute_type(to) + ">(" + x + ")").str();
  return narrow ? ("round_to<" + storage_type(to) + ">(" + widened + ")").str() : widened;
}

}  // namespace

llvm::StringRef storage_type(DType type) {
  switch (type) {
    case DType::kF32: return "float";
    case DType::kBool: return "bool";
    default: return name_of(type);
  }
}

llvm::StringRef compute_type(DType type) { return is_float(type) ? "float" : storage_type(type); }

std::string literal(double value, DType type) {
  if (type == DType::kBool) return value != 0 ? "true" : "false";
  if (is_integer(type)) {
    const auto whole = static_cast<int64_t>(value);
    if (whole == INT64_MIN) return "smallest<i64>()";
    return (compute_type(type) + "(" + std::to_string(whole) + ")").str();
  }
  const auto single = static_cast<float>(value);
  if (std::isnan(single)) return "kNaN";
  if (std::isinf(single)) return single > 0 ? "kInfinity" : "-kInfinity";
  std::string text;
  for (int digits = 1; digits <= 9; ++digits) {  // the shortest that reads back as the same float
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.*g", digits, static_cast<double>(single));
    text = buffer;
    if (std::strtof(buffer, nullptr) == single) break;
  }
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text + "f";
}

bool is_uniform(const Value* value) {
  return value->node()->op() == Op::kConstant && value->node()->attributes.find("value");
}

void ExpressionPrinter::bind(const Value* value, std::string expression) {
  expressions_[value] = std::move(expression);
}

std::string ExpressionPrinter::operator()(const Value* value) const {
  if (auto found = expressions_.find(value); found != expressions_.end()) return found->second;
  assert(is_uniform(value) && "an operand that is neither bound nor a number");
  return literal(value->node()->attributes.number("value"), value->type().dtype);
}

std::string ExpressionPrinter::expression(const Node& node, llvm::ArrayRef<std::string> x) {
  assert(is_elementwise(node.op()));
  if (node.op() == Op::kCast) return cast_expression(node, x[0]);
  if (node.op() == Op::kNeg && is_float(node.type().dtype))
    return x[0][0] == '-' ? "-(" + x[0] + ")" : "-" + x[0];
  if (node.op() == Op::kLeakyRelu)
    return "leaky_relu(" + x[0] + ", " + literal(node.attributes.number("slope", 0.01), DType::kF32) + ")";
  if (const char* sign = operator_of(node)) return x[0] + sign + x[1];
  std::string text = function_of(node) + "(";
  for (size_t i = 0; i < x.size(); ++i) text += (i ? ", " : "") + x[i];
  return text + ")";
}

void ExpressionPrinter::print(const Node& node) {
  std::vector<std::string> operands;
  for (const Value* operand : node.operands()) operands.push_back((*this)(operand));
  const std::string result = expression(node, operands);
  if (node.op() == Op::kCast && result == operands[0]) return bind(node.result(), result);
  const std::string& name = names_(node.result());
  text_.from(node.location);
  text_.line("const auto " + name + " = " + result + ";");
  bind(node.result(), name);
}

void ExpressionPrinter::print_needed(llvm::ArrayRef<const Value*> values) {
  for (const Value* value : values) {
    if (bound(value) || is_uniform(value)) continue;
    const Node& node = *value->node();
    llvm::SmallVector<const Value*, 3> operands(node.operands().begin(), node.operands().end());
    print_needed(operands);
    print(node);
  }
}

}  // namespace tenon
