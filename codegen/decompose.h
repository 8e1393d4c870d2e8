// decompose.h: normalisations and rotary positions as the reductions, index maps and elementwise ops that
// they are made of.
#pragma once
#include <memory>

#include "ir/graph.h"

namespace tenon {

/// A copy of `body` (parameters and outputs in the same order) in which softmax, log_softmax, layernorm,
/// rmsnorm, moments, rope and products of integers are spelled out. Variances are sums of squared distances from the mean. `map`
/// receives the copies of the body's values.
std::unique_ptr<Graph> decompose(const Graph& body, llvm::DenseMap<const Value*, Value*>& map);

}  // namespace tenon
