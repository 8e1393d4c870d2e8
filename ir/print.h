// print.h: the one text notation of graphs: dumps, tests, decision records and the head of each kernel.
//
//   %x = input : bf16[T, 768]
//   %h = matmul %x, %w1 {transpose_b = true} : bf16[T, 3072]
//   %y = mul %h, 0.5 : bf16[T, 3072]                       a scalar constant stands where it is used
//   %m, %r = moments %x {eps = 1e-05} : f32[T, 1], f32[T, 1]
//   %z = fused %y, %w2 : bf16[T, 768] {
//     (%y: bf16[T, 3072], %w2: bf16[3072, 768])
//     %z = matmul %y, %w2 : bf16[T, 768]
//     return %z
//   }
//   return %z
//   update %layer.0.k_cache = %layer.0.k
#pragma once
#include <string>

#include "ir/graph.h"
#include "llvm/ADT/DenseMap.h"

namespace tenon {

/// Unique names of a graph's values in the order of its nodes: the model's own name behind its scope
/// ("layer.3.h"), or a number; ".2", ".3", ... tell equal names apart. Scalar constants have none: they print
/// as their number.
class NameTable {
 public:
  explicit NameTable(const Graph& graph);
  /// "%layer.3.h", or "0.5" for a scalar constant.
  std::string operator()(const Value* value) const;

 private:
  llvm::DenseMap<const Value*, std::string> names_;
};

/// True for a rank-0 constant with one `value`: it prints, and is generated, in place.
bool is_scalar_constant(const Value* value);

std::string print(const Graph& graph);
/// One node's line without a newline: "%h = matmul %x, %w1 : bf16[T, 3072]".
std::string print(const Node& node, const NameTable& names);

}  // namespace tenon
