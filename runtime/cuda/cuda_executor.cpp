// Placing a plan's buffers, resolving its launches, capturing and replaying them.
#include "runtime/cuda/cuda_executor.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>

#include "codegen/residence.h"

namespace tenon::cuda {

/// A step ready to go: every address and number is known, so that enqueueing only calls the driver.
namespace {

/// TENON_OVERLAP=0 launches each kernel when the one before it is complete: to measure what overlapping gains.
bool overlapping_launches_wanted() {
  static const bool wanted = [] {
    const char* value = std::getenv("TENON_OVERLAP");
    return !value || llvm::StringRef(value) != "0";
  }();
  return wanted;
}

}  // namespace

struct CudaExecutor::Launch {
  Function function = nullptr;  // a kernel
  LaunchConfig config{};
  LaunchAttribute attributes[2] = {};
  std::vector<uint64_t> storage;       // of the parameters; little-endian, so 32-bit ones lie at the front
  std::vector<void*> parameters;       // into storage
  PreparedProduct* product = nullptr;  // or a library product
  ProductPointers pointers;
  DevicePointer copy_from = 0, copy_to = 0;  // or, where neither, a copy
  size_t copy_bytes = 0;
  bool empty = false;  // some extent is 0: nothing to do
};

namespace {

bool is_empty(const LibraryProduct& p) { return p.m == 0 || p.n == 0 || p.k == 0 || p.batch == 0; }

// What all places of a kernel's products are multiples of, at most 16: buffers start aligned, views may not.
int common_alignment(const Plan& plan, int kernel) {
  uint64_t all = kPointerAlignment;
  for (const Step& step : plan.steps)
    if (step.kernel == kernel)
      for (const BufferRef& place : step.arguments) all |= static_cast<uint64_t>(place.offset);
  return static_cast<int>(all & (~all + 1));
}

double median(std::vector<double> values) {
  assert(!values.empty());
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

}  // namespace

CudaExecutor::CudaExecutor(std::shared_ptr<GpuContext> gpu, std::shared_ptr<DeviceStore> store,
                           const Plan& plan)
    : gpu_(std::move(gpu)), store_(std::move(store)), plan_(plan), kernels_(gpu_->load(plan_)) {
  const ContextScope scope(gpu_->context());
  stream_ = gpu_->context().make_stream();
  start_ = gpu_->context().make_event();
  stop_ = gpu_->context().make_event();
  addresses_.assign(plan_.buffers.size(), 0);
  products_.resize(plan_.kernels.size());
  for (size_t i = 0; i < plan_.kernels.size(); ++i) {
    const EmittedKernel& emitted = plan_.kernels[i].emitted;
    if (emitted.source.empty() && !is_empty(emitted.product))
      products_[i] = gpu_->library().prepare(emitted.product, common_alignment(plan_, static_cast<int>(i)));
  }
}

CudaExecutor::~CudaExecutor() = default;

int CudaExecutor::input_buffer(llvm::StringRef name) const {
  for (size_t i = 0; i < plan_.buffers.size(); ++i)
    if (plan_.buffers[i].kind == Buffer::kInput && name == plan_.buffers[i].name) return static_cast<int>(i);
  throw Error("the model has no input '" + name.str() + "'");
}

DevicePointer CudaExecutor::address(BufferRef place) const {
  return place.buffer < 0 ? 0 : addresses_[place.buffer] + place.offset;
}

void CudaExecutor::bind_input(llvm::StringRef name, DevicePointer pointer) {
  require_alignment(name, pointer);
  addresses_[input_buffer(name)] = pointer;
  if (prepared_) resolve();
}

void CudaExecutor::bind_output(llvm::StringRef name, DevicePointer pointer) {
  require_alignment(name, pointer);
  if (!plan_.outputs.count(name.str())) throw Error("the model has no output '" + name.str() + "'");
  bound_outputs_[name.str()] = pointer;
  if (!prepared_) return;
  place_outputs();
  resolve();
}

// For a driver that watches memory: each value of the arena in an allocation of its own, so that its bounds, its name and
// what was never written to it show.
void CudaExecutor::place_values_apart() {
  const auto place = [&](BufferRef at, const std::string& purpose) {
    if (at.buffer < 0 || addresses_[at.buffer] || plan_.buffers[at.buffer].kind != Buffer::kArena) return;
    own_memory_.push_back(gpu_->context().allocate(plan_.buffers[at.buffer].bytes, purpose));
    addresses_[at.buffer] = own_memory_.back().get();
  };
  for (const Step& step : plan_.steps) {
    place(step.workspace, "the workspace of " + step.site);
    if (step.counters.buffer >= 0 && !addresses_[step.counters.buffer]) {
      place(step.counters, "the counters of kernels");
      TENON_CUDA(gpu_->api(), cuMemsetD8Async, address(step.counters), 0,
                 plan_.buffers[step.counters.buffer].bytes, stream_.get());
    }
    for (const BufferRef& argument : step.arguments) place(argument, "the result of " + step.site);
  }
}

void CudaExecutor::place_buffers() {
  const PrimaryContext& context = gpu_->context();
  const bool apart = gpu_->api().describe_memory != nullptr;
  if (apart) place_values_apart();
  if (!apart && !arena_ && plan_.arena_bytes > 0) {
    arena_ = context.allocate(plan_.arena_bytes, "the arena");
    // Counters of kernels are zero at first and left zero by every launch.
    TENON_CUDA(gpu_->api(), cuMemsetD8Async, arena_.get(), 0, plan_.arena_bytes, stream_.get());
  }
  const bool uses_library =
      std::any_of(products_.begin(), products_.end(), [](const auto& product) { return product != nullptr; });
  if (uses_library && !library_workspace_)
    library_workspace_ = context.allocate(kLibraryWorkspaceBytes, "cuBLASLt's workspace");

  const std::vector<bool> used = used_buffers(plan_);
  for (size_t i = 0; i < plan_.buffers.size(); ++i) {
    const Buffer& buffer = plan_.buffers[i];
    if (buffer.kind == Buffer::kArena && !apart) addresses_[i] = arena_.get() + buffer.offset;
    if (!used[i]) continue;
    if (buffer.kind == Buffer::kWeight) addresses_[i] = store_->weight(buffer);
    if (buffer.kind == Buffer::kState) addresses_[i] = store_->state(buffer);
    if (buffer.kind == Buffer::kInput && !addresses_[i] && buffer.bytes > 0) {
      own_memory_.push_back(context.allocate(buffer.bytes, "the input " + buffer.name, true));
      addresses_[i] = own_memory_.back().get();
    }
  }
  for (const Packing& packing : plan_.packings)
    if (used[packing.output]) addresses_[packing.output] = store_->packed(plan_, packing);
}

// An output is a kernel's own result in a buffer of its own, or a copy of a value that lives elsewhere.
void CudaExecutor::place_outputs() {
  output_copies_.clear();
  for (const Graph::Output& output : plan_.graph->outputs()) {
    const BufferRef from = plan_.outputs.at(output.name);
    const Buffer& buffer = plan_.buffers[from.buffer];
    const int64_t bytes = output.value->type().bytes();
    DevicePointer& target = bound_outputs_[output.name];
    if (!target && bytes > 0) {
      own_memory_.push_back(gpu_->context().allocate(bytes, "the output " + output.name));
      target = own_memory_.back().get();
    }
    if (buffer.kind == Buffer::kOutput && buffer.name == output.name && from.offset == 0)
      addresses_[from.buffer] = target;
    else if (bytes > 0)
      output_copies_.push_back({from, target, bytes});
  }
}

void CudaExecutor::resolve_kernel(Launch& launch, const Step& step) {
  const EmittedKernel& emitted = plan_.kernels[step.kernel].emitted;
  launch.function = kernels_[step.kernel]->function;
  launch.empty = step.grid[0] == 0 || step.grid[1] == 0 || step.grid[2] == 0;
  assert(step.arguments.size() == emitted.arguments.size() && step.values.size() == emitted.arguments.size());
  for (size_t i = 0; i < emitted.arguments.size(); ++i) {
    switch (emitted.arguments[i].kind) {
      case KernelArgument::kWorkspace: launch.storage.push_back(address(step.workspace)); break;
      case KernelArgument::kCounters: launch.storage.push_back(address(step.counters)); break;
      case KernelArgument::kInt32:
      case KernelArgument::kInt64: launch.storage.push_back(static_cast<uint64_t>(step.values[i])); break;
      default: launch.storage.push_back(address(step.arguments[i]));
    }
  }
  for (uint64_t& word : launch.storage) launch.parameters.push_back(&word);
  LaunchConfig& config = launch.config;
  config = {static_cast<unsigned>(step.grid[0]),
            static_cast<unsigned>(step.grid[1]),
            static_cast<unsigned>(step.grid[2]),
            static_cast<unsigned>(emitted.block[0]),
            static_cast<unsigned>(emitted.block[1]),
            static_cast<unsigned>(emitted.block[2]),
            static_cast<unsigned>(emitted.shared_bytes),
            nullptr,
            nullptr,
            0};
  config.attributes = launch.attributes;
  if (emitted.cluster[0] * emitted.cluster[1] * emitted.cluster[2] > 1) {
    LaunchAttribute& cluster = launch.attributes[config.attribute_count++];
    cluster.id = kClusterDimension;
    cluster.value.cluster = {static_cast<unsigned>(emitted.cluster[0]),
                             static_cast<unsigned>(emitted.cluster[1]),
                             static_cast<unsigned>(emitted.cluster[2])};
  }
  if (emitted.overlaps && overlapping_launches_wanted()) {
    LaunchAttribute& early = launch.attributes[config.attribute_count++];
    early.id = kProgrammaticSerialization;
    early.value.flag = 1;
  }
}

void CudaExecutor::resolve_product(Launch& launch, const Step& step) {
  const LibraryProduct& product = plan_.kernels[step.kernel].emitted.product;
  const auto argument = [&](int index) { return index < 0 ? 0 : address(step.arguments[index]); };
  launch.product = products_[step.kernel].get();
  launch.empty = launch.product == nullptr;
  launch.pointers = {argument(product.a), argument(product.b), argument(product.c), argument(product.d),
                     argument(product.bias)};
}

// A step without a kernel moves arguments[0] to arguments[1].
void CudaExecutor::resolve_copy(Launch& launch, const Step& step) {
  launch.copy_from = address(step.arguments[0]);
  launch.copy_to = address(step.arguments[1]);
  launch.copy_bytes = static_cast<size_t>(step.values[0]);
  launch.empty = launch.copy_bytes == 0;
}

void CudaExecutor::resolve() {
  graph_.reset();
  launches_.clear();
  for (const Step& step : plan_.steps) {
    launches_.push_back(std::make_unique<Launch>());
    if (step.kernel < 0)
      resolve_copy(*launches_.back(), step);
    else if (kernels_[step.kernel])
      resolve_kernel(*launches_.back(), step);
    else
      resolve_product(*launches_.back(), step);
  }
}

void CudaExecutor::launch(const Launch& launch, Stream stream) {
  if (launch.empty) return;
  if (launch.product)
    return gpu_->library().enqueue(*launch.product, launch.pointers, library_workspace_.get(), stream);
  if (!launch.function) {
    TENON_CUDA(gpu_->api(), cuMemcpyDtoDAsync_v2, launch.copy_to, launch.copy_from, launch.copy_bytes,
               stream);
    return;
  }
  LaunchConfig config = launch.config;
  config.stream = stream;
  TENON_CUDA(gpu_->api(), cuLaunchKernelEx, &config, launch.function,
             const_cast<void**>(launch.parameters.data()), nullptr);
}

void CudaExecutor::enqueue_steps(Stream stream) {
  const DriverApi& api = gpu_->api();
  for (const auto& step : launches_) launch(*step, stream);
  for (const auto& [state, from] : plan_.state_copies)
    if (const int64_t bytes = plan_.buffers[state].bytes)
      TENON_CUDA(api, cuMemcpyDtoDAsync_v2, addresses_[state], address(from), bytes, stream);
  for (const OutputCopy& copy : output_copies_)
    TENON_CUDA(api, cuMemcpyDtoDAsync_v2, copy.to, address(copy.from), copy.bytes, stream);
}

void CudaExecutor::capture() {
  const DriverApi& api = gpu_->api();
  TENON_CUDA(api, cuStreamBeginCapture_v2, stream_.get(), kCaptureThreadLocal);
  GraphHandle captured = nullptr;
  try {
    enqueue_steps(stream_.get());
  } catch (...) {  // the stream must leave the capture, and the first error is the one to tell
    api.cuStreamEndCapture(stream_.get(), &captured);
    if (captured) api.cuGraphDestroy(captured);
    throw;
  }
  TENON_CUDA(api, cuStreamEndCapture, stream_.get(), &captured);
  const OwnedGraph graph(gpu_->context().ref(), captured);
  GraphExec exec = nullptr;
  TENON_CUDA(api, cuGraphInstantiateWithFlags, &exec, graph.get(), 0);
  graph_ = OwnedGraphExec(gpu_->context().ref(), exec);
}

void CudaExecutor::prepare() {
  const ContextScope scope(gpu_->context());
  place_buffers();
  place_outputs();
  wait();
  resolve();
  capture();
  prepared_ = true;
}

void CudaExecutor::enqueue(Stream stream) {
  if (!prepared_) throw Error("enqueue before prepare");
  const DriverApi& api = gpu_->api();
  const ContextScope scope(gpu_->context());
  int capturing = 0;
  TENON_CUDA(api, cuStreamIsCapturing, stream, &capturing);
  if (graph_ && !capturing)
    TENON_CUDA(api, cuGraphLaunch, graph_.get(), stream);
  else
    enqueue_steps(stream);
}

void CudaExecutor::wait() { TENON_CUDA(gpu_->api(), cuStreamSynchronize, stream_.get()); }

double CudaExecutor::run(int64_t times) {
  if (!prepared_ || !graph_) prepare();
  const ContextScope scope(gpu_->context());
  const DriverApi& api = gpu_->api();
  TENON_CUDA(api, cuEventRecord, start_.get(), stream_.get());
  for (int64_t i = 0; i < times; ++i) enqueue(stream_.get());
  TENON_CUDA(api, cuEventRecord, stop_.get(), stream_.get());
  wait();
  float milliseconds = 0;
  TENON_CUDA(api, cuEventElapsedTime, &milliseconds, start_.get(), stop_.get());
  return milliseconds * 1000;
}

void CudaExecutor::write_input(llvm::StringRef name, llvm::ArrayRef<char> bytes) {
  if (!prepared_) prepare();
  const int buffer = input_buffer(name);
  assert(static_cast<int64_t>(bytes.size()) == plan_.buffers[buffer].bytes);
  if (bytes.empty() || !addresses_[buffer]) return;  // an unused input has no memory
  const ContextScope scope(gpu_->context());
  TENON_CUDA(gpu_->api(), cuMemcpyHtoDAsync_v2, addresses_[buffer], bytes.data(), bytes.size(),
             stream_.get());
  wait();
}

void CudaExecutor::read_output(llvm::StringRef name, llvm::MutableArrayRef<char> bytes) {
  const auto place = bound_outputs_.find(name.str());
  if (place == bound_outputs_.end()) throw Error("the model has no output '" + name.str() + "'");
  read_memory(place->second, bytes);
}

void CudaExecutor::read_memory(DevicePointer from, llvm::MutableArrayRef<char> bytes) {
  if (bytes.empty()) return;
  const ContextScope scope(gpu_->context());
  TENON_CUDA(gpu_->api(), cuMemcpyDtoHAsync_v2, bytes.data(), from, bytes.size(), stream_.get());
  wait();
}

void CudaExecutor::run_step(int step) {
  if (!prepared_) prepare();
  const ContextScope scope(gpu_->context());
  launch(*launches_[step], stream_.get());
  wait();
}

void CudaExecutor::read(BufferRef place, llvm::MutableArrayRef<char> bytes) {
  read_memory(address(place), bytes);
}

Timing CudaExecutor::measure(int repeats) {
  Timing timing;
  run();  // graph ready, caches and clocks warm
  std::vector<double> runs;
  for (int repeat = 0; repeat < repeats; ++repeat) runs.push_back(run());
  timing.run_us = median(runs);

  const ContextScope scope(gpu_->context());
  const DriverApi& api = gpu_->api();
  std::vector<OwnedEvent> events;
  for (size_t i = 0; i <= launches_.size(); ++i) events.push_back(gpu_->context().make_event());
  std::vector<std::vector<double>> steps(launches_.size());
  for (int repeat = 0; repeat < repeats; ++repeat) {
    TENON_CUDA(api, cuEventRecord, events[0].get(), stream_.get());
    for (size_t i = 0; i < launches_.size(); ++i) {
      launch(*launches_[i], stream_.get());
      TENON_CUDA(api, cuEventRecord, events[i + 1].get(), stream_.get());
    }
    wait();
    for (size_t i = 0; i < launches_.size(); ++i) {
      float milliseconds = 0;
      TENON_CUDA(api, cuEventElapsedTime, &milliseconds, events[i].get(), events[i + 1].get());
      steps[i].push_back(milliseconds * 1000);
    }
  }
  for (const std::vector<double>& step : steps) timing.step_us.push_back(median(step));
  return timing;
}

}  // namespace tenon::cuda
