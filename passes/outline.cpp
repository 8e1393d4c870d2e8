// outline.cpp: rewrites a graph with the chosen regions.
#include "passes/outline.h"

namespace tenon {

std::unique_ptr<Graph> outline(const Graph& graph, const Selection& selection) {
  auto result = std::make_unique<Graph>();
  llvm::DenseMap<const Value*, Value*> map;
  for (const Node& node : graph.nodes())
    if (node.kind() == OpKind::kSource) copy_node(node, *result, map);
  for (const Choice& choice : selection.choices) {
    const Region& region = choice.region;
    llvm::SmallVector<Value*, 8> operands;
    for (Value* input : region.inputs) operands.push_back(map.lookup(input));
    llvm::SmallVector<Type, 2> types;
    for (Value* output : region.outputs) types.push_back(output->type());
    Attributes attributes{{"site", region.site},
                          {"family", choice.candidate().family->name().str()},
                          {"config", choice.candidate().config}};
    Node* fused = result->create(Op::kFused, operands, std::move(attributes), types, region.location(),
                                 region.nodes.front()->scope());
    for (size_t i = 0; i < region.outputs.size(); ++i) {
      if (!region.outputs[i]->name().empty()) fused->result(i)->set_name(region.outputs[i]->name());
      map[region.outputs[i]] = fused->result(i);
    }
    fused->body = region.body;
  }
  for (const Graph::Output& output : graph.outputs())
    result->add_output(output.name, map.lookup(output.value));
  for (const Graph::StateUpdate& update : graph.state_updates())
    result->add_state_update(map.lookup(update.state->result())->node(), map.lookup(update.value));
  return result;
}

}  // namespace tenon
