// strided_view.h: movement as strides: where the elements of a value lie in the tensor that a kernel is
// given.
#pragma once
#include <optional>
#include <string>

#include "ir/graph.h"

namespace tenon {

/// Element (i, j, ..) of a value lies at offset + i * strides[0] + j * strides[1] + ... of `base`, in
/// elements. Strides of dynamic shapes keep their expressions; nothing here depends on what a dynamic dim is
/// bound to.
struct StridedView {
  const Value* base = nullptr;
  Dim offset = 0;
  Shape strides;
};

/// The view that `value` is of the value behind its reshapes, transposes, slices and expands. Where strides
/// cannot express one of them, nothing; `obstacle` then receives that node.
std::optional<StridedView> view_of(const Value* value, const Node** obstacle = nullptr);

/// Where `value` lies in `output`, which transposes and reshapes alone make of it, each read by the next
/// alone. Nothing when other movement, a second reader or an inexpressible reshape is between them.
std::optional<StridedView> place_in(const Value* value, const Value* output);

/// The largest number known to divide `dim` for every binding of the dynamic dims; 0 for 0.
int64_t known_factor(const Dim& dim);

/// Row-major strides that keep the names of dynamic extents.
Shape dense_strides(llvm::ArrayRef<Dim> shape);

}  // namespace tenon
