// generation_graphs.cpp: appends the choice of tokens to a copy of a model's graph.
#include "runtime/generation_graphs.h"

#include "ir/builder.h"
#include "ir/diagnostics.h"

namespace tenon {
namespace {

using namespace generation;

/// A copy of a model under way.
struct Extension {
  std::unique_ptr<Graph> graph = std::make_unique<Graph>();
  Builder builder{*graph};
  llvm::DenseMap<const Value*, Value*> copies;

  Extension() { builder.at({}, "generate"); }
  Value* input(llvm::StringRef name, Type type) { return builder.source(Op::kInput, name, std::move(type)); }
  Value* state(llvm::StringRef name, Type type) { return builder.source(Op::kState, name, std::move(type)); }

  /// Nodes and state updates of `model`; a node of `replaced` becomes the value beside it.
  void copy(const Graph& model, llvm::ArrayRef<std::pair<const Node*, Value*>> replaced) {
    for (const auto& [node, value] : replaced) copies[node->result()] = value;
    for (const Node& node : model.nodes())
      if (!copies.count(node.result())) copy_node(node, *graph, copies);
    for (const Graph::StateUpdate& update : model.state_updates())
      graph->add_state_update(copies.lookup(update.state->result())->node(), copies.lookup(update.value));
  }

  /// A token for each row of logits [B, V], i64 [B]; `position` is a scalar or [B].
  Value* choose(Value* logits, bool sampled, Value* position) {
    if (!sampled) return builder.reduce(Op::kArgmax, logits, {-1}, false);
    Value* settings = input(kSettings, {DType::kF32, {2}});
    Value* limits = input(kLimits, {DType::kI64, {2}});
    return builder.make(Op::kSample, {logits, position, settings, limits});
  }

  /// A state [B, 1, places, n] that has `row`, B times n elements, written at `position`.
  void record(llvm::StringRef name, Value* row, int64_t rows, int64_t places, Value* position) {
    const Dim n = row->type().elements() / rows;
    Value* before = state(name, {row->type().dtype, {rows, 1, places, n}});
    Value* after = builder.make(Op::kCacheWrite, {before, builder.reshape(row, {rows, 1, 1, n}), position});
    graph->add_state_update(before->node(), after);
  }
};

const Node* input_named(const Graph& model, llvm::StringRef name) {
  for (const Node& node : model.nodes())
    if (node.op() == Op::kInput && node.attributes.string("name") == name) return &node;
  throw Error("the model has no input '" + name.str() + "'", {},
              "generate needs inputs `tokens` [B, T] and `position`, and an output `logits` [B, T, V]");
}

/// [B] of [B, 1]; a scalar and [B] as they are.
Value* flat(Builder& builder, Value* position) {
  const Type& type = position->type();
  return type.rank() == 2 ? builder.reshape(position, {type.shape[0]}) : position;
}

}  // namespace

GenerationPorts generation_ports(const Graph& model) {
  const Node *tokens = input_named(model, "tokens"), *position = input_named(model, "position");
  GenerationPorts ports{const_cast<Node*>(tokens), const_cast<Node*>(position), nullptr};
  for (const Graph::Output& output : model.outputs())
    if (output.name == "logits") ports.logits = output.value;
  if (!ports.logits)
    throw Error("the model has no output 'logits'", {}, "generate needs an output `logits` [B, T, V]");
  const Type &t = tokens->type(), &p = position->type(), &l = ports.logits->type();
  if (!is_integer(t.dtype) || t.rank() != 2)
    throw Error("generate needs `tokens` of integers [B, T], not " + t.text(), tokens->location);
  if (!is_float(l.dtype) || l.rank() != 3 || l.shape[0] != t.shape[0] || l.shape[1] != t.shape[1] ||
      l.shape[2].extent() < 1)
    throw Error("generate needs `logits` [B, T, V] for tokens " + t.text() + ", not " + l.text(),
                ports.logits->node()->location);
  const bool each = p.rank() >= 1 && p.shape[0] == t.shape[0] && (p.rank() == 1 || p.shape[1] == 1);
  if (!is_integer(p.dtype) || p.rank() > 2 || (p.rank() > 0 && !each))
    throw Error("generate needs `position` as an integer for all rows, [B] or [B, 1], not " + p.text(),
                position->location);
  return ports;
}

std::unique_ptr<Graph> prefill_graph(const Graph& model, bool sampled, bool keep_logits) {
  const GenerationPorts ports = generation_ports(model);
  Extension result;
  result.copy(model, {});
  Builder& builder = result.builder;
  const Type rows{DType::kI64, {ports.rows()}};
  Value* logits = result.copies.lookup(ports.logits);
  Value* all =
      builder.reshape(logits, {logits->type().shape[0] * logits->type().shape[1], logits->type().shape[2]});
  Value* last = builder.make(Op::kGather, {all, result.input(kRows, rows)}, {{"axis", Dim(0)}});
  Value* position = sampled ? result.input(kDrawPosition, rows) : nullptr;
  result.graph->add_output("chosen", result.choose(last, sampled, position));
  if (keep_logits) result.graph->add_output("logits", logits);
  return std::move(result.graph);
}

std::unique_ptr<Graph> decode_graph(const Graph& model, bool sampled, int64_t history, int64_t logit_steps) {
  const GenerationPorts ports = generation_ports(model);
  const int64_t rows = ports.rows();
  Extension result;
  Builder& builder = result.builder;
  Value* token = result.state(kToken, ports.tokens->type());
  Value* position = result.state(kPosition, ports.position->type());
  result.copy(model, {{ports.tokens, token}, {ports.position, position}});
  Value* logits = builder.reshape(result.copies.lookup(ports.logits), {rows, ports.vocabulary()});
  Value* at = flat(builder, position);
  if (logit_steps > 0) {
    Value* start = flat(builder, result.input(kStart, position->type()));
    result.record(kLogits, logits, rows, logit_steps, builder.make(Op::kSub, {at, start}));
  }
  // What follows the choice is one kernel, the last to read the position, which it may therefore advance in place.
  Value* chosen = builder.cast(result.choose(logits, sampled, at), token->type().dtype);
  result.record(kHistory, chosen, rows, history, at);
  result.graph->add_state_update(token->node(), builder.reshape(chosen, {rows, 1}));
  Value* one = builder.constant(1, position->type().dtype);
  result.graph->add_state_update(position->node(), builder.make(Op::kAdd, {position, one}));
  return std::move(result.graph);
}

}  // namespace tenon
