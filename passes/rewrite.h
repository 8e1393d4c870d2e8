// rewrite.h: the driver of local rewrites: calls a rule on nodes, replaces values, erases what dies.
#pragma once
#include <deque>

#include "ir/builder.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/STLExtras.h"

namespace tenon {

/// Applies a rule to a graph in time linear in its nodes (for rules that look at a bounded neighbourhood and
/// make the graph smaller or its nodes simpler). A rule looks at one node, makes new nodes with a Builder and
/// hands the old values to replace(); it erases nothing itself.
class Rewriter {
 public:
  using Rule = llvm::function_ref<void(Node&)>;
  explicit Rewriter(Graph& graph) : graph_(graph) {}

  /// Calls the rule once for each node in topological order that is still there. True when something changed.
  bool sweep(Rule rule);
  /// Also calls it again for the nodes around each change, until nothing changes any more.
  bool settle(Rule rule);

  /// Users of `old` take `fresh` instead; nodes that nobody needs any more are erased, save declared sources.
  void replace(Value* old, Value* fresh);
  /// `node` reads `value` as operand i instead of what it read, which is erased when nobody else needs it.
  void set_operand(Node* node, int i, Value* value);
  /// Says that a rule changed `node` in place.
  void changed(Node* node);

 private:
  void push(Node* node);
  void push_users(Value* value);

  Graph& graph_;
  bool again_ = false;
  bool changed_ = false;
  std::deque<Node*> queue_;
  llvm::DenseSet<Node*> queued_;
};

/// True for a node that may be erased when nobody reads it: all but inputs, weights, states and parameters.
bool is_erasable(const Node& node);

/// Erases `node` if it is unused and erasable, then its operands' nodes likewise. `erasing` is told of each
/// beforehand.
void erase_unused(Graph& graph, Node* node, llvm::function_ref<void(Node*)> erasing);

}  // namespace tenon
