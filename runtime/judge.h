// judge.h: is a device's result right? The f64 evaluator decides, with a tolerance that the arithmetic justifies.
#pragma once
#include <functional>
#include <vector>

#include "ir/evaluate.h"
#include "runtime/tensor.h"

namespace tenon {

/// An output of a device beside the evaluator's.
struct OutputCheck {
  double error = 0;      ///< relative L2 against the f64 evaluator
  double tolerance = 0;  ///< what the arithmetic justifies
  bool passed() const { return error <= tolerance; }
};

/// Judges `actual`, the outputs of a graph for these sources. The tolerance is measured, not guessed: the evaluator
/// runs a second time with every value rounded to its declared type, which is what an unfused run with perfect
/// kernels gives; four times that run's own error is allowed, and 8 u sqrt(K) for sums of K terms in f32 (u =
/// 2^-24; the errors of a sum's terms add like a random walk). Elements that are NaN or infinite must be so
/// in both; where that second run overflowed a type's range, its infinity or NaN is right too.
std::vector<OutputCheck> judge(const Graph& graph, const std::function<HostTensor(const Node&)>& source,
                               llvm::ArrayRef<Tensor> actual);

}  // namespace tenon
