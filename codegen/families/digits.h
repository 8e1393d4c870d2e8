// digits.h: where the elements of a value lie, in a kernel's own coordinates (batch, row, column). The axes
// of a value are digits of those coordinates; reshapes and transposes only regroup and rename them.
#pragma once
#include <optional>
#include <vector>

#include "ir/graph.h"

namespace tenon {

/// A product of extents with the dynamic factors kept apart, so that text names them: 768 * T.
struct Extent {
  int64_t number = 1;                           ///< of the fixed factors
  llvm::SmallVector<Dim, 2> dynamic;            ///< factors
  Extent(int64_t fixed = 1) : number(fixed) {}  // NOLINT(google-explicit-constructor): a number is an extent
  Extent(const Dim& dim);                       // NOLINT(google-explicit-constructor)
  int64_t value() const;                        ///< for this binding of the dims
};
Extent operator*(const Extent& a, const Extent& b);
Extent product_of(llvm::ArrayRef<Dim> dims);

enum class Coordinate { kBatch, kRow, kCol };

/// A part of a coordinate: coordinate / weight % extent.
struct Digit {
  Coordinate coordinate;
  Extent weight;
  Dim extent;
  bool leading;  ///< the outermost of its coordinate: no remainder need be taken
};

/// The digits of each axis, outermost first; an axis of extent 1 has none.
using DigitMap = std::vector<llvm::SmallVector<Digit, 2>>;

/// The digits of a coordinate that counts the elements of `shape` in row-major order, an axis each.
DigitMap digits_of(Coordinate coordinate, llvm::ArrayRef<Dim> shape);
/// The same elements under another shape; nothing where an axis would cut a digit unevenly.
std::optional<DigitMap> reshaped(const DigitMap& map, llvm::ArrayRef<Dim> to);

/// digit * stride elements.
struct AddressTerm {
  Digit digit;
  Extent stride;
};
/// From the start of a tensor to the element at `map`. `shape` and `strides` are the tensor's and align with
/// the map's axes from the right; its axes of extent 1 are broadcast. Terms are ordered by coordinate, then
/// from the outermost digit in; neighbouring digits that one stride serves are one term.
std::vector<AddressTerm> address_of(const DigitMap& map, llvm::ArrayRef<Dim> shape,
                                    llvm::ArrayRef<Extent> strides);
std::vector<Extent> row_major(llvm::ArrayRef<Dim> shape);

/// Memory of a parameter or packed value, read with strides.
struct OperandView {
  const Value* base = nullptr;
  Extent offset = 0;
  std::vector<Extent> strides;  ///< of each axis of the value
};
/// Memory that `value` is a strided view of (strided_view.h); nothing where another op computes it or a reshape would copy.
std::optional<OperandView> operand_view(const Value* value);

}  // namespace tenon
