// Models on devices for applications: weights gathered, plans made, memory bound.
#include "runtime/bound_program.h"

#include <cassert>
#include <cstring>

#include "codegen/lower.h"
#include "runtime/emulator/device/emulator_device.h"
#include "runtime/quantise.h"
#include "runtime/safetensors.h"

namespace tenon {

/// What differs between a GPU, where plans run on bound device memory, and devices that run on tensors.
class BoundProgram::Backend {
 public:
  virtual ~Backend() = default;
  virtual void bind_input(const Slot& slot, const void* data) = 0;
  virtual void bind_output(const Slot& slot, void* data) = 0;
  virtual void prepare() = 0;
  virtual void enqueue(void* stream) = 0;
  virtual void run() = 0;
};

namespace {

using Slot = BoundProgram::Slot;

/// Runs on tensors in the application's host memory: the cpu, and the emulator, whose kernels' faults fail the run.
class HostBackend : public BoundProgram::Backend {
 public:
  HostBackend(Device& device, const Graph& graph, std::shared_ptr<const Plan> plan,
              std::shared_ptr<Residents> residents)
      : device_(device),
        graph_(graph),
        plan_(std::move(plan)),
        program_(device.prepare(graph, plan_.get(), std::move(residents))) {}

  void bind_input(const Slot& slot, const void* data) override {
    inputs_[slot.name] = Tensor::view(slot.type, static_cast<const std::byte*>(data), nullptr);
  }
  void bind_output(const Slot& slot, void* data) override { outputs_[slot.name] = data; }
  void prepare() override {}
  void enqueue(void* stream) override {
    if (stream) throw Error(device_.description() + " has no streams: enqueue takes null there");
    run();
  }
  void run() override {
    const RunResult result = program_->run(inputs_);
    if (const auto* emulated = dynamic_cast<emulator::EmulatorDevice*>(&device_))
      emulator::require_no_findings(emulated->machine());
    for (size_t i = 0; i < result.outputs.size(); ++i)
      if (const int64_t bytes = result.outputs[i].bytes())
        std::memcpy(outputs_.at(graph_.outputs()[i].name), result.outputs[i].data(), bytes);
  }

 private:
  Device& device_;
  const Graph& graph_;
  std::shared_ptr<const Plan> plan_;
  std::unique_ptr<Program> program_;
  TensorMap inputs_;
  std::map<std::string, void*> outputs_;
};

class CudaBackend : public BoundProgram::Backend {
 public:
  CudaBackend(std::shared_ptr<cuda::GpuContext> gpu, std::shared_ptr<cuda::DeviceStore> store,
              std::shared_ptr<const Plan> plan)
      : plan_(std::move(plan)), executor_(std::move(gpu), std::move(store), *plan_) {}

  void bind_input(const Slot& slot, const void* data) override {
    executor_.bind_input(slot.name, address(data));
  }
  void bind_output(const Slot& slot, void* data) override { executor_.bind_output(slot.name, address(data)); }
  void prepare() override { executor_.prepare(); }
  void enqueue(void* stream) override { executor_.enqueue(static_cast<cuda::Stream>(stream)); }
  void run() override { executor_.run(); }

 private:
  static cuda::DevicePointer address(const void* data) { return reinterpret_cast<cuda::DevicePointer>(data); }
  std::shared_ptr<const Plan> plan_;
  cuda::CudaExecutor executor_;
};

std::shared_ptr<const Plan> plan_for(const cuda::CudaDevice& device, const Model& model,
                                     const DimBinding& dims, Policy policy) {
  LowerOptions options;
  options.target.card = device.card();
  options.target.library = device.gpu()->has_library();
  options.target.tf32 = model.tf32();
  options.target_name = options.target.card.name;
  options.select.policy = policy;
  options.select.site_policy = model.policy();
  const auto plan = lower(model.build(dims), options);
  plan->model = model.name();
  plan->dims = dims;
  return plan;
}

const Slot& find(llvm::ArrayRef<Slot> slots, llvm::StringRef kind, llvm::StringRef name) {
  std::vector<llvm::StringRef> names;
  for (const Slot& slot : slots) {
    if (name == slot.name) return slot;
    names.push_back(slot.name);
  }
  const std::string near = nearest(name, names);
  throw Error("the model has no " + kind.str() + " '" + name.str() + "'", {},
              near.empty() ? "" : "did you mean '" + near + "'?");
}

Slot slot_of(llvm::StringRef name, const Type& type) { return {name.str(), type, extents_of(type.shape)}; }

Tensor given_tensor(const GivenWeight& given, const Type& type) {
  if (static_cast<int64_t>(given.bytes) != type.bytes())
    throw Error("it was given " + std::to_string(given.bytes) + " bytes and is " + type.text() + ": " +
                std::to_string(type.bytes()));
  return Tensor::view(type, static_cast<const std::byte*>(given.data), nullptr);
}

/// True for the floats of a weight that is to be quantised: a file that holds it as integers has its scales too.
bool holds_floats(const FileTensor& tensor, const FileTensors& files) {
  return is_float(tensor.type) && !files.count(tensor.name + ".scale");
}

void keep_quantised(const Node& dequantise, const FileTensor& floats, TensorMap& weights) {
  QuantisedTensors tensors = quantise(dequantise, to_declared(floats, dequantise.type(), nullptr));
  weights[dequantise.operand(0)->node()->attributes.string("name").str()] = std::move(tensors.values);
  weights[dequantise.operand(1)->node()->attributes.string("name").str()] = std::move(tensors.scales);
}

}  // namespace

Policy policy_of(llvm::StringRef name) {
  if (name == "auto") return Policy::kAuto;
  if (name == "fused") return Policy::kFused;
  if (name == "library") return Policy::kLibrary;
  throw Error("no policy '" + name.str() + "'", {}, "auto, fused or library");
}

TensorMap gather_weights(const Graph& graph, const ProgramOptions& options) {
  FileTensors files;
  for (const std::string& path : options.weight_files) files.merge(read_safetensors(path));
  TensorMap weights;
  std::vector<Diagnostic> problems;
  for (const Node& node : graph.nodes()) {
    if (node.op() != Op::kWeight || weights.count(node.attributes.string("name").str())) continue;
    const std::string name = node.attributes.string("name").str(),
                      from = node.attributes.string("from").str();
    try {
      const auto given = options.given_weights.find(name);
      const auto stored = files.find(from.empty() ? name : from);
      if (given != options.given_weights.end())
        weights[name] = given_tensor(given->second, node.type());
      else if (stored == files.end())
        throw Error("nothing gives it");
      else if (const Node* dequantise = dequantise_of(node);
               dequantise && dequantise->operand(0) == node.result() && holds_floats(stored->second, files))
        keep_quantised(*dequantise, stored->second, weights);
      else
        weights[name] = to_declared(stored->second, node.type(), nullptr);
      check_scales(node, weights[name]);
    } catch (const Error& error) {
      problems.push_back(
          {"the weight '" + name + "': " + error.diagnostics().front().message, node.location, ""});
    }
  }
  if (!problems.empty()) throw Error(std::move(problems));
  return weights;
}

BoundProgram::BoundProgram(std::shared_ptr<const Model> model, ProgramOptions options)
    : model_(std::move(model)), options_(std::move(options)), device_(make_device(options_.device)) {
  rebind(options_.dims);
}

BoundProgram::~BoundProgram() = default;

void BoundProgram::rebind(const DimBinding& dims) {
  const DimBinding bound = model_->bind(dims, {});
  std::unique_ptr<Graph> graph = model_->build(bound);
  std::vector<Slot> inputs, outputs, states;
  TensorMap zeros;
  for (const Node& node : graph->nodes()) {
    const llvm::StringRef name = node.attributes.string("name");
    if (node.op() == Op::kInput) inputs.push_back(slot_of(name, node.type()));
    if (node.op() != Op::kState) continue;
    states.push_back(slot_of(name, node.type()));
    zeros[name.str()] = Tensor::zeros(node.type());
  }
  for (const Graph::Output& output : graph->outputs())
    outputs.push_back(slot_of(output.name, output.value->type()));
  if (!residents_) {
    weights_ = gather_weights(*graph, options_);
    residents_ = device_->hold(weights_, zeros);
  }
  backend_.reset();  // it refers to the graph
  bound_inputs_.clear();
  bound_outputs_.clear();
  graph_ = std::move(graph);
  inputs_ = std::move(inputs);
  outputs_ = std::move(outputs);
  states_ = std::move(states);
  options_.dims = bound;
  make_backend();
}

void BoundProgram::make_backend() {
  const auto* gpu = dynamic_cast<cuda::CudaDevice*>(device_.get());
  const auto plan = gpu ? plan_for(*gpu, *model_, options_.dims, options_.policy) : nullptr;
  if (gpu && !dynamic_cast<emulator::EmulatorDevice*>(device_.get()))
    backend_ = std::make_unique<CudaBackend>(gpu->gpu(),
                                             std::static_pointer_cast<cuda::DeviceStore>(residents_), plan);
  else
    backend_ = std::make_unique<HostBackend>(*device_, *graph_, plan, residents_);
}

void BoundProgram::bind_input(llvm::StringRef name, const void* data) {
  const Slot& slot = find(inputs_, "input", name);
  backend_->bind_input(slot, data);
  bound_inputs_[slot.name] = data;
}

void BoundProgram::bind_output(llvm::StringRef name, void* data) {
  const Slot& slot = find(outputs_, "output", name);
  backend_->bind_output(slot, data);
  bound_outputs_[slot.name] = data;
}

void BoundProgram::require_all_bound() const {
  for (const Slot& slot : inputs_)
    if (const auto found = bound_inputs_.find(slot.name);
        found == bound_inputs_.end() || (!found->second && slot.type.bytes() > 0))
      throw Error("the input '" + slot.name + "' is not bound");
  for (const Slot& slot : outputs_)
    if (const auto found = bound_outputs_.find(slot.name);
        found == bound_outputs_.end() || (!found->second && slot.type.bytes() > 0))
      throw Error("the output '" + slot.name + "' is not bound");
}

void BoundProgram::prepare() {
  require_all_bound();
  backend_->prepare();
}

void BoundProgram::enqueue(void* stream) {
  require_all_bound();
  backend_->enqueue(stream);
}

void BoundProgram::run() {
  require_all_bound();
  backend_->run();
}

Tensor BoundProgram::state(llvm::StringRef name) const {
  return residents_->state().at(find(states_, "state", name).name);
}

void BoundProgram::set_state(llvm::StringRef name, llvm::ArrayRef<char> bytes) {
  const Slot& slot = find(states_, "state", name);
  if (static_cast<int64_t>(bytes.size()) != slot.type.bytes())
    throw Error("the state '" + slot.name + "' is " + slot.type.text() + ": " +
                std::to_string(slot.type.bytes()) + " bytes, not " + std::to_string(bytes.size()));
  const Tensor value =
      Tensor::view(slot.type, reinterpret_cast<const std::byte*>(bytes.data()), nullptr).copy();
  residents_->set_state({{slot.name, value}});
}

}  // namespace tenon
