// fuse_attention.cpp: offers attention with the movement before and after it that strides express.
#include "llvm/ADT/DenseSet.h"
#include "passes/attention_operands.h"
#include "passes/passes.h"

namespace tenon {
namespace {

constexpr char kProposer[] = "fuse_attention";

bool strided(const Node& node) {
  return node.op() == Op::kReshape || node.op() == Op::kTranspose || node.op() == Op::kSlice;
}

// transpose to [B, T, H, d] and reshape to [B, T, H*d] behind the attention, each read by the next alone.
llvm::SmallVector<Node*, 2> merge_after(Node* attention) {
  llvm::SmallVector<Node*, 2> merged;
  Node* at = attention;
  for (Op op : {Op::kTranspose, Op::kReshape}) {
    if (at->result()->is_result() || at->result()->users().size() != 1 ||
        at->result()->users()[0]->op() != op)
      break;
    at = at->result()->users()[0];
    merged.push_back(at);
  }
  return merged;
}

// Movement in front of q, k and v that only the attention reads, the gathering of their pages included.
llvm::SmallVector<Node*, 8> split_before(Node* attention) {
  llvm::SmallVector<Node*, 8> before;
  llvm::DenseSet<const Node*> inside{attention};
  llvm::SmallVector<Value*, 8> waiting{attention->operand(0), attention->operand(1), attention->operand(2)};
  const Node* pages[] = {gathered_pages(attention->operand(1)), gathered_pages(attention->operand(2))};
  while (!waiting.empty()) {
    Value* value = waiting.pop_back_val();
    bool alone = !value->is_result() &&
                 llvm::all_of(value->users(), [&](Node* user) { return inside.contains(user); });
    const bool moved = strided(*value->node()) || llvm::is_contained(pages, value->node());
    if (!moved || !alone || !inside.insert(value->node()).second) continue;
    before.push_back(value->node());
    waiting.push_back(value->node()->operand(0));
  }
  return before;
}

}  // namespace

void fuse_attention(Proposals& proposals) {
  for (Node& node : proposals.graph.nodes()) {
    if (node.op() != Op::kAttention) continue;
    auto after = merge_after(&node);
    auto before = split_before(&node);
    llvm::SmallVector<Node*, 16> nodes{&node};
    nodes.append(after.begin(), after.end());
    if (!after.empty())
      proposals.offer(Pattern::kAttention, nodes, kProposer, "attention, heads merged on the way out");
    nodes.append(before.begin(), before.end());
    if (!before.empty())
      proposals.offer(Pattern::kAttention, nodes, kProposer,
                      "attention, heads split and merged through strides");
  }
}

}  // namespace tenon
