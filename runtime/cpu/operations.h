// operations.h: the cpu device's parts, one function a kind of op. Only this folder includes it.
#pragma once
#include <vector>

#include "ir/graph.h"
#include "runtime/cpu/view.h"

namespace tenon::cpu {

using Operands = llvm::ArrayRef<View>;

/// A node's results from its operands. Throw Error with the node's location for what data can cause.
View elementwise(const Node& node, Operands operands);
View reduction(const Node& node, Operands operands);
std::vector<View> normalisation(const Node& node, Operands operands);
View matmul(const Node& node, Operands operands);
View attention(const Node& node, Operands operands);
View rope(const Node& node, Operands operands);
View grouped_matmul(const Node& node, Operands operands);
View movement(const Node& node, Operands operands);
View source(const Node& node);  ///< constant, iota, rope_table

/// Writes a cache_write's new rows into `cache` itself: its storage must be writable. Nothing is written where a
/// position or a page is wrong.
void write_cache(const Node& node, Operands operands, View& cache);

/// Operand `flag` of a node where its attribute of that name is true, else null.
const View* optional(const Node& node, Operands operands, llvm::StringRef flag);
/// All elements of a small integer tensor.
std::vector<int64_t> integers_of(const View& view);

}  // namespace tenon::cpu
