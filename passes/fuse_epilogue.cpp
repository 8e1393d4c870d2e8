// fuse_epilogue.cpp: offers each product with tails of growing length: bias, activation, scale, residual,
// casts, head split, rope, cache write; and with an elementwise head of its left operand.
#include "passes/passes.h"

namespace tenon {
namespace {

constexpr char kProposer[] = "fuse_epilogue";

std::string words(llvm::ArrayRef<Node*> tail) {
  std::string text = "product";
  for (const Node* node : tail) text += " + " + name_of(node->op()).str();
  return text;
}

void offer_tails(Proposals& proposals, Node* product, llvm::ArrayRef<Node*> tail) {
  // Every tail of elementwise ops up to three long may be a library epilogue; the longest is what a generated
  // kernel does.
  llvm::SmallVector<Node*, 16> nodes{product};
  for (size_t length = 1; length <= tail.size(); ++length) {
    nodes.push_back(tail[length - 1]);
    bool short_tail = length <= 3 && is_elementwise(tail[length - 1]->op());
    if (short_tail || length == tail.size())
      proposals.offer(Pattern::kProduct, nodes, kProposer, words(tail.take_front(length)));
  }
}

void offer_head(Proposals& proposals, Node* product, llvm::ArrayRef<Node*> tail) {
  auto head = grow_head(proposals, product->operand(0), product);
  if (head.empty()) return;
  llvm::SmallVector<Node*, 16> nodes(head.begin(), head.end());
  nodes.push_back(product);
  proposals.offer(Pattern::kProduct, nodes, kProposer, "elementwise head + product");
  nodes.append(tail.begin(), tail.end());
  if (!tail.empty())
    proposals.offer(Pattern::kProduct, nodes, kProposer, "elementwise head + " + words(tail));
}

}  // namespace

void fuse_epilogue(Proposals& proposals) {
  for (Node& node : proposals.graph.nodes()) {
    if (node.op() != Op::kMatmul || !proposals.needs_cover(node)) continue;
    auto tail = grow_tail(proposals, {&node});
    offer_tails(proposals, &node, tail);
    offer_head(proposals, &node, tail);
    const auto normed = grow_tail(proposals, {&node}, HeadNorms::kTaken);
    if (normed.size() == tail.size()) continue;
    llvm::SmallVector<Node*, 16> nodes{&node};
    nodes.append(normed.begin(), normed.end());
    proposals.offer(Pattern::kProduct, nodes, kProposer, words(normed));
  }
}

}  // namespace tenon
