// verify.cpp: checks the invariants that verify.h numbers.
#include "ir/verify.h"

#include "ir/diagnostics.h"
#include "ir/infer.h"
#include "ir/print.h"
#include "llvm/ADT/DenseSet.h"

namespace tenon {
namespace {

struct Verifier {
  explicit Verifier(const Graph& checked) : graph(checked) {}
  const Graph& graph;
  llvm::DenseSet<const Value*> defined;
  llvm::DenseMap<const Value*, llvm::DenseMap<const Node*, int>> uses;
  std::string problem;

  bool broken(int number, const Node& node, const std::string& what) {
    problem = "V" + std::to_string(number) + ": " + print(node, NameTable(graph)) + ": " + what;
    return true;
  }

  bool counts(const Node& node);
  bool types(const Node& node);
  bool body(const Node& node);
  bool users();
  bool states();
  bool node(const Node& node);
};

bool Verifier::counts(const Node& node) {
  const OpInfo& row = info(node.op());
  int expected = row.min_operands;
  if (row.max_operands > row.min_operands)
    for (llvm::StringRef flag :
         {"weight", "bias", "frequencies", "mask", "offset", "alibi", "sinks", "pages"})
      expected += node.attributes.flag(flag);
  if (row.max_operands >= 0 && node.operand_count() != expected)
    return broken(
        2, node,
        "has " + std::to_string(node.operand_count()) + " operands instead of " + std::to_string(expected));
  if (node.operand_count() < row.min_operands) return broken(2, node, "too few operands");
  if (row.results >= 0 && node.result_count() != row.results)
    return broken(2, node, "wrong number of results");
  if ((node.op() == Op::kFused) != (node.body != nullptr))
    return broken(2, node, "a body belongs to `fused` alone");
  return false;
}

bool Verifier::types(const Node& node) {
  for (int i = 0; i < node.result_count(); ++i)
    for (const Dim& d : node.type(i).shape)
      if (d.extent() < 0) return broken(7, node, "negative extent");
  if (node.op() == Op::kFused) return false;
  llvm::SmallVector<Type, 4> operands;
  for (const Value* operand : node.operands()) operands.push_back(operand->type());
  try {
    Type given = node.type();
    auto expected = infer(node.op(), operands, node.attributes, &given, node.location);
    for (int i = 0; i < node.result_count(); ++i)
      if (expected[i] != node.type(i)) return broken(3, node, "should be " + expected[i].text());
  } catch (const Error& error) {
    return broken(3, node, error.diagnostics()[0].message);
  }
  return false;
}

bool Verifier::body(const Node& node) {
  int index = 0;
  bool source_seen = false;
  for (const Node& inner : node.body->nodes()) {
    if (inner.op() != Op::kParameter) {
      source_seen = true;
      continue;
    }
    if (source_seen || inner.attributes.integer("index", -1) != index)
      return broken(5, node, "parameters out of order");
    if (index >= node.operand_count() || inner.type() != node.operand(index)->type())
      return broken(5, node, "parameter " + std::to_string(index) + " does not fit its operand");
    ++index;
  }
  if (index != node.operand_count()) return broken(5, node, "fewer parameters than operands");
  auto outputs = node.body->outputs();
  if (static_cast<int>(outputs.size()) != node.result_count())
    return broken(5, node, "outputs and results differ in number");
  for (int i = 0; i < node.result_count(); ++i)
    if (outputs[i].value->type() != node.type(i))
      return broken(5, node, "output " + std::to_string(i) + " does not fit its result");
  problem = verify(*node.body);
  return !problem.empty();
}

bool Verifier::node(const Node& node) {
  for (const Value* operand : node.operands()) {
    if (!defined.contains(operand)) return broken(1, node, "an operand is not defined before it");
    ++uses[operand][&node];
  }
  if (counts(node) || types(node) || (node.body && body(node))) return true;
  for (int i = 0; i < node.result_count(); ++i) defined.insert(node.result(i));
  return false;
}

bool Verifier::users() {
  llvm::DenseMap<const Value*, int> held;
  for (const Graph::Output& output : graph.outputs()) ++held[output.value];
  for (const Graph::StateUpdate& update : graph.state_updates()) ++held[update.value];
  for (const Node& node : graph.nodes())
    for (int i = 0; i < node.result_count(); ++i) {
      const Value* value = node.result(i);
      llvm::DenseMap<const Node*, int> listed;
      for (const Node* user : value->users()) ++listed[user];
      auto& slots = uses[value];
      bool equal = listed.size() == slots.size();
      for (auto& [user, count] : slots) equal &= listed.lookup(user) == count;
      if (!equal || value->is_result() != (held.lookup(value) > 0))
        return broken(4, node, "the users of result " + std::to_string(i) + " are not its operand slots");
    }
  return false;
}

bool Verifier::states() {
  llvm::DenseSet<const Node*> updated;
  for (const Graph::StateUpdate& update : graph.state_updates()) {
    if (update.state->op() != Op::kState || !updated.insert(update.state).second)
      return broken(6, *update.state, "updated twice, or no state");
    if (update.value->type() != update.state->type())
      return broken(6, *update.state, "updated by " + update.value->type().text());
  }
  return false;
}

}  // namespace

std::string verify(const Graph& graph) {
  Verifier verifier(graph);
  for (const Node& node : graph.nodes())
    if (verifier.node(node)) return verifier.problem;
  for (const Graph::Output& output : graph.outputs())
    if (!verifier.defined.contains(output.value))
      return "V1: output " + output.name + " is not a value of this graph";
  if (verifier.users() || verifier.states()) return verifier.problem;
  return "";
}

}  // namespace tenon
