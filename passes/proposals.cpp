// proposals.cpp: growing heads and tails, and keeping what the fusion passes offer.
#include "passes/proposals.h"

#include <queue>

#include "ir/print.h"
#include "llvm/ADT/DenseSet.h"

namespace tenon {
namespace {

/// Grows a tail node by node in topological order.
struct Tail {
  const Proposals& proposals;
  llvm::DenseSet<const Node*> inside;
  llvm::SmallVector<Node*, 16> all;  // base and tail, sorted
  llvm::SmallVector<Node*, 16> tail;
  HeadNorms head_norms;

  bool holds(const Value* value) const { return inside.contains(value->node()); }

  bool fits_elementwise(const Node& node) const {
    // Every operand from inside has the result's shape; what comes from outside is broadcast.
    return llvm::all_of(node.operands(), [&](const Value* operand) {
      return !holds(operand) || operand->type().shape == node.type().shape;
    });
  }

  /// A norm over the last axis of what a reshape has split off the products' columns.
  bool fits_head_norm(const Node& node) const {
    const int64_t rank = node.type().rank(), axis = node.attributes.integer("axis", -1);
    const bool whole_rows = llvm::any_of(all, [&](const Node* base) {
      return base->kind() == OpKind::kContraction && base->type().shape == node.type().shape;
    });
    return holds(node.operand(0)) && (axis + rank) % rank == rank - 1 && !whole_rows &&
           llvm::none_of(node.operands().drop_front(), [&](const Value* operand) { return holds(operand); });
  }

  bool joins(const Node& node) const {
    switch (node.op()) {
      case Op::kReshape:
      case Op::kTranspose: return true;
      case Op::kSlice:
        return node.attributes.integer("axis") % node.type().rank() == node.type().rank() - 1 &&
               node.attributes.integer("step", 1) == 1;
      case Op::kRmsnorm: return head_norms == HeadNorms::kTaken && fits_head_norm(node);
      case Op::kRope: return holds(node.operand(0)) && !holds(node.operand(1));
      case Op::kCacheWrite:
        return llvm::all_of(node.operands(), [&](const Value* operand) {
          return holds(operand) == (operand == node.operand(1));
        });
      default: return is_elementwise(node.op()) && fits_elementwise(node);
    }
  }

  void grow() {
    using Entry = std::pair<int, Node*>;
    std::priority_queue<Entry, std::vector<Entry>, std::greater<Entry>> waiting;
    llvm::DenseSet<const Node*> seen;
    auto push_users = [&](Node* node) {
      if (node->op() == Op::kCacheWrite) return;  // the whole cache is no longer an element of the product
      for (int i = 0; i < node->result_count(); ++i)
        for (Node* user : node->result(i)->users())
          if (seen.insert(user).second) waiting.push({proposals.order.lookup(user), user});
    };
    for (Node* node : llvm::SmallVector<Node*, 16>(all.begin(), all.end()))
      if (node->kind() == OpKind::kContraction) push_users(node);
    while (!waiting.empty() && all.size() < kMaxRegionNodes) {
      Node* node = waiting.top().second;
      waiting.pop();
      if (inside.contains(node) || !joins(*node)) continue;
      all.push_back(node);
      proposals.sort(all);
      if (!is_convex(all)) {
        all.erase(llvm::find(all, node));
        continue;
      }
      inside.insert(node);
      tail.push_back(node);
      push_users(node);
    }
  }
};

}  // namespace

Proposals::Proposals(Graph& whole) : graph(whole), weights(whole) {
  int position = 0;
  for (const Node& node : graph.nodes()) order[&node] = position++;
}

void Proposals::sort(llvm::SmallVectorImpl<Node*>& nodes) const {
  llvm::sort(nodes, [&](const Node* a, const Node* b) { return order.lookup(a) < order.lookup(b); });
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
}

std::string Proposals::offer(Pattern pattern, llvm::ArrayRef<Node*> nodes, llvm::StringRef proposer,
                             llvm::StringRef note, Rewrite rewrite) {
  llvm::SmallVector<Node*, 16> sorted(nodes.begin(), nodes.end());
  sort(sorted);
  if (sorted.size() > 1 && !is_convex(sorted)) return "";
  RegionShape shape = shape_of_region(sorted, weights);
  auto [entry, fresh] = prototypes_.try_emplace(shape.structure + proposer.str() + (rewrite ? "+" : "-"));
  Prototype& prototype = entry->second;
  if (fresh) {
    prototype.body = make_body(shape);
    if (rewrite) prototype.obstacle = rewrite(*prototype.body);
    prototype.key = print(*prototype.body);
  }
  if (!prototype.obstacle.empty()) return prototype.obstacle;
  Region region;
  region.pattern = pattern;
  region.nodes.assign(sorted.begin(), sorted.end());
  region.inputs = std::move(shape.inputs);
  region.outputs = std::move(shape.outputs);
  region.body = prototype.body;
  region.key = prototype.key;
  region.note = note.str();
  region.proposer = proposer.str();
  regions.push_back(std::move(region));
  return "";
}

void Proposals::near_miss(const Node& node, llvm::StringRef pattern, std::string reason) {
  near_misses.push_back(remark(node, pattern, std::move(reason)));
}

llvm::SmallVector<Node*, 16> grow_tail(const Proposals& proposals, llvm::ArrayRef<Node*> base,
                                       HeadNorms head_norms) {
  Tail tail{proposals, {}, {}, {}, head_norms};
  tail.all.assign(base.begin(), base.end());
  tail.inside.insert(base.begin(), base.end());
  tail.grow();
  return tail.tail;
}

llvm::SmallVector<Node*, 8> grow_head(const Proposals& proposals, Value* value, const Node* reader) {
  llvm::SmallVector<Node*, 8> head;
  llvm::DenseSet<const Node*> inside;
  std::vector<std::pair<Value*, const Node*>> waiting{{value, reader}};
  while (!waiting.empty() && head.size() < kMaxRegionNodes) {
    Value* from = waiting.back().first;
    const Node* user = waiting.back().second;
    waiting.pop_back();
    Node* node = from->node();
    bool read_inside = !from->is_result() &&
                       llvm::all_of(from->users(), [&](Node* n) { return n == user || inside.contains(n); });
    if (!is_elementwise(node->op()) || !read_inside || node->type().shape != value->type().shape ||
        proposals.weights.contains(from))
      continue;
    if (!inside.insert(node).second) continue;
    head.push_back(node);
    for (Value* operand : node->operands()) waiting.push_back({operand, node});
  }
  proposals.sort(head);
  return head;
}

bool is_view(const Node& node) {
  const Type& result = node.type();
  switch (node.op()) {
    case Op::kReshape: return true;
    case Op::kExpand: return node.operand(0)->type().elements() == result.elements();
    case Op::kSlice: {
      int64_t axis = (node.attributes.integer("axis") + result.rank()) % result.rank();
      const Type& whole = node.operand(0)->type();
      int64_t bytes =
          node.attributes.integer("start") * row_major_strides(whole.shape)[axis] * size_of(whole.dtype);
      return node.attributes.integer("step", 1) == 1 &&
             bytes % 16 == 0 &&  // what vectors of every kernel rely on
             element_count(llvm::ArrayRef<Dim>(result.shape).take_front(axis)) <= 1;
    }
    case Op::kTranspose: {  // only axes of extent 1 change their place
      int64_t last = -1;
      for (int64_t from : node.attributes.integers("perm")) {
        from = from < 0 ? from + result.rank() : from;
        if (node.operand(0)->type().shape[from].extent() == 1) continue;
        if (from < last) return false;
        last = from;
      }
      return true;
    }
    default: return false;
  }
}

bool is_index_map(const Node& node) {
  switch (node.op()) {
    case Op::kReshape:
    case Op::kTranspose:
    case Op::kSlice:
    case Op::kConcat:
    case Op::kExpand:
    case Op::kPad:
    case Op::kGather: return true;
    default: return false;
  }
}

bool Proposals::is_linear(const Node& node) const {
  if (node.op() != Op::kMatmul || node.attributes.flag("transpose_a")) return false;
  const Value* right = node.operand(1);
  bool weight = right->node()->op() == Op::kWeight || weights.contains(right);
  return weight && right->type().rank() == 2 && node.operand(0)->type().rank() >= 1;
}

llvm::SmallVector<Node*, 4> Proposals::sibling_products(Value* left) const {
  llvm::SmallVector<Node*, 4> products;
  for (Node* user : left->users())
    if (is_linear(*user) && user->operand(0) == left && !llvm::is_contained(products, user))
      products.push_back(user);
  auto differs = [&](const Node* node) {
    return node->attributes != products[0]->attributes || node->type().dtype != products[0]->type().dtype;
  };
  if (products.size() > 1 && llvm::any_of(products, differs)) products.clear();
  return products;
}

}  // namespace tenon
