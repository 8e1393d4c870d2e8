// print.cpp: graphs as text.
#include "ir/print.h"

#include "llvm/ADT/StringMap.h"

namespace tenon {
namespace {

void print_into(std::string& out, const Graph& graph, const std::string& indent);

void print_node(std::string& out, const Node& node, const NameTable& names, const std::string& indent) {
  out += indent + print(node, names);
  if (node.body) {
    out += " {\n";
    print_into(out, *node.body, indent + "  ");
    out += indent + "}";
  }
  out += "\n";
}

void print_into(std::string& out, const Graph& graph, const std::string& indent) {
  NameTable names(graph);
  std::string parameters;
  for (const Node& node : graph.nodes())
    if (node.op() == Op::kParameter)
      parameters += (parameters.empty() ? "" : ", ") + names(node.result()) + ": " + node.type().text();
  if (!parameters.empty()) out += indent + "(" + parameters + ")\n";
  for (const Node& node : graph.nodes())
    if (node.op() != Op::kParameter && !is_scalar_constant(node.result()))
      print_node(out, node, names, indent);
  std::string results;
  for (const Graph::Output& output : graph.outputs())
    results += (results.empty() ? "" : ", ") + names(output.value);
  out += indent + "return " + results + "\n";
  for (const Graph::StateUpdate& update : graph.state_updates())
    out += indent + "update " + names(update.state->result()) + " = " + names(update.value) + "\n";
}

}  // namespace

bool is_scalar_constant(const Value* value) {
  return value->node()->op() == Op::kConstant && value->type().rank() == 0 &&
         value->node()->attributes.find("value");
}

NameTable::NameTable(const Graph& graph) {
  llvm::StringMap<int> taken;
  int number = 0;
  for (const Node& node : graph.nodes())
    for (int i = 0; i < node.result_count(); ++i) {
      const Value* value = node.result(i);
      if (is_scalar_constant(value)) continue;
      std::string name = value->name().empty() ? std::to_string(number++) : value->name().str();
      if (!node.scope().empty() && !value->name().empty() && node.kind() != OpKind::kSource)
        name = node.scope().str() + "." + name;
      if (int count = ++taken[name]; count > 1) name += "." + std::to_string(count);
      names_[value] = "%" + name;
    }
}

std::string NameTable::operator()(const Value* value) const {
  if (is_scalar_constant(value)) {
    double number = value->node()->attributes.number("value");
    if (is_float(value->type().dtype)) return text_of(number);
    if (value->type().dtype == DType::kBool) return number != 0 ? "true" : "false";
    return std::to_string(static_cast<int64_t>(number));
  }
  return names_.lookup(value);
}

std::string print(const Node& node, const NameTable& names) {
  std::string results, types, operands;
  for (int i = 0; i < node.result_count(); ++i) {
    results += (i ? ", " : "") + names(node.result(i));
    types += (i ? ", " : "") + node.type(i).text();
  }
  for (const Value* operand : node.operands()) operands += (operands.empty() ? " " : ", ") + names(operand);
  std::string attributes = node.attributes.text();
  return results + " = " + name_of(node.op()).str() + operands +
         (attributes.empty() ? "" : " " + attributes) + " : " + types;
}

std::string print(const Graph& graph) {
  std::string out;
  print_into(out, graph, "");
  return out;
}

}  // namespace tenon
