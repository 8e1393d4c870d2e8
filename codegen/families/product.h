// product.h: what a region of pattern kProduct or kGated computes, in the terms of a tiled kernel: extents,
// strided operands, and where the elements of each value of the tail lie.
#pragma once
#include <string>
#include <vector>

#include "codegen/families/digits.h"
#include "llvm/ADT/DenseMap.h"
#include "passes/region.h"

namespace tenon {

/// One operand of a product. Lines run along k, or along the other index.
struct ProductOperand {
  const Value* value = nullptr;  ///< as the product reads it
  const Node* dequantise =
      nullptr;       ///< where it is kept as integers: `view` is of those, in elements of `value`
  OperandView view;  ///< without a base when a head computes it
  bool along_k = true;
  Extent line_stride;                 ///< elements from line to line
  std::vector<Extent> batch_strides;  ///< one for each dim of the batch; 0 where it broadcasts
  int bits = 16;                      ///< of an element in memory
  int copy_bytes = 16;  ///< 16, 8, 4, 2 or 1: what every line's start is aligned to, with bases at 16
};

/// Where a value of the tail lies: its axes as digits of batch, row and column. The column counts from
/// `begin`.
struct TailValue {
  DigitMap map;
  Dim begin = 0;         ///< first column of the product that it covers
  Dim count = 0;         ///< and how many
  bool per_row = false;  ///< one element serves the whole row: statistics
};

struct ProductProblem {
  std::vector<const Node*> products;  ///< 1, or 2 of the same left operand
  DType dtype = DType::kF32;          ///< of the operands
  Dim m = 0, n = 0, k = 0;
  Shape batch;  ///< products side by side; empty when all leading axes are rows
  Shape rows;   ///< the axes that the row coordinate counts
  ProductOperand a;
  std::vector<ProductOperand> b;
  std::vector<const Node*> head;  ///< elementwise nodes that compute the left operand, in order
  const Node* moments = nullptr;  ///< statistics of the left operand's rows
  std::vector<const Node*> tail;  ///< nodes that depend on products or moments, in order
  llvm::DenseMap<const Value*, TailValue> values;  ///< of products, moments and tail
  int vector = 8;    ///< neighbouring columns that one address serves, at most 8
  int head_dim = 1;  ///< tiles must be a multiple of: the columns that rope and the norms of heads mix
  std::vector<const Node*> head_norms;  ///< RMS norms of heads in the tail, in order
  int norm_head = 0;                    ///< columns of each of their heads; 0: there are none

  bool has_head() const { return !head.empty(); }
  bool plain_tail() const { return tail.empty(); }
};

/// Fills `problem`. Returns "" or the reason why no product kernel can do the region, naming the op in the
/// way.
std::string analyse_product(const Region& region, ProductProblem& problem);

/// True for values that depend on neither product nor moments of the problem.
inline bool is_leaf(const ProductProblem& problem, const Value* value) {
  return problem.values.count(value) == 0;
}

}  // namespace tenon
