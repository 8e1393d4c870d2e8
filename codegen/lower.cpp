// lower.cpp: from a model's graph to a plan.
#include "codegen/lower.h"

#include <optional>
#include <unordered_map>

#include "codegen/entry.h"
#include "codegen/families/view.h"
#include "codegen/family.h"
#include "codegen/memory_plan.h"
#include "codegen/names.h"
#include "codegen/state_use.h"
#include "ir/print.h"
#include "passes/outline.h"
#include "passes/passes.h"
#include "passes/sites.h"

namespace tenon {
namespace {

/// Kernels name files, with a few letters behind: file systems end at 255.
constexpr size_t kLongestName = 200;

/// A packed value of a kernel's body: its expression, the operands that it reads, shared by all sites of the
/// kernel.
struct PackedExpression {
  std::shared_ptr<const Graph> graph;
  std::vector<int> operands;
};

/// Copies the expression of a packed body value into a graph of its own.
PackedExpression extract(const Value* packed) {
  PackedExpression result;
  auto graph = std::make_shared<Graph>();
  llvm::DenseMap<const Value*, Value*> map;
  llvm::SmallVector<const Node*, 16> order;
  llvm::DenseMap<const Node*, bool> seen;
  auto visit = [&](auto& self, const Node* node) -> void {
    if (seen[node]) return;
    seen[node] = true;
    for (const Value* operand : node->operands()) self(self, operand->node());
    order.push_back(node);
  };
  visit(visit, packed->node());
  for (const Node* node : order)
    if (node->op() == Op::kParameter) {
      Node* copy = copy_node(*node, *graph, map);
      copy->attributes.set("index", Dim(static_cast<int64_t>(result.operands.size())));
      result.operands.push_back(static_cast<int>(node->attributes.integer("index")));
    }
  for (const Node* node : order)
    if (node->op() != Op::kParameter) copy_node(*node, *graph, map);
  graph->add_output("packed", map.lookup(packed));
  result.graph = std::move(graph);
  return result;
}

/// Turns choices into kernels, steps and buffers.
struct Lowering {
  const LowerOptions& options;
  Plan& plan;
  llvm::DenseMap<const Value*, BufferRef> place;      // of the outlined graph's values
  std::vector<std::vector<PackedExpression>> packed;  // by kernel
  std::map<std::pair<std::string, std::vector<int>>, int> packings;
  std::vector<int> kernel_of;            // by choice; -1 for a view
  std::vector<int> first_use, last_use;  // by buffer, steps
  int counters = -1;
  std::optional<StateUse> use_of_states;
  llvm::DenseMap<const Value*, int> state_buffers;  // where the states' new values must end

  Lowering(const LowerOptions& given, Plan& result) : options(given), plan(result) {}

  int add_buffer(Buffer::Kind kind, llvm::StringRef name, const Type& type, const Node* node = nullptr) {
    plan.buffers.push_back({kind, name.str(), type, type.bytes(), 0, node});
    first_use.push_back(static_cast<int>(plan.steps.size()));
    last_use.push_back(static_cast<int>(plan.steps.size()));
    return static_cast<int>(plan.buffers.size()) - 1;
  }
  int add_arena(int64_t bytes) { return add_buffer(Buffer::kArena, "", {DType::kU8, {Dim(bytes)}}); }
  void use(const BufferRef& ref) {
    if (ref.buffer >= 0) last_use[ref.buffer] = static_cast<int>(plan.steps.size());
  }

  void emit_kernels();
  void place_sources();
  void pack_output(const Node& node);
  void reserve_outputs();
  void add_step(const Node& node, int kernel, const Choice& choice);
  BufferRef pack(int kernel, int index, const Node& node);
  void copy(BufferRef from, BufferRef to, int64_t bytes, const Node* node, llvm::StringRef site);
  void keep_old_value(const Value* state);
  BufferRef place_of_result(const Node& node, const EmittedKernel& emitted, int index);
  bool may_overwrite(const Value* state, const Node& node, const EmittedKernel& emitted, int index) const;
  void place_shared_result(const Node& node, const Value* result, int operand);
  void place_results(const Node& node, const EmittedKernel& emitted);
  BufferRef storage_of_operand(const Node& node, const EmittedKernel& emitted, int index) const;
  void steps();
  void finish_states();
  void finish();
};

void Lowering::emit_kernels() {
  Graph none;
  Names names(none);
  for (llvm::StringRef name : cuda_functions()) names.reserve(name);
  std::unordered_map<std::string, int> known;
  for (const Choice& choice : plan.selection.choices) {
    const Candidate& candidate = choice.candidate();
    if (candidate.implementation == "view") {
      kernel_of.push_back(-1);
      continue;
    }
    auto [entry, fresh] =
        known.try_emplace(candidate.config + "\n" + choice.region.key, static_cast<int>(plan.kernels.size()));
    kernel_of.push_back(entry->second);
    if (!fresh) continue;
    Kernel kernel;
    kernel.site = without_repetitions(choice.region.site);
    kernel.family = candidate.implementation == "cublaslt" ? "gemm" : candidate.family->name().str();
    kernel.implementation = candidate.implementation;
    kernel.note = choice.region.note;
    kernel.decision = choice.decision;
    kernel.estimate = candidate.estimate;
    kernel.why = choice.why;
    for (const Node* node : choice.region.nodes) {
      kernel.ops.push_back(name_of(node->op()).str());
      auto same = [&](const Location& line) { return line.line == node->location.line; };
      if (node->location.known() && llvm::none_of(kernel.lines, same)) kernel.lines.push_back(node->location);
    }
    const auto* family = static_cast<const EmittingFamily*>(candidate.family);
    const llvm::StringRef wanted = llvm::StringRef(kernel.site).take_front(kLongestName);
    kernel.emitted = family->emit(choice.region, candidate, options.target, names.fresh(wanted));
    kernel.emitted.overlaps = gains_from_overlap(kernel.emitted, candidate.estimate, options.target);
    std::vector<PackedExpression> expressions;
    for (const Value* value : kernel.emitted.packed) expressions.push_back(extract(value));
    packed.push_back(std::move(expressions));
    plan.kernels.push_back(std::move(kernel));
  }
}

/// A constant that the model hands out is computed when the weights are loaded.
void Lowering::pack_output(const Node& node) {
  const int buffer = add_buffer(Buffer::kPacked, node.result()->name(), node.type());
  plan.packings.push_back({extract(node.result()).graph, {}, buffer});
  place[node.result()] = {buffer, 0};
}

void Lowering::place_sources() {
  for (const Node& node : plan.graph->nodes()) {
    if (node.kind() != OpKind::kSource) continue;
    llvm::StringRef name = node.attributes.string("name");
    Buffer::Kind kind = node.op() == Op::kInput   ? Buffer::kInput
                        : node.op() == Op::kState ? Buffer::kState
                                                  : Buffer::kWeight;
    if (node.op() == Op::kConstant || node.op() == Op::kIota) {  // kernels make them where they read them
      if (node.result()->is_result()) pack_output(node);
      continue;
    }
    place[node.result()] = {add_buffer(kind, name, node.type(), &node), 0};
    if (kind == Buffer::kState) state_buffers[node.result()] = place.lookup(node.result()).buffer;
    if (kind == Buffer::kState) plan.state_bytes += node.type().bytes();
  }
}

// A kernel's result that is an output, itself or seen through views of all its bytes, is written where the
// output lives.
void Lowering::reserve_outputs() {
  for (const Graph::Output& output : plan.graph->outputs()) {
    const Value* value = storage_of(output.value);
    if (value->node()->op() != Op::kFused || is_view_node(*value->node()) || place.count(value)) continue;
    place[value] = {add_buffer(Buffer::kOutput, output.name, value->type()), 0};
  }
}

BufferRef Lowering::pack(int kernel, int index, const Node& node) {
  const PackedExpression& expression = packed[kernel][index];
  std::vector<int> inputs;
  for (int operand : expression.operands) inputs.push_back(place.lookup(node.operand(operand)).buffer);
  auto [entry, fresh] = packings.try_emplace({print(*expression.graph), inputs}, -1);
  if (fresh) {
    int buffer = add_buffer(Buffer::kPacked, plan.kernels[kernel].emitted.packed[index]->name(),
                            expression.graph->outputs()[0].value->type());
    plan.packings.push_back({expression.graph, std::move(inputs), buffer});
    entry->second = buffer;
  }
  return {entry->second, 0};
}

void Lowering::copy(BufferRef from, BufferRef to, int64_t bytes, const Node* node, llvm::StringRef site) {
  Step step;
  step.node = node;
  step.site = site.str();
  step.arguments = {from, to};
  step.values = {bytes};
  use(from);
  use(to);
  plan.steps.push_back(std::move(step));
}

// Before a state is overwritten whose old value is needed afterwards: the value and its views move to the arena.
void Lowering::keep_old_value(const Value* state) {
  const BufferRef from = place.lookup(state), to{add_arena(state->type().bytes()), 0};
  if (plan.buffers[from.buffer].kind != Buffer::kState) return;
  copy(from, to, state->type().bytes(), state->node(), state->name());
  for (const Value* value : use_of_states->values(state))
    if (auto found = place.find(value); found != place.end()) found->second.buffer = to.buffer;
}

// A new value may be written over the old one that nothing needs any more, or that its own kernel alone still reads, each
// element before it is written.
bool Lowering::may_overwrite(const Value* state, const Node& node, const EmittedKernel& emitted,
                             int index) const {
  if (use_of_states->old_value(state, node) == StateUse::Needed::kAfter) return false;
  const std::vector<int> allowed =
      emitted.overwrites.empty() ? std::vector<int>() : emitted.overwrites[index];
  for (int i = 0; i < node.operand_count(); ++i)
    if (place.lookup(node.operand(i)).buffer == state_buffers.lookup(state) &&
        !llvm::is_contained(allowed, i))
      return false;
  return true;
}

BufferRef Lowering::place_of_result(const Node& node, const EmittedKernel& emitted, int index) {
  const Value* result = node.result(index);
  const Value* state = use_of_states->updated_by(result);
  if (state && may_overwrite(state, node, emitted, index)) return {state_buffers.lookup(state), 0};
  return {add_arena(result->type().bytes()), 0};
}

// A result that shares an operand's storage (a cache write) lives in the state whose new value it is; anything else is
// copied first.
void Lowering::place_shared_result(const Node& node, const Value* result, int operand) {
  const Value* state = use_of_states->updated_by(result);
  const Value* old_value = node.operand(operand);
  if (state && llvm::is_contained(use_of_states->values(state), old_value)) {
    if (use_of_states->old_value(state, node) == StateUse::Needed::kAfter) keep_old_value(state);
    place[result] = {state_buffers.lookup(state), 0};
    return;
  }
  if (!place.count(result)) place[result] = {add_arena(result->type().bytes()), 0};
  copy(place.lookup(old_value), place.lookup(result), result->type().bytes(), &node,
       node.attributes.string("site"));
  use(place.lookup(result));
}

void Lowering::place_results(const Node& node, const EmittedKernel& emitted) {
  for (int i = 0; i < node.result_count(); ++i) {
    const Value* result = node.result(i);
    const int shared = i < static_cast<int>(emitted.aliases.size()) ? emitted.aliases[i] : -1;
    if (shared >= 0) {
      place_shared_result(node, result, shared);
      continue;
    }
    if (!place.count(result)) place[result] = place_of_result(node, emitted, i);
    use(place.lookup(result));
  }
}

// An operand whose storage a result shares is met where that result lives: in the state, or in the copy made for it.
BufferRef Lowering::storage_of_operand(const Node& node, const EmittedKernel& emitted, int index) const {
  for (size_t i = 0; i < emitted.aliases.size(); ++i)
    if (emitted.aliases[i] == index) return place.lookup(node.result(static_cast<int>(i)));
  return place.lookup(node.operand(index));
}

void Lowering::add_step(const Node& node, int kernel, const Choice& choice) {
  const EmittedKernel& emitted = plan.kernels[kernel].emitted;
  place_results(node, emitted);
  Step step;
  step.kernel = kernel;
  step.node = &node;
  step.site = choice.region.site;
  std::copy(emitted.grid, emitted.grid + 3, step.grid);
  for (const KernelArgument& argument : emitted.arguments) {
    BufferRef ref;
    switch (argument.kind) {
      case KernelArgument::kOperand: ref = storage_of_operand(node, emitted, argument.index); break;
      case KernelArgument::kResult: ref = place.lookup(node.result(argument.index)); break;
      case KernelArgument::kPacked: ref = pack(kernel, argument.index, node); break;
      default: break;
    }
    use(ref);
    step.arguments.push_back(ref);
    step.values.push_back(argument.value);
  }
  if (emitted.workspace_bytes > 0) {
    step.workspace = {add_arena(emitted.workspace_bytes), 0};
    use(step.workspace);
  }
  if (emitted.counter_bytes > 0) {
    if (counters < 0) counters = add_arena(0);
    plan.buffers[counters].bytes = std::max(plan.buffers[counters].bytes, emitted.counter_bytes);
    step.counters = {counters, 0};
  }
  ++plan.kernels[kernel].launches;
  plan.steps.push_back(std::move(step));
}

void Lowering::steps() {
  size_t choice = 0;
  for (const Node& node : plan.graph->nodes()) {
    if (node.op() != Op::kFused) continue;
    if (kernel_of[choice] < 0) {
      const Node& view = *node.body->outputs()[0].value->node();
      BufferRef ref = place.lookup(node.operand(0));
      place[node.result()] = {ref.buffer, ref.offset + view_offset(view)};
    } else {
      add_step(node, kernel_of[choice], plan.selection.choices[choice]);
    }
    ++choice;
  }
}

// New values that are still elsewhere are copied to their states after the last kernel; what needs an old value then, an
// output or another state, has it kept before.
void Lowering::finish_states() {
  const auto late = [&](const Graph::StateUpdate& update) {
    return place.lookup(update.value).buffer != state_buffers.lookup(update.state->result());
  };
  for (const Graph::StateUpdate& update : plan.graph->state_updates())
    if (late(update) && use_of_states->is_kept(update.state->result()))
      keep_old_value(update.state->result());
  for (const Graph::StateUpdate& update : plan.graph->state_updates()) {
    use(place.lookup(update.value));
    if (late(update))
      plan.state_copies.push_back({state_buffers.lookup(update.state->result()), place.lookup(update.value)});
  }
}

void Lowering::finish() {
  finish_states();
  for (const Graph::Output& output : plan.graph->outputs()) {
    plan.outputs[output.name] = place.lookup(output.value);
    use(plan.outputs[output.name]);
  }
  std::vector<Lifetime> lifetimes;
  std::vector<int> buffers;
  for (int i = 0; i < static_cast<int>(plan.buffers.size()); ++i) {
    if (plan.buffers[i].kind != Buffer::kArena) continue;
    bool whole_run = i == counters;  // counters are zero between launches, so nothing else may live there
    lifetimes.push_back({plan.buffers[i].bytes, whole_run ? 0 : first_use[i],
                         whole_run ? static_cast<int>(plan.steps.size()) : last_use[i]});
    buffers.push_back(i);
    plan.arena_bytes_unplanned +=
        (plan.buffers[i].bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
  }
  MemoryPlan memory = plan_memory(lifetimes);
  for (size_t i = 0; i < buffers.size(); ++i) plan.buffers[buffers[i]].offset = memory.offsets[i];
  plan.arena_bytes = memory.bytes;
  plan.arena_bytes_alive = memory.peak;
}

}  // namespace

std::shared_ptr<Plan> lower(std::unique_ptr<Graph> graph, const LowerOptions& options) {
  auto plan = std::make_shared<Plan>();
  plan->target = options.target;
  plan->target_name = options.target_name;
  plan->ops_before = graph->op_count();
  Remarks remarks;
  run_pipeline(*graph, remarks, options.on_stage);
  Proposals proposals = propose_fusions(*graph);
  proposals.near_misses.insert(proposals.near_misses.begin(), remarks.begin(), remarks.end());
  llvm::SmallVector<const KernelFamily*, 8> all(families().begin(), families().end());
  plan->selection = select(std::move(proposals), all, options.target, options.facts, options.select);

  Lowering lowering(options, *plan);
  lowering.emit_kernels();
  plan->graph = outline(*graph, plan->selection);
  if (options.on_stage) options.on_stage("outline", *plan->graph, 0);
  plan->rewritten = std::move(graph);
  lowering.use_of_states.emplace(*plan->graph);
  lowering.place_sources();
  lowering.reserve_outputs();
  lowering.steps();
  lowering.finish();
  return plan;
}

}  // namespace tenon
