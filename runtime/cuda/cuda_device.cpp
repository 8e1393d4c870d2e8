// Adapts the executor to the interface of devices: tensors in, tensors out.
#include "runtime/cuda/cuda_device.h"

#include <cassert>
#include <chrono>

#include "runtime/cuda/card_at_hand.h"

namespace tenon::cuda {
namespace {

llvm::ArrayRef<char> bytes_of(const Tensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.data()), static_cast<size_t>(tensor.bytes())};
}

}  // namespace

void check_cache_writes(const Graph& graph, const TensorMap& inputs) {
  for (const Node& node : graph.nodes()) {
    if (node.op() != Op::kCacheWrite || node.operand(2)->node()->op() != Op::kInput) continue;
    const Tensor& position = inputs.at(node.operand(2)->node()->attributes.string("name").str());
    const int64_t capacity = node.operand(0)->type().shape[2].extent(),
                  rows = node.operand(1)->type().shape[2].extent();
    for (int64_t i = 0; i < position.elements(); ++i)
      if (const int64_t first = position.integer_at(i); first < 0 || first + rows > capacity)
        throw Error("a cache write of " + std::to_string(rows) + " rows at position " +
                        std::to_string(first) + " passes the cache's capacity of " + std::to_string(capacity),
                    node.location);
  }
}

CudaProgram::CudaProgram(const Graph& graph, std::unique_ptr<CudaExecutor> executor)
    : graph_(graph), executor_(std::move(executor)) {
  executor_->prepare();
}

RunResult CudaProgram::repeat(const TensorMap& inputs, int64_t times) {
  check_cache_writes(graph_, inputs);
  const auto start = std::chrono::steady_clock::now();
  for (const Buffer& buffer : executor_->plan().buffers)
    if (buffer.kind == Buffer::kInput) executor_->write_input(buffer.name, bytes_of(inputs.at(buffer.name)));
  RunResult result;
  result.device_us = executor_->run(times);
  for (const Graph::Output& output : executor_->plan().graph->outputs()) {
    Tensor tensor = Tensor::uninitialised(output.value->type());
    executor_->read_output(
        output.name, {reinterpret_cast<char*>(tensor.mutable_data()), static_cast<size_t>(tensor.bytes())});
    result.outputs.push_back(std::move(tensor));
  }
  result.wall_us =
      std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
  return result;
}

std::unique_ptr<CudaDevice> CudaDevice::open(int ordinal) {
  return std::make_unique<CudaDevice>(GpuContext::open(ordinal));
}

std::string CudaDevice::description() const {
  return "cuda:" + std::to_string(gpu_->gpu().ordinal) + " (" + gpu_->gpu().name + ")";
}

Card CudaDevice::card() const { return card_at_hand(gpu_->gpu()); }

std::shared_ptr<Residents> CudaDevice::hold(const TensorMap& weights, const TensorMap& state) {
  return std::make_shared<DeviceStore>(gpu_, weights, state);
}

std::unique_ptr<Program> CudaDevice::prepare(const Graph& graph, const Plan* plan,
                                             std::shared_ptr<Residents> residents) {
  assert(plan && "needs_plan() says so");
  auto store = std::dynamic_pointer_cast<DeviceStore>(std::move(residents));
  assert(store && "residents of another device");
  return std::make_unique<CudaProgram>(graph, std::make_unique<CudaExecutor>(gpu_, std::move(store), *plan));
}

}  // namespace tenon::cuda
