// region.cpp: bodies of proposed regions, their keys and their place.
#include "passes/region.h"

#include "ir/print.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SmallPtrSet.h"

namespace tenon {
namespace {

/// Expressions of weights that are deeper are computed in each run: every region that reads one copies it.
constexpr int kDeepestWeights = 64;

bool is_weight_source(const Node& node) { return node.op() == Op::kWeight || node.op() == Op::kRopeTable; }

bool is_free_source(const Node& node) { return node.op() == Op::kConstant || node.op() == Op::kIota; }

template <class Number>
void put(std::string& text, Number number) {
  text.append(reinterpret_cast<const char*>(&number), sizeof number);
}

void put(std::string& text, llvm::StringRef part) {
  put(text, part.size());
  text.append(part.data(), part.size());
}

void put(std::string& text, const Type& type) {
  put(text, static_cast<uint8_t>(type.dtype));
  put(text, type.shape.size());
  for (const Dim& d : type.shape) {
    put(text, d.extent());
    if (d.dynamic()) put(text, d.symbol());
  }
}

void put(std::string& text, const Attribute& attribute) {
  put(text, attribute.index());
  if (const auto* value = std::get_if<bool>(&attribute)) return put(text, *value);
  if (const auto* value = std::get_if<double>(&attribute)) return put(text, *value);
  if (const auto* value = std::get_if<std::string>(&attribute)) return put(text, llvm::StringRef(*value));
  if (const auto* value = std::get_if<Dim>(&attribute)) return put(text, Type{DType::kI64, {*value}});
  if (const auto* value = std::get_if<Shape>(&attribute)) return put(text, Type{DType::kI64, *value});
  for (double value : std::get<std::vector<double>>(attribute)) put(text, value);
}

llvm::StringRef without_path(llvm::StringRef name) { return name.substr(name.rfind('.') + 1); }

/// Walks from a region's nodes to what its body is made of. Regions are small: lists are searched, not
/// hashed.
struct ShapeMaker {
  llvm::ArrayRef<Node*> covered;
  const WeightExpressions& weights;
  RegionShape shape;

  void visit(Node* node) {
    if (llvm::is_contained(shape.copied, node)) return;
    for (Value* operand : node->operands()) {
      Node* from = operand->node();
      if (is_free_source(*from) || weights.contains(operand) || llvm::is_contained(covered, from))
        visit(from);
      else if (!llvm::is_contained(shape.inputs, operand))
        shape.inputs.push_back(operand);
    }
    shape.copied.push_back(node);
  }

  void find_outputs() {
    for (Node* node : covered)
      for (int i = 0; i < node->result_count(); ++i) {
        Value* value = node->result(i);
        auto outside = [&](Node* user) { return !llvm::is_contained(covered, user); };
        if (value->is_result() || llvm::any_of(value->users(), outside)) shape.outputs.push_back(value);
      }
  }

  void describe() {
    std::string& text = shape.structure;
    text.reserve(512);
    for (const Value* input : shape.inputs) {
      put(text, input->type());
      put(text, is_weight_source(*input->node()));
      put(text, without_path(input->name()));
    }
    for (const Node* node : shape.copied) {
      put(text, static_cast<uint8_t>(node->op()));
      for (const Value* operand : node->operands()) {
        auto input = llvm::find(shape.inputs, operand);
        auto inside = llvm::find(shape.copied, operand->node());
        put(text, input != shape.inputs.end() ? input - shape.inputs.begin()
                                              : -1 - (inside - shape.copied.begin()));
        put(text, static_cast<uint8_t>(operand->index()));
      }
      for (const auto& [name, value] : node->attributes) {
        put(text, name.data());  // literals: one address a name
        put(text, value);
      }
      for (int i = 0; i < node->result_count(); ++i) {
        put(text, node->type(i));
        put(text, node->result(i)->name());
      }
    }
    for (const Value* output : shape.outputs) {
      put(text, llvm::find(shape.copied, output->node()) - shape.copied.begin());
      put(text, static_cast<uint8_t>(output->index()));
    }
  }
};

int rank_of_op(const Node& node) {
  switch (node.kind()) {
    case OpKind::kComposite: return node.op() == Op::kAttention ? 4 : node.op() == Op::kGroupedMatmul ? 3 : 1;
    case OpKind::kContraction: return 3;
    case OpKind::kReduction:
    case OpKind::kNormalisation: return 2;
    default: return 0;
  }
}

/// True where every reader of quantised weights has kernels that read the integers themselves: as the right
/// operand of a product, and element by element.
bool is_read_quantised(const Node& dequantise) {
  const Value* value = dequantise.result();
  return !value->is_result() && llvm::all_of(value->users(), [&](const Node* user) {
    switch (user->kind()) {
      case OpKind::kContraction:
        return user->operand(0) != value && value->type().rank() == 2 && user->operand(0)->type().rank() > 1;
      case OpKind::kElementwise: return true;
      case OpKind::kMovement: return user->op() != Op::kScatter;
      default: return false;
    }
  });
}

}  // namespace

llvm::StringRef name_of(Pattern pattern) {
  static constexpr llvm::StringLiteral kNames[] = {"view",    "elementwise",   "movement",  "row",
                                                   "product", "gated product", "attention", "experts"};
  return kNames[static_cast<int>(pattern)];
}

WeightExpressions::WeightExpressions(const Graph& graph) {
  llvm::DenseMap<const Value*, int> depths;
  for (const Node& node : graph.nodes()) {
    if (node.kind() == OpKind::kSource) continue;
    if (node.op() == Op::kDequantise) {
      if (is_read_quantised(node)) dequantised_.insert(node.result());
      continue;
    }
    bool weight = false, other = false;
    int depth = 0;
    for (const Value* operand : node.operands()) {
      depth = std::max(depth, depths.lookup(operand) + 1);
      bool from_weights = is_weight_source(*operand->node()) || values_.contains(operand);
      weight |= from_weights;
      other |= !from_weights && !is_free_source(*operand->node());
    }
    if (!weight || other || depth > kDeepestWeights) continue;
    for (int i = 0; i < node.result_count(); ++i) {
      depths[node.result(i)] = depth;
      if (!node.result(i)->is_result()) values_.insert(node.result(i));
    }
  }
}

bool is_weight_parameter(const Value* value) {
  return value->node()->op() == Op::kParameter && value->node()->attributes.flag("weight");
}

bool is_packed(const Value* value) {
  const Node& root = *value->node();
  if (root.op() == Op::kConstant) return root.attributes.find("values") != nullptr;
  if (root.kind() == OpKind::kSource || root.op() == Op::kDequantise) return false;
  // Each node once, however many paths lead to it.
  llvm::SmallVector<const Node*, 8> waiting{&root};
  llvm::SmallPtrSet<const Node*, 16> seen;
  while (!waiting.empty()) {
    bool weights = false;
    for (const Value* operand : waiting.pop_back_val()->operands()) {
      const Node& from = *operand->node();
      const bool constant = from.op() == Op::kConstant || from.op() == Op::kIota;
      weights |= !constant || from.attributes.find("values");
      if (constant || is_weight_parameter(operand)) continue;
      if (from.kind() == OpKind::kSource || from.op() == Op::kDequantise) return false;
      if (seen.insert(&from).second) waiting.push_back(&from);
    }
    if (!weights) return false;
  }
  return true;
}

Node* principal(llvm::ArrayRef<Node*> nodes) {
  Node* best = nodes.back();
  for (Node* node : llvm::reverse(nodes))
    if (rank_of_op(*node) >= rank_of_op(*best)) best = node;
  return best;
}

Location Region::location() const { return principal(nodes)->location; }

RegionShape shape_of_region(llvm::ArrayRef<Node*> nodes, const WeightExpressions& weights) {
  ShapeMaker maker{nodes, weights, {}};
  for (Node* node : nodes) maker.visit(node);
  maker.find_outputs();
  maker.describe();
  return std::move(maker.shape);
}

std::shared_ptr<Graph> make_body(const RegionShape& shape) {
  auto body = std::make_shared<Graph>();
  llvm::DenseMap<const Value*, Value*> map;
  int64_t index = 0;
  for (Value* input : shape.inputs) {
    Attributes attributes{{"index", Dim(index++)}, {"weight", is_weight_source(*input->node())}};
    Node* parameter =
        body->create(Op::kParameter, {}, std::move(attributes), {input->type()}, input->node()->location);
    if (!input->name().empty()) parameter->result()->set_name(without_path(input->name()));
    map[input] = parameter->result();
  }
  for (Node* node : shape.copied) copy_node(*node, *body, map)->set_scope("");
  for (const Value* output : shape.outputs) body->add_output(output->name(), map.lookup(output));
  return body;
}

Region make_region(Pattern pattern, llvm::ArrayRef<Node*> nodes, llvm::StringRef proposer) {
  RegionShape shape = shape_of_region(nodes, WeightExpressions(nodes.front()->graph()));
  Region region;
  region.pattern = pattern;
  region.nodes.assign(nodes.begin(), nodes.end());
  region.inputs = shape.inputs;
  region.outputs = shape.outputs;
  region.body = make_body(shape);
  region.proposer = proposer.str();
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
