// fuse_gated.cpp: offers two products of one left operand whose tails meet as one kernel with two
// accumulators.
#include "passes/passes.h"

namespace tenon {
namespace {

constexpr char kProposer[] = "fuse_gated";

}  // namespace

bool products_meet(llvm::ArrayRef<Node*> products, llvm::ArrayRef<Node*> tail) {
  llvm::DenseMap<const Node*, const Node*> from;  // the product whose elements a node works on
  for (Node* product : products) from[product] = product;
  for (Node* node : tail)
    for (Value* operand : node->operands()) {
      const Node* product = from.lookup(operand->node());
      const Node*& own = from[node];
      if (product && own && own != product) return true;
      if (product) own = product;
    }
  return false;
}

void fuse_gated(Proposals& proposals) {
  for (Node& node : proposals.graph.nodes()) {
    auto products = proposals.sibling_products(node.result());
    if (products.size() != 2 || products[0]->type() != products[1]->type()) continue;
    proposals.sort(products);
    auto tail = grow_tail(proposals, products);
    if (!products_meet(products, tail)) continue;
    llvm::SmallVector<Node*, 16> nodes(products.begin(), products.end());
    nodes.append(tail.begin(), tail.end());
    proposals.offer(Pattern::kGated, nodes, kProposer, "two products and their gate in one kernel");
    if (node.op() != Op::kLayernorm && node.op() != Op::kRmsnorm) continue;
    nodes.push_back(&node);
    std::string note = name_of(node.op()).str() + " folded into two products and their gate";
    std::string obstacle = proposals.offer(Pattern::kGated, nodes, kProposer, note, fold_norm);
    if (!obstacle.empty()) proposals.near_miss(node, "norm + product", std::move(obstacle));
  }
}

}  // namespace tenon
