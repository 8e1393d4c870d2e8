// proposals.h: what the fusion passes share while they offer regions: the order of nodes, the list of offers
// and the near misses.
#pragma once
#include <unordered_map>
#include <vector>

#include "llvm/ADT/DenseMap.h"
#include "passes/region.h"
#include "passes/remarks.h"

namespace tenon {

/// No tail, row or group grows longer: more in one kernel spills, and the time to weigh them grows with the square.
constexpr size_t kMaxRegionNodes = 64;

/// Regions offered for one graph, which the fusion passes leave as it is. Regions of equal structure
/// (repetitions of a block) share one body, which is made and rewritten once.
struct Proposals {
  explicit Proposals(Graph& graph);

  /// Rewrites a fresh body into an equivalent; returns "" or the obstacle.
  using Rewrite = std::string (*)(Graph& body);

  Graph& graph;
  WeightExpressions weights;
  std::vector<Region> regions;
  std::vector<SiteNotFused> near_misses;
  llvm::DenseMap<const Node*, int> order;  ///< position in the graph's topological order

  /// Sorts nodes topologically and removes doubles.
  void sort(llvm::SmallVectorImpl<Node*>& nodes) const;
  /// Offers a region over the nodes, unless they are not convex; `note` says what it does. Returns "" or the
  /// obstacle that the rewrite met, in which case nothing is offered.
  std::string offer(Pattern pattern, llvm::ArrayRef<Node*> nodes, llvm::StringRef proposer,
                    llvm::StringRef note, Rewrite rewrite = nullptr);
  void near_miss(const Node& node, llvm::StringRef pattern, std::string reason);

  /// A computing node that regions must cover: no source and no weight expression.
  bool needs_cover(const Node& node) const {
    return node.kind() != OpKind::kSource && !weights.contains(node.result());
  }
  /// A product whose right operand is a weight (or computed from weights) of rank 2.
  bool is_linear(const Node& node) const;
  /// The products that read `left` as their left operand, with weights of one layout and type: fuse_qkv and
  /// fuse_gated join them.
  llvm::SmallVector<Node*, 4> sibling_products(Value* left) const;

 private:
  struct Prototype {
    std::shared_ptr<Graph> body;
    std::string key, obstacle;
  };
  std::unordered_map<std::string, Prototype> prototypes_;  // by structure and proposer
};

/// Whether a tail goes on behind an RMS norm of a head's elements. Not every family has whole heads at hand, so
/// fusions offer both.
enum class HeadNorms { kLeft, kTaken };

/// The nodes that can join a product's epilogue: elementwise ops of the product's shape with other operands
/// from outside, slices of the last axis, reshapes and transposes (head split), rope, and a cache write as
/// the last of its chain; with HeadNorms::kTaken the RMS norms of heads too. Grown from `roots` in topological
/// order as long as the whole (with `base`) stays convex.
llvm::SmallVector<Node*, 16> grow_tail(const Proposals& proposals, llvm::ArrayRef<Node*> base,
                                       HeadNorms head_norms = HeadNorms::kLeft);

/// True when a node of the tail reads elements of two of the products: a gate. They need two accumulators at one place, so they
/// cannot be one product of concatenated weights.
bool products_meet(llvm::ArrayRef<Node*> products, llvm::ArrayRef<Node*> tail);

/// Elementwise producers of `value`'s shape that only it reads, in topological order: the head of a product
/// or row.
llvm::SmallVector<Node*, 8> grow_head(const Proposals& proposals, Value* value, const Node* reader);

/// Ops that elementwise kernels take besides arithmetic because index maps express them.
bool is_index_map(const Node& node);
/// A reshape, a contiguous slice, or another movement that leaves the bytes where they are.
bool is_view(const Node& node);

}  // namespace tenon
