// generation_checks.cpp: capacities, tables, ids and numbers against what a generation would do.
#include "runtime/generation_checks.h"

#include <algorithm>

#include "ir/diagnostics.h"
#include "llvm/ADT/SmallPtrSet.h"

namespace tenon {
namespace {

std::string name_in(const Node& node) { return node.attributes.string("name").str(); }

/// "'embed'", or what else a table is.
std::string told(const Value* table) {
  const Node& node = *table->node();
  if (node.kind() == OpKind::kSource && !node.attributes.string("name").empty())
    return "'" + name_in(node) + "'";
  return table->name().empty() ? table->type().text() : "'" + table->name().str() + "'";
}

int64_t table_rows(const Node& gather) {
  const Type& table = gather.operand(0)->type();
  const int64_t axis = gather.attributes.integer("axis");
  return table.shape[axis < 0 ? axis + table.rank() : axis].extent();
}

bool passes_on(const Node& node) {
  return node.kind() == OpKind::kMovement || node.kind() == OpKind::kElementwise;
}

/// The gathers whose index is computed from `source` by movements and elementwise ops.
std::vector<const Node*> gathers_of(const Value* source) {
  std::vector<const Node*> found;
  llvm::SmallPtrSet<const Value*, 16> seen{source};
  std::vector<const Value*> open{source};
  for (size_t i = 0; i < open.size(); ++i)
    for (const Node* user : open[i]->users()) {
      if (user->op() == Op::kGather && user->operand(1) == open[i]) {
        if (!llvm::is_contained(found, user)) found.push_back(user);
      } else if (passes_on(*user) && is_integer(user->type().dtype) && seen.insert(user->result()).second) {
        open.push_back(user->result());
      }
    }
  return found;
}

/// The graph of `value` alone; null where it needs more than `position` and numbers.
std::unique_ptr<Graph> graph_of(const Value* value, const Node* position) {
  std::vector<const Node*> open{value->node()};
  llvm::SmallPtrSet<const Node*, 16> needed{value->node()};
  for (size_t i = 0; i < open.size(); ++i) {
    const Node& node = *open[i];
    if (node.kind() == OpKind::kSource && &node != position && node.op() != Op::kConstant &&
        node.op() != Op::kIota)
      return nullptr;
    for (const Value* operand : node.operands())
      if (needed.insert(operand->node()).second) open.push_back(operand->node());
  }
  auto graph = std::make_unique<Graph>();
  llvm::DenseMap<const Value*, Value*> copies;
  for (const Node& node : value->node()->graph().nodes())
    if (needed.count(&node)) copy_node(node, *graph, copies);
  graph->add_output("index", copies.lookup(value));
  return graph;
}

struct Check {
  const Graph& step;
  const GenerationPorts ports;
  const Prompts& prompts;
  llvm::ArrayRef<int64_t> start;
  const GenerationOptions& options;

  void numbers() const;
  void rows() const;
  void ids() const;
  void capacity() const;
  void positions() const;
  /// How many places row b takes, of padding or of tokens.
  int64_t end(int64_t b) const {
    return start[b] + std::max(prompts.width, prompts.lengths[b] + options.steps);
  }
};

void Check::numbers() const {
  const auto refuse = [](const std::string& what, const std::string& hint = "") {
    throw Error(what, {}, hint);
  };
  if (options.steps < 0) refuse("--steps " + std::to_string(options.steps) + ": at least 0");
  if (options.steps > INT32_MAX) refuse("--steps " + std::to_string(options.steps) + " is too large");
  if (options.chunk < 0) refuse("--chunk " + std::to_string(options.chunk) + ": at least 1");
  for (int64_t id : options.stop)
    if (id < 0 || id >= ports.vocabulary())
      refuse("--stop " + std::to_string(id) + " is no token: `logits` has " +
             std::to_string(ports.vocabulary()));
  if (!options.sampling) return;
  const Sampling& sampling = *options.sampling;
  if (!(sampling.temperature > 0) || sampling.temperature > 1e30)
    refuse("--temperature must be above 0", "without a temperature, generate is greedy");
  if (!(sampling.top_p > 0 && sampling.top_p <= 1)) refuse("--top-p must be above 0 and at most 1");
  if (sampling.top_k < 0) refuse("--top-k " + std::to_string(sampling.top_k) + ": at least 1, or 0 for all");
}

void Check::rows() const {
  if (prompts.rows < 1 || prompts.width < 1) throw Error("`tokens` holds no prompt");
  for (int64_t b = 0; b < prompts.rows; ++b) {
    const int64_t length = prompts.lengths[b];
    if (length < 1 || length > prompts.width)
      throw Error("`lengths`: row " + std::to_string(b) + " has " + std::to_string(length) +
                  " tokens, of `tokens` [" + std::to_string(prompts.rows) + ", " +
                  std::to_string(prompts.width) + "]");
    if (start[b] < 0)
      throw Error("`position`: row " + std::to_string(b) + " begins at " + std::to_string(start[b]));
    if (start[b] > INT32_MAX)
      throw Error("`position`: row " + std::to_string(b) + " begins at " + std::to_string(start[b]) +
                  ", beyond any cache");
    if (ports.position->type().rank() == 0 && length != prompts.lengths[0])
      throw Error("`lengths` differ, and the model's `position` is one for all rows",
                  ports.position->location,
                  "declare it as position = { shape = [\"B\"] } to decode ragged rows");
  }
}

void Check::ids() const {
  for (const Node* gather : gathers_of(ports.tokens->result()))
    for (int64_t b = 0; b < prompts.rows; ++b)
      for (int64_t t = 0; t < prompts.lengths[b]; ++t)
        if (const int64_t id = prompts.tokens[b * prompts.width + t]; id < 0 || id >= table_rows(*gather))
          throw Error("`tokens`: " + std::to_string(id) + " at [" + std::to_string(b) + ", " +
                          std::to_string(t) + "] is outside the table " + told(gather->operand(0)) + " of " +
                          std::to_string(table_rows(*gather)) + " rows",
                      gather->location);
}

void Check::capacity() const {
  for (const Node& node : step.nodes()) {
    if (node.op() != Op::kCacheWrite) continue;
    int64_t capacity = node.operand(0)->type().shape[2].extent();
    if (node.attributes.flag("pages")) capacity *= node.operand(3)->type().shape[1].extent();
    for (int64_t b = 0; b < prompts.rows; ++b) {
      if (end(b) <= capacity) continue;
      const std::string from = start[b] ? " from position " + std::to_string(start[b]) : "";
      throw Error("the cache " + told(node.operand(0)) + " holds " + std::to_string(capacity) +
                      " tokens, and row " + std::to_string(b) + " needs " + std::to_string(end(b)) + ": " +
                      std::to_string(prompts.width) + " of `tokens`" + from + ", " +
                      std::to_string(prompts.lengths[b]) + " its own, and " + std::to_string(options.steps) +
                      " steps",
                  node.location, "fewer --steps, a shorter prompt, or a larger capacity (--dim)");
    }
  }
}

// A table of learned positions ends somewhere; padding beyond it is harmless, and the cpu would refuse it.
void Check::positions() const {
  for (const Node* gather : gathers_of(ports.position->result())) {
    const auto graph = graph_of(gather->operand(1), ports.position);
    if (!graph) continue;
    HostTensor last = HostTensor::zeros(ports.position->type());
    for (size_t b = 0; b < last.integers.size(); ++b) last.integers[b] = end(static_cast<int64_t>(b)) - 1;
    const Evaluation index = evaluate(*graph, [&](const Node&) { return last; });
    for (int64_t at : index.outputs[0].integers)
      if (at >= table_rows(*gather))
        throw Error("position " + std::to_string(at) + " is outside the table " + told(gather->operand(0)) +
                        " of " + std::to_string(table_rows(*gather)) + " rows",
                    gather->location, "fewer --steps, or a shorter prompt");
  }
}

}  // namespace

void check_generation(const Graph& step, const Prompts& prompts, llvm::ArrayRef<int64_t> start,
                      const GenerationOptions& options) {
  const Check check{step, generation_ports(step), prompts, start, options};
  check.numbers();
  check.rows();
  check.ids();
  check.capacity();
  check.positions();
}

void check_same_sources(const Graph& a, const Graph& b) {
  std::map<std::string, const Node*> sources;
  const auto is_port = [](const Node& node) {
    return name_in(node) == "tokens" || name_in(node) == "position";
  };
  for (const Node& node : a.nodes())
    if (node.op() == Op::kInput || node.op() == Op::kState) sources[name_in(node)] = &node;
  for (const Node& node : b.nodes()) {
    if (node.op() != Op::kInput && node.op() != Op::kState) continue;
    const Node& other = *sources.at(name_in(node));
    if (node.type() == other.type() || (node.op() == Op::kInput && is_port(node))) continue;
    throw Error("generate cannot feed '" + name_in(node) + "': it is " + other.type().text() +
                    " for a prompt and " + node.type().text() + " for one token, as " +
                    std::to_string(other.type().elements()) + " and " +
                    std::to_string(node.type().elements()) + " elements",
                node.location, "only `tokens` may depend on the number of tokens");
  }
}

std::optional<int64_t> id_bound(const Graph& model) {
  std::optional<int64_t> bound;
  for (const Node* gather : gathers_of(generation_ports(model).tokens->result()))
    bound = std::min(bound.value_or(INT64_MAX), table_rows(*gather));
  return bound;
}

}  // namespace tenon
