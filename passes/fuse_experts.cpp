// fuse_experts.cpp: offers the products of chosen experts: two that meet in a gate, and one whose results are
// weighted and summed over the choices.
#include "passes/passes.h"

namespace tenon {
namespace {

constexpr char kProposer[] = "fuse_experts";

/// Adds elementwise users of the nodes that have their shape, as long as the whole stays convex. `outside`: an
/// operand may come from elsewhere.
void grow(const Proposals& proposals, llvm::SmallVectorImpl<Node*>& nodes, const Type& type, bool outside) {
  for (size_t at = 0; at < nodes.size(); ++at) {
    if (nodes[at]->type().shape != type.shape) continue;
    for (Node* user : nodes[at]->result()->users()) {
      if (llvm::is_contained(nodes, user) || !is_elementwise(user->op()) || user->type().shape != type.shape)
        continue;
      const bool fits = llvm::all_of(user->operands(), [&](const Value* operand) {
        return llvm::is_contained(nodes, operand->node()) || operand->node()->op() == Op::kConstant ||
               (outside && operand->type().shape == type.shape);
      });
      if (!fits) continue;
      llvm::SmallVector<Node*, 16> longer(nodes.begin(), nodes.end());
      longer.push_back(user);
      proposals.sort(longer);
      if (is_convex(longer)) nodes.push_back(user);
    }
  }
}

void offer_gate(Proposals& proposals, Node* first, Node* second) {
  llvm::SmallVector<Node*, 2> products{first, second};
  llvm::SmallVector<Node*, 16> nodes(products.begin(), products.end());
  grow(proposals, nodes, first->type(), false);
  proposals.sort(nodes);
  if (products_meet(products, nodes))
    proposals.offer(Pattern::kExperts, nodes, kProposer, "two products of the chosen experts and their gate");
}

/// What only `reader` reads and what makes one factor for each choice of an operand of the region.
void grow_factors(const Proposals& proposals, Value* factor, const Node* reader,
                  llvm::SmallVectorImpl<Node*>& nodes) {
  while ((factor->node()->op() == Op::kReshape || factor->node()->op() == Op::kCast) &&
         factor->only_used_by(reader) && proposals.needs_cover(*factor->node())) {
    nodes.push_back(factor->node());
    reader = factor->node();
    factor = reader->operand(0);
  }
}

Node* user_with(const Value* value, Op op) {
  if (value->is_result() || value->users().size() != 1) return nullptr;
  return value->users()[0]->op() == op ? value->users()[0] : nullptr;
}

void offer_sum(Proposals& proposals, Node* product) {
  llvm::SmallVector<Node*, 16> nodes{product};
  if (Node* cast = user_with(product->result(), Op::kCast)) nodes.push_back(cast);
  Node* weighted = user_with(nodes.back()->result(), Op::kMul);
  if (!weighted) return;
  Node* sum = user_with(weighted->result(), Op::kSum);
  const auto choices = product->type().rank() - 2;
  if (!sum || sum->attributes.integers("axes") != Extents{choices} || sum->attributes.flag("keepdims"))
    return;
  Value* factor = weighted->operand(weighted->operand(0) == nodes.back()->result() ? 1 : 0);
  nodes.append({weighted, sum});
  grow_factors(proposals, factor, weighted, nodes);
  proposals.offer(Pattern::kExperts, nodes, kProposer, "the chosen experts' results, weighted and summed");
  const size_t summed = nodes.size();
  llvm::SmallVector<Node*, 16> whole{sum};
  grow(proposals, whole, sum->type(), true);
  nodes.append(whole.begin() + 1, whole.end());
  if (nodes.size() > summed)
    proposals.offer(Pattern::kExperts, nodes, kProposer,
                    "the chosen experts' results, weighted and summed, with the elementwise ops after it");
}

}  // namespace

void fuse_experts(Proposals& proposals) {
  for (Node& node : proposals.graph.nodes()) {
    if (node.op() != Op::kGroupedMatmul || !proposals.needs_cover(node)) continue;
    offer_sum(proposals, &node);
    for (Node* other : node.operand(0)->users())
      if (other->op() == Op::kGroupedMatmul && other->operand(0) == node.operand(0) &&
          other->operand(2) == node.operand(2) && other->type() == node.type() &&
          proposals.order.lookup(other) > proposals.order.lookup(&node))
        offer_gate(proposals, &node, other);
  }
}

}  // namespace tenon
