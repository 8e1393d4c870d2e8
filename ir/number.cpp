// number.cpp: arithmetic of numbers and dims.
#include "ir/number.h"

#include <cmath>

#include "ir/diagnostics.h"

namespace tenon {
namespace {

constexpr int64_t kMaxExtent = int64_t{1} << 62;  // Dim's own bound
constexpr auto kExact = static_cast<double>(kMaxExtent);

std::optional<Dim> integer_power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  if (exponent < 0 || (exponent > 62 && base != 0 && base != 1 && base != -1)) return std::nullopt;
  if (exponent > 62) exponent = 62 + exponent % 2;
  for (int64_t i = 0; i < exponent; ++i)
    if (__builtin_mul_overflow(result, base, &result)) return std::nullopt;
  return Dim(result);
}

std::optional<Dim> integer_combine(llvm::StringRef op, const Dim& a, const Dim& b, double value) {
  if (op == "**") return integer_power(a.extent(), b.extent());
  if (op == "/" || (op == "//" && b.extent() == 0) || std::fabs(value) >= kExact) return std::nullopt;
  if (op == "+") return a + b;
  if (op == "-") return a - b;
  if (op == "*") return a * b;
  return floor_div(a, b);
}

[[noreturn]] void too_large(const Location& location) {
  throw Error("this extent is too large: more than 2^62", location);
}

}  // namespace

Number combine(llvm::StringRef op, const Number& a, const Number& b) {
  Number result;
  double x = a.value, y = b.value;
  result.value = op == "+"    ? x + y
                 : op == "-"  ? x - y
                 : op == "*"  ? x * y
                 : op == "/"  ? x / y
                 : op == "//" ? std::floor(x / y)
                              : std::pow(x, y);
  if (a.integer && b.integer) {
    result.integer = integer_combine(op, *a.integer, *b.integer, result.value);
    if (result.integer) result.value = static_cast<double>(result.integer->extent());
  }
  return result;
}

Number negate(const Number& a) {
  if (!a.integer || !a.integer->dynamic())
    return {-a.value, a.integer ? std::optional<Dim>(-a.integer->extent()) : std::nullopt, false};
  return combine("-", Number::of(Dim(0)), a);
}

Dim evaluate_shape(const Expression& expression, const DimLookup& dims) {
  switch (expression.kind) {
    case Expression::Kind::kInteger:
      if (expression.integer > kMaxExtent) too_large(expression.location);
      return expression.integer;
    case Expression::Kind::kName:
      if (auto dim = dims(expression.text)) return *dim;
      throw Error("unknown dim '" + expression.text + "'", expression.location);
    case Expression::Kind::kNegate:
      return *negate(Number::of(evaluate_shape(expression.operands[0], dims))).integer;
    case Expression::Kind::kBinary: {
      if (expression.text == "/" || expression.text == "@" || expression.text == "**") break;
      Dim a = evaluate_shape(expression.operands[0], dims), b = evaluate_shape(expression.operands[1], dims);
      if (expression.text == "//" && b.extent() == 0) throw Error("division by zero", expression.location);
      Number result = combine(expression.text, Number::of(a), Number::of(b));
      if (!result.integer) too_large(expression.location);
      return *result.integer;
    }
    default: break;
  }
  throw Error("a shape expression has integers, dims, + - * // and parentheses only", expression.location);
}

}  // namespace tenon
