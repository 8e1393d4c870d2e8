// match.h: the words in which rules describe what they look for.
#pragma once
#include <optional>

#include "ir/graph.h"

namespace tenon {

/// The number that every element of a constant is, also behind casts, expands and reshapes of one.
std::optional<double> number(const Value* value);
/// True when `value` is a constant within `tolerance`, relative.
bool is_number(const Value* value, double expected, double tolerance = 0);
/// What a model's author may have rounded a constant to: 2e-5, or the unit roundoff of a narrow type.
double constant_tolerance(DType type);

/// The operand of a binary node that `value` is not (`value` itself when it stands twice).
Value* other_operand(const Node& node, const Value* value);
/// The one node that reads `value`, which the graph does not hold; null when there are several or none.
Node* only_user(const Value* value);
/// `value` before its float-to-float casts.
Value* strip_casts(Value* value);
/// `value` before the expand that broadcasts it.
Value* strip_expand(Value* value);
/// `value` before a reshape that only puts extents of 1 in front: what broadcasting does by itself.
Value* strip_leading_ones(Value* value);
/// True when every value of type `from` is a value of type `to`.
bool is_lossless(DType from, DType to);

/// value = factor * base.
struct Scaled {
  Value* base;
  double factor;
};
/// One factor off: `value` is base times, or divided by, a number, or its negative; nothing when it is none
/// of these.
std::optional<Scaled> strip_factor(Value* value);

/// A reduction that keeps its axes as extents of 1, in one op or as reshape of one that drops them.
struct RowReduction {
  Value* operand;
  Extents axes;  ///< ascending, not negative
};
std::optional<RowReduction> match_reduction(Value* value, Op op);
/// mean(operand), or sum(operand) divided by the number of elements.
std::optional<RowReduction> match_mean(Value* value);
/// The axes are the last ones of `shape`.
bool are_trailing(const Extents& axes, llvm::ArrayRef<Dim> shape);
/// `value` is base * base or base ** 2: the base.
Value* match_square(const Value* value);

}  // namespace tenon
