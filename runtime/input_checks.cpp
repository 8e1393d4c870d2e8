// input_checks.cpp: positions against capacities.
#include "runtime/input_checks.h"

#include "ir/check_values.h"

namespace tenon {

void check_cache_writes(const Graph& graph, const TensorMap& inputs) {
  for (const Node& node : graph.nodes()) {
    if (node.op() != Op::kCacheWrite || node.operand(2)->node()->op() != Op::kInput) continue;
    const Tensor& position = inputs.at(node.operand(2)->node()->attributes.string("name").str());
    for (int64_t i = 0; i < position.elements(); ++i) check_cache_fit(node, position.integer_at(i));
  }
}

}  // namespace tenon
