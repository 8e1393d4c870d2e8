// fuse_row.cpp: offers reductions and normalisations with their elementwise neighbours.
#include "passes/passes.h"

namespace tenon {
namespace {

constexpr char kProposer[] = "fuse_row";

bool is_row_op(const Node& node) {
  return node.kind() == OpKind::kReduction || node.kind() == OpKind::kNormalisation;
}

// The axes that a row op reads whole, as a mask over the operand's axes.
uint64_t row_axes(const Node& node) {
  int64_t rank = node.operand(0)->type().rank();
  uint64_t mask = 0;
  if (node.kind() == OpKind::kReduction) {
    for (int64_t axis : node.attributes.integers("axes")) mask |= uint64_t{1} << ((axis + rank) % rank);
    return mask;
  }
  int64_t axis = (node.attributes.integer("axis", -1) + rank) % rank;
  bool later = node.op() == Op::kLayernorm || node.op() == Op::kRmsnorm || node.op() == Op::kMoments;
  for (int64_t i = axis; i < (later ? rank : axis + 1); ++i) mask |= uint64_t{1} << i;
  return mask;
}

/// Grows a row region around one row op: forward over elementwise ops and row ops of the same rows, backward
/// over heads.
struct RowGroup {
  const Proposals& proposals;
  Node* root;
  llvm::SmallVector<Node*, 16> nodes;

  llvm::ArrayRef<Dim> row_shape() const { return root->operand(0)->type().shape; }

  bool joins(const Node& node) const {
    if (is_row_op(node))
      return llvm::equal(node.operand(0)->type().shape, row_shape()) && row_axes(node) == row_axes(*root);
    if (!is_elementwise(node.op())) return false;
    // Full rows, or one value for each row (kept extents of 1).
    llvm::ArrayRef<Dim> shape = node.type().shape;
    if (llvm::equal(shape, row_shape())) return true;
    if (shape.size() != row_shape().size()) return false;
    for (size_t i = 0; i < shape.size(); ++i) {
      bool reduced = row_axes(*root) >> i & 1;
      if (reduced ? shape[i].extent() != 1 : shape[i] != row_shape()[i]) return false;
    }
    return true;
  }

  void grow_forward() {
    for (size_t at = 0; at < nodes.size() && nodes.size() < kMaxRegionNodes; ++at)
      for (int i = 0; i < nodes[at]->result_count(); ++i)
        for (Node* user : nodes[at]->result(i)->users()) {
          if (llvm::is_contained(nodes, user) || !joins(*user)) continue;
          llvm::SmallVector<Node*, 16> longer(nodes.begin(), nodes.end());
          longer.push_back(user);
          proposals.sort(longer);
          if (is_convex(longer)) nodes.push_back(user);
        }
  }
};

}  // namespace

void fuse_row(Proposals& proposals) {
  for (Node& node : proposals.graph.nodes()) {
    if (!is_row_op(node) || !proposals.needs_cover(node)) continue;
    RowGroup group{proposals, &node, {&node}};
    group.grow_forward();
    auto with_tail = group.nodes;
    // One producer of the row's shape may also be needed elsewhere (a residual sum): it becomes a second
    // output.
    llvm::SmallVector<Node*, 16> head{&node};
    Node* producer = node.operand(0)->node();
    if (is_elementwise(producer->op()) && producer->type().shape == node.operand(0)->type().shape &&
        proposals.needs_cover(*producer)) {
      head.push_back(producer);
      for (Value* operand : producer->operands())
        for (Node* more : grow_head(proposals, operand, producer)) head.push_back(more);
    }
    if (with_tail.size() > 1)
      proposals.offer(Pattern::kRow, with_tail, kProposer,
                      name_of(node.op()).str() + " with the elementwise ops after it");
    if (head.size() == 1) continue;
    proposals.offer(Pattern::kRow, head, kProposer,
                    name_of(node.op()).str() + " with the elementwise ops before it");
    if (with_tail.size() == 1) continue;
    head.append(with_tail.begin(), with_tail.end());
    proposals.offer(Pattern::kRow, head, kProposer,
                    name_of(node.op()).str() + " with the elementwise ops around it");
  }
}

}  // namespace tenon
