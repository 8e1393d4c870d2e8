// rewrite.cpp: the work queue behind local rewrites.
#include "passes/rewrite.h"

namespace tenon {

bool is_erasable(const Node& node) {
  return node.op() != Op::kInput && node.op() != Op::kWeight && node.op() != Op::kState &&
         node.op() != Op::kParameter;
}

void erase_unused(Graph& graph, Node* node, llvm::function_ref<void(Node*)> erasing) {
  llvm::SmallVector<Node*, 8> waiting{node};
  while (!waiting.empty()) {
    Node* dead = waiting.pop_back_val();
    bool unused = is_erasable(*dead);
    for (int i = 0; i < dead->result_count(); ++i) unused &= dead->result(i)->unused();
    if (!unused) continue;
    llvm::SmallVector<Node*, 4> producers;
    for (Value* operand : dead->operands())
      if (!llvm::is_contained(producers, operand->node())) producers.push_back(operand->node());
    erasing(dead);
    llvm::erase_value(waiting, dead);
    graph.erase(dead);
    waiting.append(producers.begin(), producers.end());
  }
}

void Rewriter::push(Node* node) {
  if (again_ && queued_.insert(node).second) queue_.push_back(node);
}

void Rewriter::push_users(Value* value) {
  for (Node* user : value->users()) push(user);
}

void Rewriter::changed(Node* node) {
  changed_ = true;
  push(node);
  for (int i = 0; i < node->result_count(); ++i) push_users(node->result(i));
}

void Rewriter::replace(Value* old, Value* fresh) {
  if (old == fresh) return;
  changed_ = true;
  push(fresh->node());
  for (Value* operand : fresh->node()->operands()) push(operand->node());
  push_users(old);
  graph_.replace_all_uses(old, fresh);
  erase_unused(graph_, old->node(), [this](Node* dead) { queued_.erase(dead); });
}

void Rewriter::set_operand(Node* node, int i, Value* value) {
  Node* before = node->operand(i)->node();
  node->set_operand(i, value);
  erase_unused(graph_, before, [this](Node* dead) { queued_.erase(dead); });
  changed(node);
}

bool Rewriter::sweep(Rule rule) {
  for (Node& node : graph_.nodes()) {
    queue_.push_back(&node);
    queued_.insert(&node);
  }
  while (!queue_.empty()) {
    Node* node = queue_.front();
    queue_.pop_front();
    if (queued_.erase(node)) rule(*node);  // an erased node has left the set
  }
  return std::exchange(changed_, false);
}

bool Rewriter::settle(Rule rule) {
  again_ = true;
  bool changed = sweep(rule);
  again_ = false;
  return changed;
}

}  // namespace tenon
