// check_values.h: values of inputs that an op refuses, in the same words whoever computes it.
#pragma once
#include "ir/graph.h"

namespace tenon {

/// Throws Error, naming the state, where the rows of a kCacheWrite from position `first` on pass the capacity of its cache.
void check_cache_fit(const Node& write, int64_t first);

/// Throws Error, naming pool and table, where `page`, to be written for row `row` of a paged kCacheWrite, is none of the pool.
void check_page(const Node& write, int64_t row, int64_t page);

/// `index` of a kGather or kScatter into an axis of `extent`, counted from its end where negative. Throws Error, naming both
/// tensors, where it is outside.
int64_t checked_index(const Node& node, int64_t index, int64_t extent);

}  // namespace tenon
