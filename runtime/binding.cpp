// binding.cpp: names and shapes of files against those of a graph.
#include "runtime/binding.h"

#include "ir/diagnostics.h"
#include "runtime/draw.h"
#include "runtime/npy.h"
#include "runtime/quantise.h"
#include "runtime/safetensors.h"

namespace tenon {
namespace {

std::string name_in(const Node& node) { return node.attributes.string("name").str(); }

void add(FileTensors& all, FileTensors more) {
  for (auto& entry : more) {
    auto [at, fresh] = all.emplace(entry.first, std::move(entry.second));
    if (!fresh)
      throw Error("tensor '" + entry.first + "' is given twice: in " + at->second.path +
                  " and in another file");
  }
}

/// "a, b, c and 5 more"
std::string listed(const std::vector<std::string>& names) {
  constexpr size_t kShown = 4;
  std::string text;
  for (size_t i = 0; i < names.size() && i < kShown; ++i) text += (i ? ", " : "") + names[i];
  if (names.size() > kShown) text += " and " + std::to_string(names.size() - kShown) + " more";
  return text;
}

/// The work of bind_tensors; problems are collected and thrown together.
struct Binder {
  const Graph& graph;
  const GivenTensors& given;
  uint64_t seed;
  bool strict;
  Binding result;
  std::vector<Diagnostic> problems;
  std::vector<std::string> converted, quantised, drawn_inputs, drawn_weights;

  /// The file's tensor as the node declares it.
  void take(const Node& node, const FileTensor& tensor, TensorMap& into) {
    try {
      bool changed = false;
      into[name_in(node)] = to_declared(tensor, node.type(), &changed);
      check_scales(node, into[name_in(node)]);
      if (changed)
        converted.push_back(tensor.name + " (" + name_of(tensor.type).str() + " to " +
                            name_of(node.type().dtype).str() + ")");
    } catch (const Error& error) {
      problems.push_back(error.diagnostics()[0]);
    }
  }
  void missing(const Node& node, const std::string& name, const std::string& hint) {
    static constexpr const char* kRoles[] = {"input", "weight", "state"};
    const char* role = kRoles[node.op() == Op::kInput ? 0 : node.op() == Op::kWeight ? 1 : 2];
    problems.push_back(
        {std::string(role) + " '" + name + "' (" + node.type().text() + ") is missing", {}, hint});
  }
  void input(const Node& node);
  void weight(const Node& node);
  void keep(const Node& dequantise, QuantisedTensors tensors);
  bool quantised_weight(const Node& values);
  void state(const Node& node);
  void refuse_unknown(const FileTensors& tensors, Op op, const std::string& role);
  void note();
  Binding run();
};

void Binder::input(const Node& node) {
  auto found = given.inputs.find(name_in(node));
  if (found != given.inputs.end()) return take(node, found->second, result.inputs);
  if (strict) return missing(node, name_in(node), "--strict draws nothing: give it with --input or --inputs");
  result.inputs[name_in(node)] = draw(node, seed);
  std::string what = name_in(node);
  if (is_integer(node.type().dtype)) what += " (below " + std::to_string(distribution_of(node).below) + ")";
  drawn_inputs.push_back(what);
}

void Binder::keep(const Node& dequantise, QuantisedTensors tensors) {
  result.weights[name_in(*dequantise.operand(0)->node())] = std::move(tensors.values);
  result.weights[name_in(*dequantise.operand(1)->node())] = std::move(tensors.scales);
}

/// Of floats, which a file holds under the name of the integers, or which are drawn. False where integers and
/// scales are to be found as any other weight.
bool Binder::quantised_weight(const Node& values) {
  const Node* dequantise = dequantise_of(values);
  if (!dequantise) return false;
  if (dequantise->operand(0) != values.result()) return result.weights.count(name_in(values)) > 0;
  const std::string from = values.attributes.string("from").str();
  auto found = given.weights.find(from);
  if (found == given.weights.end()) {
    if (given.has_weights || strict) return false;
    if (!dequantise->result()->unused()) {
      keep(*dequantise, quantise(*dequantise, draw_dequantised(*dequantise, seed)));
      drawn_weights.push_back(name_in(values));
    }
    return true;
  }
  if (!is_float(found->second.type) || given.weights.count(from + ".scale")) return false;
  try {
    keep(*dequantise, quantise(*dequantise, to_declared(found->second, dequantise->type(), nullptr)));
    quantised.push_back(from);
  } catch (const Error& error) {
    problems.push_back({"weight '" + from + "': " + error.diagnostics()[0].message, {}, ""});
    keep(*dequantise, {});
  }
  return true;
}

void Binder::weight(const Node& node) {
  if (quantised_weight(node)) return;
  std::string from = node.attributes.string("from").str();
  auto found = given.weights.find(from);
  if (found != given.weights.end()) return take(node, found->second, result.weights);
  if (given.has_weights || strict)
    return missing(node, from, given.has_weights ? "" : "--strict draws nothing: give it with --weights");
  if (node.result()->unused()) return;  // nobody reads it
  result.weights[name_in(node)] = draw(node, seed);
  drawn_weights.push_back(name_in(node));
}

void Binder::state(const Node& node) {
  if (!given.state) {
    result.state[name_in(node)] = Tensor::zeros(node.type());
    return;
  }
  auto found = given.state->find(name_in(node));
  if (found != given.state->end()) return take(node, found->second, result.state);
  missing(node, name_in(node), "--state-in needs all states");
}

void Binder::refuse_unknown(const FileTensors& tensors, Op op, const std::string& role) {
  std::vector<llvm::StringRef> names;
  for (const Node& node : graph.nodes())
    if (node.op() == op) names.push_back(node.attributes.string("name"));
  for (const auto& entry : tensors) {
    if (llvm::is_contained(names, entry.first)) continue;
    std::string near = nearest(entry.first, names), hint = near.empty() ? "" : "did you mean '" + near + "'?";
    if (near.empty() && !names.empty()) hint = "the model has " + listed({names.begin(), names.end()});
    problems.push_back(
        {"the model has no " + role + " '" + entry.first + "' (" + entry.second.path + ")", {}, hint});
  }
}

void Binder::note() {
  if (!drawn_inputs.empty())
    result.notes.push_back("inputs drawn from seed " + std::to_string(seed) + ": " + listed(drawn_inputs));
  if (!drawn_weights.empty())
    result.notes.push_back("weights drawn from seed " + std::to_string(seed) +
                           " (normal, 1/sqrt(fan-in)): " + std::to_string(drawn_weights.size()));
  if (!quantised.empty()) result.notes.push_back("quantised when loaded: " + listed(quantised));
  if (!converted.empty()) result.notes.push_back("converted to the declared type: " + listed(converted));
}

Binding Binder::run() {
  refuse_unknown(given.inputs, Op::kInput, "input");
  if (given.state) refuse_unknown(*given.state, Op::kState, "state");
  for (const Node& node : graph.nodes()) {
    if (node.op() == Op::kInput) input(node);
    if (node.op() == Op::kWeight) weight(node);
    if (node.op() == Op::kState) state(node);
  }
  if (!problems.empty()) throw Error(std::move(problems));
  note();
  return std::move(result);
}

}  // namespace

std::map<std::string, Extents> GivenTensors::input_extents() const {
  std::map<std::string, Extents> extents;
  for (const auto& entry : inputs) extents[entry.first] = entry.second.shape;
  return extents;
}

GivenTensors open_tensors(const GivenPaths& paths) {
  GivenTensors given;
  given.has_weights = !paths.weights.empty();
  for (const std::string& path : paths.weights) add(given.weights, read_safetensors(path));
  if (!paths.inputs.empty()) add(given.inputs, read_safetensors(paths.inputs));
  for (const auto& entry : paths.npy_inputs) {
    FileTensors one;
    one[entry.first] = read_npy(entry.second);
    add(given.inputs, std::move(one));
  }
  if (!paths.state.empty()) given.state = read_safetensors(paths.state);
  return given;
}

Binding bind_tensors(const Graph& graph, const GivenTensors& given, uint64_t seed, bool strict) {
  return Binder{graph, given, seed, strict, {}, {}, {}, {}, {}, {}}.run();
}

}  // namespace tenon
