// infer.h: the shape and type rule of each op, keyed by its kind.
#pragma once
#include "ir/graph.h"

namespace tenon {

/// The result types of `op` on operands of these types. `given` is the result's type where the op cannot tell
/// it from its operands (sources, reshape, expand, cast, slice's count); it is checked as far as the op
/// knows. Throws Error at `location` when the operands do not fit, in words a model's author understands.
llvm::SmallVector<Type, 2> infer(Op op, llvm::ArrayRef<Type> operands, const Attributes& attributes,
                                 const Type* given, const Location& location);

/// NumPy's broadcast of two shapes; throws Error at `location` naming both when they do not fit.
Shape broadcast(llvm::ArrayRef<Dim> a, llvm::ArrayRef<Dim> b, const Location& location);

/// `axis` counted from the end when negative; throws Error at `location` when outside the rank.
int64_t normalise_axis(int64_t axis, int64_t rank, const Location& location);

}  // namespace tenon
