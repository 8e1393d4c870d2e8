// number.h: numbers and dims of expressions: computed in f64, with the exact extent beside it where there is
// one.
#pragma once
#include <functional>
#include <optional>

#include "ir/expression.h"
#include "ir/shape.h"

namespace tenon {

/// A number that has no type yet. It takes that of the tensor it meets.
struct Number {
  double value = 0;
  std::optional<Dim> integer;  ///< where it is an integer: literals and dims without points, and what + - *
                               ///< // ** make of them
  bool boolean = false;        ///< true or false

  static Number of(Dim dim) { return {static_cast<double>(dim.extent()), dim, false}; }
  static Number of(double value) { return {value, std::nullopt, false}; }
  static Number of(bool value) { return {value ? 1.0 : 0.0, std::nullopt, true}; }
};

/// `op` is one of + - * / // **. Division by zero gives an infinity (or NaN), which is no integer.
Number combine(llvm::StringRef op, const Number& a, const Number& b);
Number negate(const Number& a);

/// What a name stands for; nothing for an unknown one.
using DimLookup = std::function<std::optional<Dim>(llvm::StringRef)>;

/// The value of a shape expression: integers, names, + - * // and unary minus. Throws Error at the place of a
/// division by zero, of a result beyond 2^62, of an unknown name and of anything else.
Dim evaluate_shape(const Expression& expression, const DimLookup& dims);

}  // namespace tenon
