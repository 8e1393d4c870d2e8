// expression_printer.h: elementwise ops of a body as straight-line CUDA, one op a line.
#pragma once
#include <string>

#include "codegen/names.h"
#include "codegen/text.h"

namespace tenon {

/// The C++ type in which device code stores elements ("bf16"), and the one in which it computes them
/// ("float").
llvm::StringRef storage_type(DType type);
llvm::StringRef compute_type(DType type);

/// A number as a literal of the type that `type` is computed in: "0.5f", "i64(3)", "true", "kInfinity".
std::string literal(double value, DType type);

/// True for a constant whose elements are one number, which is generated in place.
bool is_uniform(const Value* value);

/// Prints elementwise nodes over expressions of Vec or scalar type (the text is the same for both;
/// templates/elementwise.cuh). The vectors' lanes and their broadcasting are the caller's affair: it binds
/// each leaf to an expression that holds the right elements.
class ExpressionPrinter {
 public:
  ExpressionPrinter(Text& text, Names& names) : text_(text), names_(names) {}

  /// `value` is available as `expression` from here on (again: replaces it).
  void bind(const Value* value, std::string expression);
  bool bound(const Value* value) const { return expressions_.count(value) != 0; }
  void forget_all() { expressions_.clear(); }

  /// The expression of a bound value or uniform constant.
  std::string operator()(const Value* value) const;

  /// Prints "const auto y = gelu_tanh(h);" for an elementwise node whose operands are bound, and binds y.
  /// Approximate instructions where the node's own type (bf16, f16) hides their error. A cast that changes
  /// nothing in registers prints no line.
  void print(const Node& node);
  /// The right-hand side alone, over these operand expressions.
  static std::string expression(const Node& node, llvm::ArrayRef<std::string> operands);

  /// Prints, in topological order, every elementwise node that `values` depend on and that is not bound yet.
  void print_needed(llvm::ArrayRef<const Value*> values);

 private:
  Text& text_;
  Names& names_;
  llvm::DenseMap<const Value*, std::string> expressions_;
};

}  // namespace tenon
