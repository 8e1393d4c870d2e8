// input_checks.h: what a run's inputs may not hold, told before anything is written.
#pragma once
#include "ir/graph.h"
#include "runtime/tensor.h"

namespace tenon {

/// Throws Error where an input is a position at which a cache would be written past its capacity, or a table that names a page
/// that the pool does not have, read or written or neither.
void check_cache_writes(const Graph& graph, const TensorMap& inputs);

}  // namespace tenon
