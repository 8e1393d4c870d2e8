// eliminate_dead.cpp: removes nodes that nothing reads.
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace tenon {

bool eliminate_dead(Graph& graph) {
  int before = graph.node_count();
  auto& nodes = graph.nodes();
  // Backwards, so that a node's users are gone before it is asked.
  for (auto at = nodes.end(); at != nodes.begin();) {
    Node& node = *--at;
    bool unused = is_erasable(node);
    for (int i = 0; i < node.result_count(); ++i) unused &= node.result(i)->unused();
    if (!unused) continue;
    ++at;
    graph.erase(&node);
  }
  return graph.node_count() != before;
}

}  // namespace tenon
