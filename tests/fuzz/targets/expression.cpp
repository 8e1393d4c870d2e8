// The text of an equation and of a shape expression; the latter's value too.
#include "ir/expression.h"
#include "ir/number.h"
#include "tests/fuzz/targets.h"
#include "tests/fuzz/targets/verdict.h"

namespace tenon::fuzz {
namespace {

std::optional<Dim> dim_of(llvm::StringRef name) {
  if (name == "T") return Dim(17, "T");
  if (name == "N") return Dim(int64_t{1} << 40);
  if (name == "Z") return Dim(0);
  return std::nullopt;
}

bool within(const Expression& expression) {
  for (const Expression& operand : expression.operands)
    if (operand.depth >= expression.depth || !within(operand)) return false;
  return expression.depth <= kMaxNesting && expression.location.known() &&
         (expression.kind != Expression::Kind::kCall ||
          expression.keywords.size() == expression.operands.size());
}

}  // namespace

std::string expression(llvm::StringRef bytes, bool* accepted) {
  const SourceText source(std::make_shared<SourceFile>(SourceFile{"fuzz", bytes.str()}));
  Equation equation;
  bool equation_read = false, shape_read = false;
  std::string problem = verdict(true, &equation_read, [&] {
    parse_equation(source, equation);
    return equation.targets.empty() || within(equation.value) ? "" : "a tree that breaks its promises";
  });
  if (!problem.empty()) return problem;
  problem = verdict(true, &shape_read, [&]() -> std::string {
    const Expression shape = parse_expression(source);
    if (!within(shape)) return "a tree that breaks its promises";
    const int64_t extent = evaluate_shape(shape, dim_of).extent();
    return std::abs(extent) <= int64_t{1} << 62 ? "" : "a shape beyond 2^62";
  });
  if (accepted) *accepted = equation_read || shape_read;
  return problem;
}

}  // namespace tenon::fuzz
