// proposals.h: what the fusion passes share while they offer regions: the order of nodes, the list of offers
// and the near misses.
#pragma once
#include <vector>

#include "llvm/ADT/DenseMap.h"
#include "passes/region.h"
#include "passes/remarks.h"

namespace tenon {

/// Regions offered for one graph, which the fusion passes leave as it is.
struct Proposals {
  explicit Proposals(Graph& graph);

  Graph& graph;
  std::vector<Region> regions;
  std::vector<SiteNotFused> near_misses;
  llvm::DenseMap<const Node*, int> order;  ///< position in the graph's topological order

  /// Sorts nodes topologically and removes doubles.
  void sort(llvm::SmallVectorImpl<Node*>& nodes) const;
  /// Offers a region unless it is not convex; `note` says what it does.
  void offer(Pattern pattern, llvm::ArrayRef<Node*> nodes, llvm::StringRef proposer, llvm::StringRef note);
  void offer(Region region);
  void near_miss(const Node& node, llvm::StringRef pattern, std::string reason);
};

/// The nodes that can join a product's epilogue: elementwise ops of the product's shape with other operands
/// from outside, slices of the last axis, reshapes and transposes (head split), rope, and a cache write as
/// the last of its chain. Grown from `roots` in topological order as long as the whole (with `base`) stays
/// convex.
llvm::SmallVector<Node*, 16> grow_tail(const Proposals& proposals, llvm::ArrayRef<Node*> base);

/// Elementwise producers of `value`'s shape that only it reads, in topological order: the head of a product
/// or row.
llvm::SmallVector<Node*, 8> grow_head(const Proposals& proposals, Value* value, const Node* reader);

/// Ops that elementwise kernels take besides arithmetic because index maps express them.
bool is_index_map(const Node& node);
/// A reshape, a contiguous slice, or another movement that leaves the bytes where they are.
bool is_view(const Node& node);
/// A computing node that regions must cover: no source and no weight expression.
bool needs_cover(const Node& node);
/// The products that read `left` as their left operand, with weights of one layout and type: fuse_qkv and
/// fuse_gated join them.
llvm::SmallVector<Node*, 4> sibling_products(Value* left);
/// A product whose right operand is a weight (or computed from weights) of rank 2.
bool is_linear(const Node& node);

}  // namespace tenon
