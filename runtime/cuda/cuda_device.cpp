// Adapts the executor to the interface of devices: tensors in, tensors out.
#include "runtime/cuda/cuda_device.h"

#include <cassert>
#include <chrono>

#include "runtime/cuda/card_at_hand.h"
#include "runtime/input_checks.h"

namespace tenon::cuda {
namespace {

llvm::ArrayRef<char> bytes_of(const Tensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.data()), static_cast<size_t>(tensor.bytes())};
}

}  // namespace

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
