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
View quantised(const Node& node,
               Operands operands);  ///< dequantise: the integers themselves, with their scales
View source(const Node& node);      ///< constant, iota, rope_table

/// Writes a cache_write's new rows into `cache` itself: its storage must be writable. Nothing is written where a
/// position or a page is wrong.
void write_cache(const Node& node, Operands operands, View& cache);

/// Elements [position, position + count) of a line (the last axis) of quantised weights.
void dequantise_line(const View& weights, int64_t line, int64_t position, int64_t count, float* out);
/// All of them, in their declared type.
View widened(const View& weights);
/// Whole lines, as the node's result.
View gathered_lines(const Node& node, const View& weights, llvm::ArrayRef<int64_t> lines);

/// Operand `flag` of a node where its attribute of that name is true, else null.
const View* optional(const Node& node, Operands operands, llvm::StringRef flag);
/// All elements of a small integer tensor.
std::vector<int64_t> integers_of(const View& view);

}  // namespace tenon::cpu
