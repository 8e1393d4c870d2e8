// region.cpp: bodies of proposed regions, their keys and their place.
#include "passes/region.h"

#include <deque>

#include "ir/builder.h"
#include "ir/print.h"
#include "llvm/ADT/DenseSet.h"

namespace tenon {
namespace {

bool is_weight_source(const Node& node) { return node.op() == Op::kWeight || node.op() == Op::kRopeTable; }

/// Collects what a region's body is made of: parameters in order of first use, and the nodes to copy.
struct BodyMaker {
  llvm::DenseSet<const Node*> covered;
  llvm::SmallVector<Node*, 16> copied;  // covered nodes, constants and weight expressions, operands first
  llvm::DenseSet<const Node*> seen;
  std::vector<Value*> inputs;
  llvm::DenseSet<const Value*> input_set;

  void visit(Node* node) {
    if (!seen.insert(node).second) return;
    for (Value* operand : node->operands()) {
      Node* from = operand->node();
      bool inside = covered.contains(from) || from->op() == Op::kConstant || from->op() == Op::kIota;
      if (inside || is_weight_expression(operand))
        visit(from);
      else if (input_set.insert(operand).second)
        inputs.push_back(operand);
    }
    copied.push_back(node);
  }
};

int rank_of_op(const Node& node) {
  switch (node.kind()) {
    case OpKind::kComposite: return node.op() == Op::kAttention ? 4 : 1;
    case OpKind::kContraction: return 3;
    case OpKind::kReduction:
    case OpKind::kNormalisation: return 2;
    default: return 0;
  }
}

}  // namespace

llvm::StringRef name_of(Pattern pattern) {
  static constexpr llvm::StringLiteral kNames[] = {"view",    "elementwise",   "movement", "row",
                                                   "product", "gated product", "attention"};
  return kNames[static_cast<int>(pattern)];
}

bool is_weight_expression(const Value* value) {
  const Node& node = *value->node();
  if (node.kind() == OpKind::kSource || value->is_result()) return false;
  bool weights = false;
  for (const Value* operand : node.operands()) {
    const Node& from = *operand->node();
    bool constant = from.op() == Op::kConstant || from.op() == Op::kIota;
    if (!constant && !is_weight_source(from) && !is_weight_expression(operand)) return false;
    weights |= !constant;
  }
  return weights;
}

bool is_weight_parameter(const Value* value) {
  return value->node()->op() == Op::kParameter && value->node()->attributes.flag("weight");
}

bool is_packed(const Value* value) {
  const Node& node = *value->node();
  if (node.op() == Op::kConstant) return node.attributes.find("values") != nullptr;
  if (node.kind() == OpKind::kSource) return false;
  bool weights = false;
  for (const Value* operand : node.operands()) {
    const Node& from = *operand->node();
    bool constant = from.op() == Op::kConstant || from.op() == Op::kIota;
    if (!constant && !is_weight_parameter(operand) && !is_packed(operand)) return false;
    weights |= !constant || is_packed(operand);
  }
  return weights;
}

Node* principal(llvm::ArrayRef<Node*> nodes) {
  Node* best = nodes.back();
  for (Node* node : llvm::reverse(nodes))
    if (rank_of_op(*node) >= rank_of_op(*best)) best = node;
  return best;
}

Location Region::location() const { return principal(nodes)->location; }

Region make_region(Pattern pattern, llvm::ArrayRef<Node*> nodes, llvm::StringRef proposer) {
  Region region;
  region.pattern = pattern;
  region.nodes.assign(nodes.begin(), nodes.end());
  region.proposer = proposer.str();
  BodyMaker maker;
  maker.covered.insert(nodes.begin(), nodes.end());
  for (Node* node : nodes) maker.visit(node);
  region.inputs = maker.inputs;

  region.body = std::make_unique<Graph>();
  llvm::DenseMap<const Value*, Value*> map;
  for (size_t i = 0; i < region.inputs.size(); ++i) {
    Value* input = region.inputs[i];
    Attributes attributes{{"index", Dim(static_cast<int64_t>(i))},
                          {"weight", is_weight_source(*input->node())}};
    Node* parameter = region.body->create(Op::kParameter, {}, std::move(attributes), {input->type()},
                                          input->node()->location);
    llvm::StringRef path = input->name();  // "layer.3.wq": the same in every repetition without its path
    if (!path.empty()) parameter->result()->set_name(path.substr(path.rfind('.') + 1));
    map[input] = parameter->result();
  }
  for (Node* node : maker.copied) copy_node(*node, *region.body, map)->set_scope("");
  for (Node* node : nodes)
    for (int i = 0; i < node->result_count(); ++i) {
      Value* value = node->result(i);
      bool outside = value->is_result() ||
                     llvm::any_of(value->users(), [&](Node* user) { return !maker.covered.contains(user); });
      if (!outside) continue;
      region.outputs.push_back(value);
      region.body->add_output(value->name(), map.lookup(value));
    }
  seal(region);
  return region;
}

void seal(Region& region) { region.key = print(*region.body); }

bool is_convex(llvm::ArrayRef<Node*> nodes) {
  // In topological order a path that leaves and comes back passes only through nodes between the first and
  // the last.
  llvm::DenseSet<const Node*> inside(nodes.begin(), nodes.end());
  llvm::DenseSet<const Node*> tainted;  // outside, fed by the inside
  size_t seen = 0;
  for (auto at = nodes.front()->getIterator(); seen < nodes.size(); ++at) {
    bool fed = false, by_tainted = false;
    for (const Value* operand : at->operands()) {
      fed |= inside.contains(operand->node());
      by_tainted |= tainted.contains(operand->node());
    }
    if (inside.contains(&*at)) {
      if (by_tainted) return false;
      ++seen;
    } else if (fed || by_tainted) {
      tainted.insert(&*at);
    }
  }
  return true;
}

}  // namespace tenon
