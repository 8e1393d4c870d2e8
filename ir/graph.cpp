// graph.cpp: ownership, uses and cloning of graphs.
#include "ir/graph.h"

#include <cassert>

namespace tenon {

namespace {

/// Takes one entry for `user` out. From the back, since the last that came tends to go first: where thousands read one value a
/// search from the front would walk past all of them.
void drop_user(llvm::SmallVectorImpl<Node*>& users, const Node* user) {
  users.erase(std::prev(llvm::find(llvm::reverse(users), user).base()));
}

}  // namespace

void Value::set_name(llvm::StringRef name) { name_ = node_->graph().save(name); }

bool Value::only_used_by(const Node* user) const {
  if (held_ > 0 || users_.empty()) return false;
  return llvm::all_of(users_, [&](const Node* n) { return n == user; });
}

Node::~Node() = default;

void Node::set_operand(int i, Value* value) {
  drop_user(operands_[i]->users_, this);
  operands_[i] = value;
  value->users_.push_back(this);
}

void Node::set_scope(llvm::StringRef scope) { scope_ = graph_->save(scope); }

Graph::~Graph() = default;

Node* Graph::create(Op op, llvm::ArrayRef<Value*> operands, Attributes attributes,
                    llvm::ArrayRef<Type> results, Location location, llvm::StringRef scope, Node* before) {
  auto* node = new Node;
  node->graph_ = this;
  node->op_ = op;
  node->attributes = std::move(attributes);
  node->location = std::move(location);
  node->scope_ = scope.empty() ? llvm::StringRef() : save(scope);
  for (Value* operand : operands) {
    node->operands_.push_back(operand);
    operand->users_.push_back(node);
  }
  for (const Type& type : results) {
    auto value = std::make_unique<Value>();
    value->node_ = node;
    value->index_ = node->result_count();
    value->type_ = type;
    node->results_.push_back(std::move(value));
  }
  nodes_.insert(before ? before->getIterator() : nodes_.end(), node);
  ++count_;
  return node;
}

void Graph::erase(Node* node) {
  assert(llvm::all_of(node->results_, [](const auto& r) { return r->unused(); }) && "erased while in use");
  for (Value* operand : llvm::reverse(node->operands_)) drop_user(operand->users_, node);
  nodes_.erase(node->getIterator());
  --count_;
}

void Graph::move_before(Node* node, Node* before) {
  nodes_.remove(node);
  nodes_.insert(before ? before->getIterator() : nodes_.end(), node);
}

void Graph::replace_all_uses(Value* from, Value* to) {
  if (from == to) return;
  llvm::SmallVector<Node*, 2> users = from->users_;  // a copy: a user may stand in it twice
  const Node* last = nullptr;
  for (Node* user : users) {
    if (user == std::exchange(last, user)) continue;  // its operands are all done
    for (Value*& operand : user->operands_)
      if (operand == from) {
        operand = to;
        to->users_.push_back(user);
      }
  }
  from->users_.clear();
  if (from->held_ > 0) {
    for (Output& output : outputs_)
      if (output.value == from) output.value = to, hold(from, -1), hold(to, 1);
    for (StateUpdate& update : state_updates_)
      if (update.value == from) update.value = to, hold(from, -1), hold(to, 1);
  }
  if (to->name().empty() && to->node()->kind() != OpKind::kSource) to->name_ = from->name_;
}

void Graph::add_output(llvm::StringRef name, Value* value) {
  outputs_.push_back({name.str(), value});
  hold(value, 1);
}

void Graph::set_output(int i, Value* value) {
  hold(outputs_[i].value, -1);
  outputs_[i].value = value;
  hold(value, 1);
}

void Graph::add_state_update(Node* state, Value* value) {
  state_updates_.push_back({state, value});
  hold(value, 1);
}

int Graph::op_count() const {
  int count = 0;
  for (const Node& node : nodes_) count += node.kind() != OpKind::kSource;
  return count;
}

Node* copy_node(const Node& node, Graph& target, llvm::DenseMap<const Value*, Value*>& map, Node* before) {
  llvm::SmallVector<Value*, 4> operands;
  for (const Value* operand : node.operands()) operands.push_back(map.lookup(operand));
  llvm::SmallVector<Type, 1> types;
  for (int i = 0; i < node.result_count(); ++i) types.push_back(node.type(i));
  Node* copy =
      target.create(node.op(), operands, node.attributes, types, node.location, node.scope(), before);
  for (int i = 0; i < node.result_count(); ++i) {
    if (!node.result(i)->name().empty()) copy->result(i)->set_name(node.result(i)->name());
    map[node.result(i)] = copy->result(i);
  }
  copy->body = node.body;
  return copy;
}

std::unique_ptr<Graph> Graph::clone(llvm::DenseMap<const Value*, Value*>* map) const {
  auto copy = std::make_unique<Graph>();
  llvm::DenseMap<const Value*, Value*> local;
  auto& values = map ? *map : local;
  for (const Node& node : nodes_) copy_node(node, *copy, values);
  for (const Output& output : outputs_) copy->add_output(output.name, values.lookup(output.value));
  for (const StateUpdate& update : state_updates_)
    copy->add_state_update(values.lookup(update.state->result())->node(), values.lookup(update.value));
  return copy;
}

Value* optional_operand(const Node& node, llvm::StringRef flag) {
  static constexpr llvm::StringLiteral kOrder[] = {"weight", "bias",  "frequencies", "mask",
                                                   "offset", "alibi", "sinks",       "pages"};
  if (!node.attributes.flag(flag)) return nullptr;
  const bool three_first = node.op() == Op::kAttention || node.op() == Op::kCacheWrite;
  int position = three_first ? 3 : node.op() == Op::kRope ? 2 : 1;
  for (llvm::StringRef name : kOrder) {
    if (name == flag) return node.operand(position);
    position += node.attributes.flag(name);
  }
  return nullptr;
}

}  // namespace tenon
