// fuse_elementwise.cpp: offers groups of elementwise ops and index maps, and every single node as its own
// region.
#include <bit>

#include "llvm/ADT/DenseSet.h"
#include "passes/passes.h"

namespace tenon {
namespace {

constexpr char kProposer[] = "fuse_elementwise";
constexpr size_t kMaxParts =
    6;  // groups up to this size are also offered in parts, longer ones whole and from each end

constexpr size_t kMaxEnds = 16;  // and of yet longer ones ends of 2, 4, 8 .. nodes, and what they leave
constexpr int kMaxApart = 2048;  // places in the graph's order between the first and the last of a group

bool takes(const Proposals& proposals, const Node& node) {
  return (is_elementwise(node.op()) || is_index_map(node) || node.op() == Op::kRope ||
          node.op() == Op::kDequantise) &&
         proposals.needs_cover(node);
}

// What is computed where it is read has no bytes that could be seen under another shape.
bool in_memory(const Value& value) {
  const Op op = value.node()->op();
  return op != Op::kConstant && op != Op::kIota && op != Op::kDequantise;
}

/// Types that product kernels multiply; a product of others is sums of rows.
bool has_product_kernels(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

Pattern single_pattern(const Node& node) {
  switch (node.kind()) {
    case OpKind::kReduction:
    case OpKind::kNormalisation: return Pattern::kRow;
    case OpKind::kContraction:
      return has_product_kernels(node.type().dtype) ? Pattern::kProduct : Pattern::kRow;
    case OpKind::kComposite:
      return node.op() == Op::kAttention       ? Pattern::kAttention
             : node.op() == Op::kGroupedMatmul ? Pattern::kExperts
                                               : Pattern::kElementwise;
    case OpKind::kState: return Pattern::kMovement;
    default:
      if (node.op() == Op::kScatter) return Pattern::kMovement;
      return is_view(node) && in_memory(*node.operand(0)) ? Pattern::kView : Pattern::kElementwise;
  }
}

/// Connected nodes over one shape: a consumer joins its producer's group when it has as many elements, or
/// when it is the producer's only reader (a broadcast of something smaller, recomputed for each element).
struct Groups {
  explicit Groups(const Proposals& all) : proposals(all) {}
  const Proposals& proposals;
  llvm::DenseMap<const Node*, int> group_of;
  std::vector<llvm::SmallVector<Node*, 8>> groups;

  bool joins(const Node& node, const Value* operand) const {
    const auto found = group_of.find(operand->node());
    if (found == group_of.end() || groups[found->second].size() >= kMaxRegionNodes) return false;
    return operand->type().elements() == node.type().elements() || operand->only_used_by(&node);
  }

  void add(Node* node) {
    int target = -1;
    for (Value* operand : node->operands()) {
      if (!joins(*node, operand)) continue;
      int other = group_of.lookup(operand->node());
      if (other == target) continue;
      llvm::SmallVector<Node*, 16> merged(groups[other].begin(), groups[other].end());
      if (target >= 0) merged.append(groups[target].begin(), groups[target].end());
      merged.push_back(node);
      proposals.sort(merged);
      const int apart = proposals.order.lookup(node) - proposals.order.lookup(merged.front());
      if (merged.size() > kMaxRegionNodes || apart > kMaxApart || !is_convex(merged)) continue;
      if (target >= 0) {
        for (Node* member : groups[target]) group_of[member] = other;
        groups[other].append(groups[target].begin(), groups[target].end());
        groups[target].clear();
      }
      target = other;
    }
    if (target < 0) {
      target = static_cast<int>(groups.size());
      groups.emplace_back();
    }
    group_of[node] = target;
    groups[target].push_back(node);
  }
};

/// A cache write and what computes or reads as many elements as it writes beside it: the ops that make the new rows, also
/// where others read those, and elementwise ops of its position.
struct WriteGroup {
  const Proposals& proposals;
  const Node* write;
  llvm::SmallVector<Node*, 16> nodes;

  void add(Node* node) {
    if (llvm::is_contained(nodes, node) || !takes(proposals, *node) ||
        node->type().elements() != write->operand(1)->type().elements())
      return;
    llvm::SmallVector<Node*, 16> more(nodes.begin(), nodes.end());
    more.push_back(node);
    proposals.sort(more);
    if (is_convex(more)) nodes.push_back(node);
  }

  void grow() {
    add(write->operand(1)->node());
    for (size_t at = 1; at < nodes.size(); ++at) {
      for (Value* operand : nodes[at]->operands()) add(operand->node());
      add_results(nodes[at]->result());
    }
    add_results(write->operand(2));
  }
  /// Readers of a value that no other node reads: what else must run after this kernel stays as it was.
  void add_results(Value* value) {
    for (Node* user : value->users())
      if (user->result_count() == 1 && user->result()->users().empty()) add(user);
  }
};

}  // namespace

void offer_single_nodes(Proposals& proposals) {
  for (Node& node : proposals.graph.nodes())
    if (proposals.needs_cover(node))
      proposals.offer(single_pattern(node), {&node}, "single", name_of(node.op()));
}

void fuse_elementwise(Proposals& proposals) {
  Groups all(proposals);
  for (Node& node : proposals.graph.nodes())
    if (takes(proposals, node)) all.add(&node);
  for (auto& group : all.groups) {
    llvm::SmallVector<Node*, 16> nodes(group.begin(), group.end());
    proposals.sort(nodes);
    size_t count = nodes.size();
    llvm::ArrayRef<Node*> whole(nodes);
    for (size_t length = 2; length <= count; ++length)
      for (size_t start = 0; start + length <= count; ++start) {
        bool at_an_end = start == 0 || start + length == count;
        if (length < count && count > kMaxParts && !at_an_end) continue;
        if (count > kMaxEnds && !std::has_single_bit(length) && !std::has_single_bit(count - length) &&
            length < count)
          continue;
        proposals.offer(Pattern::kElementwise, whole.slice(start, length), kProposer,
                        std::to_string(length) + " elementwise ops as one");
      }
  }
}

void fuse_movement(Proposals& proposals) {
  for (Node& node : proposals.graph.nodes()) {
    if (node.op() != Op::kCacheWrite && node.op() != Op::kScatter) continue;
    llvm::SmallVector<Node*, 16> nodes{&node};
    // What only this write reads, backwards along its new values.
    for (Node* from = node.operand(node.op() == Op::kScatter ? 2 : 1)->node();
         takes(proposals, *from) && from->result()->only_used_by(nodes.back());
         from = from->operand(0)->node()) {
      nodes.push_back(from);
      proposals.offer(Pattern::kMovement, nodes, "fuse_movement",
                      "elementwise ops + " + name_of(node.op()).str());
    }
    if (node.op() != Op::kCacheWrite) continue;
    WriteGroup group{proposals, &node, {&node}};
    group.grow();
    if (group.nodes.size() > nodes.size())
      proposals.offer(Pattern::kMovement, group.nodes, "fuse_movement",
                      "cache_write with the elementwise ops beside it");
  }
}

Proposals propose_fusions(Graph& graph) {
  Proposals proposals(graph);
  offer_single_nodes(proposals);
  fuse_epilogue(proposals);
  fuse_qkv(proposals);
  fuse_gated(proposals);
  fuse_norm(proposals);
  fuse_attention(proposals);
  fuse_experts(proposals);
  fuse_row(proposals);
  fuse_elementwise(proposals);
  fuse_movement(proposals);
  return proposals;
}

}  // namespace tenon
