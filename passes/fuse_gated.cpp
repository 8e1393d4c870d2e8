// fuse_gated.cpp: offers two products of one left operand whose tails meet as one kernel with two
// accumulators.
#include "passes/passes.h"

namespace tenon {
namespace {

constexpr char kProposer[] = "fuse_gated";

// An elementwise node that reads both products, directly or through elementwise nodes of the tail.
bool meet(llvm::ArrayRef<Node*> tail, Node* first, Node* second) {
  llvm::DenseMap<const Node*, int> reach{{first, 1}, {second, 2}};
  for (Node* node : tail) {
    int mask = 0;
    for (Value* operand : node->operands()) mask |= reach.lookup(operand->node());
    if (mask == 3) return true;
    if (is_elementwise(node->op())) reach[node] = mask;
  }
  return false;
}

}  // namespace

void fuse_gated(Proposals& proposals) {
  for (Node& node : proposals.graph.nodes()) {
    auto products = proposals.sibling_products(node.result());
    if (products.size() != 2 || products[0]->type() != products[1]->type()) continue;
    proposals.sort(products);
    auto tail = grow_tail(proposals, products);
    if (!meet(tail, products[0], products[1])) continue;
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
