// state_use.cpp: the last readers of states, views seen through.
#include "codegen/state_use.h"

#include <algorithm>

namespace tenon {

bool is_view_node(const Node& node) {
  return node.op() == Op::kFused && node.attributes.string("family") == "view";
}

const Value* storage_of(const Value* value) {
  while (is_view_node(*value->node()) && value->node()->operand(0)->type().bytes() == value->type().bytes())
    value = value->node()->operand(0);
  return value;
}

StateUse::StateUse(const Graph& graph) {
  int number = 0;
  for (const Node& node : graph.nodes()) {
    number_[&node] = ++number;
    if (node.op() == Op::kState)
      behind_[node.result()] = node.result(), views_[node.result()] = {node.result()};
    if (node.op() != Op::kFused) continue;
    if (is_view_node(node)) {
      const Value* state = behind_.lookup(node.operand(0));
      if (!state) continue;
      behind_[node.result()] = state;
      views_[state].push_back(node.result());
    } else {
      for (const Value* operand : node.operands()) read(operand, number);
    }
  }
  for (const Graph::Output& output : graph.outputs()) read(output.value, kEnd);
  for (const Graph::StateUpdate& update : graph.state_updates()) {
    if (storage_of(update.value) == update.state->result()) continue;  // it stays as it is
    read(update.value, kEnd);
    updates_.try_emplace(storage_of(update.value), update.state->result());
  }
}

void StateUse::read(const Value* value, int when) {
  if (const Value* state = behind_.lookup(value)) last_[state] = std::max(last_[state], when);
}

StateUse::Needed StateUse::old_value(const Value* state, const Node& region) const {
  const int last = last_.lookup(state), now = number_.lookup(&region);
  return last < now ? Needed::kBefore : last == now ? Needed::kBy : Needed::kAfter;
}

llvm::ArrayRef<const Value*> StateUse::values(const Value* state) const {
  const auto found = views_.find(state);
  return found == views_.end() ? llvm::ArrayRef<const Value*>() : llvm::ArrayRef<const Value*>(found->second);
}

}  // namespace tenon
