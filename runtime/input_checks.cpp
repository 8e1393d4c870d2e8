// input_checks.cpp: positions against capacities, tables against pools.
#include "runtime/input_checks.h"

#include "ir/check_values.h"

namespace tenon {

namespace {

/// The tensor that an operand is an input's, or null.
const Tensor* given(const Value* value, const TensorMap& inputs) {
  const Node& node = *value->node();
  return node.op() == Op::kInput ? &inputs.at(node.attributes.string("name").str()) : nullptr;
}

/// All of a table: what no token of this run reaches, one of a later step may, when nobody looks any more.
void check_pages(const Node& write, const Tensor& pages) {
  const int64_t count = write.operand(3)->type().shape[1].extent();
  for (int64_t i = 0; i < pages.elements(); ++i) check_page(write, i / count, pages.integer_at(i));
}

}  // namespace

void check_cache_writes(const Graph& graph, const TensorMap& inputs) {
  for (const Node& node : graph.nodes()) {
    if (node.op() != Op::kCacheWrite) continue;
    if (const Tensor* position = given(node.operand(2), inputs))
      for (int64_t i = 0; i < position->elements(); ++i) check_cache_fit(node, position->integer_at(i));
    if (const Value* table = optional_operand(node, "pages"))
      if (const Tensor* pages = given(table, inputs)) check_pages(node, *pages);
  }
}

}  // namespace tenon
