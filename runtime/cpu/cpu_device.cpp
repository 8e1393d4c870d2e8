// cpu_device.cpp: the walk over a graph: each value leaves after its last use; caches are written in place.
#include "runtime/cpu/cpu_device.h"
#include "passes/pipeline.h"

#include <cassert>
#include <chrono>

#include "runtime/cpu/operations.h"
#include "runtime/cpu/thread_pool.h"
#include "runtime/input_checks.h"

namespace tenon::cpu {

const View* optional(const Node& node, Operands operands, llvm::StringRef flag) {
  if (!node.attributes.flag(flag)) return nullptr;
  const Value* wanted = optional_operand(node, flag);
  for (int i = 0; i < node.operand_count(); ++i)
    if (node.operand(i) == wanted && i > 0) return &operands[i];
  return nullptr;
}

namespace {

using Source = std::function<View(const Node&)>;

/// True where the node may overwrite its state: nobody else reads the state's old value.
bool writes_in_place(const Node& node, const View& cache) {
  const Value* state = node.operand(0);
  return state->node()->op() == Op::kState && state->only_used_by(&node) && cache.storage.writable() &&
         cache.dense();
}

class Walker {
 public:
  Walker(const Graph& graph, const Source& source) : graph_(graph), source_(source) {}
  void run() {
    for (const Node& node : graph_.nodes()) step(node);
  }
  const View& operator[](const Value* value) const { return values_.find(value)->second; }

 private:
  void step(const Node& node);
  std::vector<View> results_of(const Node& node, Operands operands);
  std::vector<View> region(const Node& node, Operands operands);

  const Graph& graph_;
  const Source& source_;
  llvm::DenseMap<const Value*, View> values_;
  llvm::DenseMap<const Value*, int64_t> uses_left_;
};

std::vector<View> Walker::region(const Node& node, Operands operands) {
  Source parameter = [&](const Node& source) { return operands[source.attributes.integer("index")]; };
  Walker body(*node.body, parameter);
  body.run();
  std::vector<View> results;
  for (const Graph::Output& output : node.body->outputs()) results.push_back(body[output.value]);
  return results;
}

/// By the evaluator, in f64: for what is small or rare enough.
View as_evaluated(const Node& node, Operands operands) {
  std::vector<HostTensor> values;
  for (size_t i = 0; i < operands.size(); ++i)
    values.push_back(to_host(operands[i].tensor(node.operand(static_cast<int>(i))->type())));
  llvm::SmallVector<const HostTensor*, 6> pointers;
  for (const HostTensor& value : values) pointers.push_back(&value);
  return View::of(from_host(evaluate_node(node, pointers, Rounding::kDeclared)[0]));
}

/// Whether operand `i` may be quantised weights as they are: the right operand of a product, a table of rows.
bool reads_quantised(const Node& node, size_t i) {
  if (node.operand(static_cast<int>(i))->type().rank() != 2) return false;
  return (node.op() == Op::kMatmul && i == 1) ||
         (node.op() == Op::kGather && i == 0 && node.attributes.integer("axis") == 0);
}

View composite(const Node& node, Operands operands) {
  switch (node.op()) {
    case Op::kRope: return rope(node, operands);
    case Op::kAttention: return attention(node, operands);
    case Op::kGroupedMatmul: return grouped_matmul(node, operands);
    case Op::kDequantise: return quantised(node, operands);
    default: return as_evaluated(node, operands);
  }
}

std::vector<View> Walker::results_of(const Node& node, Operands operands) {
  switch (node.kind()) {
    case OpKind::kSource: {
      bool computed = node.op() == Op::kConstant || node.op() == Op::kIota || node.op() == Op::kRopeTable;
      return {computed ? source(node) : source_(node)};
    }
    case OpKind::kElementwise: return {elementwise(node, operands)};
    case OpKind::kReduction: return {reduction(node, operands)};
    case OpKind::kNormalisation: return normalisation(node, operands);
    case OpKind::kContraction: return {matmul(node, operands)};
    case OpKind::kMovement: return {movement(node, operands)};
    case OpKind::kComposite: return {composite(node, operands)};
    case OpKind::kState: {
      View cache =
          writes_in_place(node, operands[0]) ? operands[0] : View::of(operands[0].tensor(node.type()).copy());
      write_cache(node, operands, cache);
      return {cache};
    }
    case OpKind::kRegion: return region(node, operands);
  }
  assert(false && "a kind without a meaning");
  return {};
}

void Walker::step(const Node& node) {
  bool wanted = false;
  for (int i = 0; i < node.result_count(); ++i) wanted |= !node.result(i)->unused();
  if (!wanted && node.kind() == OpKind::kSource) return;  // a declared weight that nothing reads
  llvm::SmallVector<View, 4> operands;
  for (const Value* operand : node.operands()) {
    const View& view = values_.find(operand)->second;
    operands.push_back(view.group > 0 && !reads_quantised(node, operands.size()) ? widened(view) : view);
  }
  for (const Value* operand : node.operands())
    if (--uses_left_[operand] == 0) values_.erase(operand);
  std::vector<View> results = results_of(node, operands);
  for (int i = 0; i < node.result_count(); ++i) {
    const Value* value = node.result(i);
    if (value->unused()) continue;
    uses_left_[value] = static_cast<int64_t>(value->users().size()) + value->is_result();
    values_[value] = results[i].group > 0 && value->is_result() ? widened(results[i]) : std::move(results[i]);
  }
}

struct CpuResidents : Residents {
  TensorMap weights, states;
  TensorMap state() const override {
    TensorMap copies;
    for (const auto& [name, tensor] : states) copies[name] = tensor.copy();
    return copies;
  }
  Tensor state(const std::string& name) const override { return states.at(name).copy(); }
  void set_state(const TensorMap& fresh) override {
    for (const auto& [name, tensor] : fresh) states.at(name) = tensor.copy();
  }
  bool holds(const Tensor& tensor) const {
    for (const auto& [name, state] : states)
      if (state.data() == tensor.data()) return true;
    return false;
  }
};

std::string name_in(const Node& node) { return node.attributes.string("name").str(); }

class CpuProgram : public Program {
 public:
  /// Runs the rewritten graph: what a model spells out in primitives (attention above all) runs as the short form does.
  CpuProgram(const Graph& graph, std::shared_ptr<CpuResidents> residents)
      : rewritten_(graph.clone()), graph_(*rewritten_), residents_(std::move(residents)) {
    Remarks remarks;
    run_pipeline(*rewritten_, remarks);
  }

  RunResult run(const TensorMap& inputs) override {
    check_cache_writes(graph_, inputs);
    auto start = std::chrono::steady_clock::now();
    Source source = [&](const Node& node) {
      const TensorMap& tensors = node.op() == Op::kInput    ? inputs
                                 : node.op() == Op::kWeight ? residents_->weights
                                                            : residents_->states;
      return View::of(tensors.at(name_in(node)));
    };
    Walker walker(graph_, source);
    walker.run();
    RunResult result;
    for (const Graph::Output& output : graph_.outputs()) {
      Tensor tensor = walker[output.value].tensor(output.value->type());
      result.outputs.push_back(residents_->holds(tensor) ? tensor.copy()
                                                         : tensor);  // the next run writes states
    }
    update_states(walker);
    result.wall_us =
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
    return result;
  }

 private:
  void update_states(const Walker& walker) {
    TensorMap fresh;
    for (const Graph::StateUpdate& update : graph_.state_updates()) {
      Tensor tensor = walker[update.value].tensor(update.value->type());
      std::string name = name_in(*update.state);
      bool own = tensor.writable() && tensor.data() == residents_->states.at(name).data();
      fresh[name] = own ? tensor : tensor.copy();
    }
    for (auto& [name, tensor] : fresh) residents_->states[name] = std::move(tensor);
  }

  std::unique_ptr<Graph> rewritten_;
  const Graph& graph_;
  std::shared_ptr<CpuResidents> residents_;
};

class CpuDevice : public Device {
 public:
  std::string description() const override {
    int threads = thread_count();
    return "cpu (" + std::to_string(threads) + (threads == 1 ? " thread)" : " threads)");
  }
  std::shared_ptr<Residents> hold(const TensorMap& weights, const TensorMap& state) override {
    auto residents = std::make_shared<CpuResidents>();
    residents->weights = weights;
    for (const auto& [name, tensor] : state) residents->states[name] = tensor.copy();
    return residents;
  }
  std::unique_ptr<Program> prepare(const Graph& graph, const Plan*,
                                   std::shared_ptr<Residents> residents) override {
    return std::make_unique<CpuProgram>(graph, std::static_pointer_cast<CpuResidents>(std::move(residents)));
  }
  bool needs_plan() const override { return false; }
};

}  // namespace

std::unique_ptr<Device> make_cpu_device() { return std::make_unique<CpuDevice>(); }

Values evaluate(const Graph& graph, const std::function<Tensor(const Node&)>& source) {
  Source views = [&](const Node& node) { return View::of(source(node)); };
  Walker walker(graph, views);
  walker.run();
  Values values;
  for (const Graph::Output& output : graph.outputs())
    values.outputs.push_back(walker[output.value].tensor(output.value->type()));
  for (const Graph::StateUpdate& update : graph.state_updates())
    values.state_updates.push_back(walker[update.value].tensor(update.value->type()));
  return values;
}

}  // namespace tenon::cpu
