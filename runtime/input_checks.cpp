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

/// The pages that the tokens of each row are written to.
void check_pages(const Node& write, const Tensor& position, const Tensor& pages) {
  const Shape& fresh = write.operand(1)->type().shape;
  const int64_t rows = fresh[0].extent(), tokens = fresh[2].extent(), page = write.type().shape[2].extent(),
                count = write.operand(3)->type().shape[1].extent();
  for (int64_t row = 0; tokens > 0 && row < rows; ++row) {
    const int64_t first = position.integer_at(position.elements() > 1 ? row : 0);
    for (int64_t at = first / page; at <= (first + tokens - 1) / page; ++at)
      check_page(write, row, pages.integer_at(row * count + at));
  }
}

}  // namespace

void check_cache_writes(const Graph& graph, const TensorMap& inputs) {
  for (const Node& node : graph.nodes()) {
    if (node.op() != Op::kCacheWrite) continue;
    const Tensor* position = given(node.operand(2), inputs);
    if (!position) continue;
    for (int64_t i = 0; i < position->elements(); ++i) check_cache_fit(node, position->integer_at(i));
    if (const Value* table = optional_operand(node, "pages"))
      if (const Tensor* pages = given(table, inputs)) check_pages(node, *position, *pages);
  }
}

}  // namespace tenon
