// kernel_check.cpp: operands and results of single launches, read from the device.
#include "runtime/kernel_check.h"

#include <algorithm>

namespace tenon {
namespace {

/// A launch under examination.
struct Examination {
  cuda::CudaExecutor& executor;
  const TensorMap& weights;
  const Step& step;
  const EmittedKernel& emitted;

  Tensor read(const BufferRef& place, const Type& type) const {
    Tensor tensor = Tensor::uninitialised(type);
    executor.read(place,
                  {reinterpret_cast<char*>(tensor.mutable_data()), static_cast<size_t>(tensor.bytes())});
    return tensor;
  }
  const BufferRef* argument(KernelArgument::Kind kind, int index) const {
    for (size_t i = 0; i < emitted.arguments.size(); ++i)
      if (emitted.arguments[i].kind == kind && emitted.arguments[i].index == index) return &step.arguments[i];
    return nullptr;
  }
  /// Parameter `index` of the body: on the device where the kernel reads it or writes into its storage, else a
  /// weight that was packed.
  HostTensor operand(int index) const {
    const Value* value = step.node->operand(index);
    if (const BufferRef* place = argument(KernelArgument::kOperand, index))
      return to_host(read(*place, value->type()));
    for (size_t i = 0; i < emitted.aliases.size(); ++i)
      if (emitted.aliases[i] == index)
        return to_host(read(*argument(KernelArgument::kResult, static_cast<int>(i)), value->type()));
    const Node& source = *value->node();
    if (source.op() == Op::kRopeTable) return to_host(Tensor::of(source.type(), rope_table(source)));
    return to_host(weights.at(source.attributes.string("name").str()));
  }
  /// Result `index`: where the kernel writes it, or in the operand whose storage it shares.
  Tensor result(int index) const {
    const BufferRef* place = argument(KernelArgument::kResult, index);
    if (!place) place = argument(KernelArgument::kOperand, emitted.aliases[index]);
    return read(*place, step.node->type(index));
  }
};

KernelCheck examine(cuda::CudaExecutor& executor, const TensorMap& weights, int index) {
  const Step& step = executor.plan().steps[index];
  const Examination examination{executor, weights, step, executor.plan().kernels[step.kernel].emitted};
  std::vector<HostTensor> operands;  // before the launch, which may overwrite them
  for (int i = 0; i < step.node->operand_count(); ++i) operands.push_back(examination.operand(i));
  executor.run_step(index);
  std::vector<Tensor> results;
  for (int i = 0; i < step.node->result_count(); ++i) results.push_back(examination.result(i));
  const auto source = [&](const Node& parameter) { return operands[parameter.attributes.integer("index")]; };
  return {step.kernel, step.site, judge(*step.node->body, source, results)};
}

}  // namespace

bool KernelCheck::passed() const {
  return std::all_of(outputs.begin(), outputs.end(), [](const OutputCheck& check) { return check.passed(); });
}

std::vector<KernelCheck> check_kernels(cuda::CudaExecutor& executor, const TensorMap& inputs,
                                       const TensorMap& weights) {
  const Plan& plan = executor.plan();
  for (const Buffer& buffer : plan.buffers)
    if (buffer.kind == Buffer::kInput) {
      const Tensor& tensor = inputs.at(buffer.name);
      executor.write_input(
          buffer.name, {reinterpret_cast<const char*>(tensor.data()), static_cast<size_t>(tensor.bytes())});
    }
  std::vector<KernelCheck> checks;
  std::vector<bool> seen(plan.kernels.size(), false);
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const int kernel = plan.steps[i].kernel;
    if (kernel < 0 || seen[kernel]) {
      executor.run_step(static_cast<int>(i));
      continue;
    }
    seen[kernel] = true;
    checks.push_back(examine(executor, weights, static_cast<int>(i)));
  }
  return checks;
}

}  // namespace tenon
