// emulator_device.cpp: a GPU's context over an emulated machine, and what its launches found.
#include "runtime/emulator/device/emulator_device.h"

#include <cassert>
#include <set>
#include <tuple>

#include "ir/diagnostics.h"
#include "passes/quantity.h"
#include "runtime/cache/compiler.h"
#include "runtime/emulator/device/emulated_driver.h"

namespace tenon::emulator {
namespace {

/// The machine lives as long as the context, and whatever holds the context.
struct EmulatedGpu {
  EmulatedGpu(std::shared_ptr<EmulatedMachine> emulated, cuda::KernelCompiler compiler)
      : machine(std::move(emulated)),
        context(emulated_driver_api(), machine->ordinal(), std::move(compiler), cuda::LibrarySearch{}) {}
  std::shared_ptr<EmulatedMachine> machine;
  cuda::GpuContext context;
};

std::shared_ptr<cuda::GpuContext> make_context(std::shared_ptr<EmulatedMachine> machine,
                                               cuda::KernelCompiler compiler) {
  auto gpu = std::make_shared<EmulatedGpu>(std::move(machine), std::move(compiler));
  return {gpu, &gpu->context};
}

cuda::KernelCompiler ptx_compiler() {
  return [compile = cache::kernel_compiler()](std::vector<cuda::CompileRequest> requests) {
    for (cuda::CompileRequest& request : requests) request.cubin = false;
    return compile(requests);
  };
}

class EmulatorProgram : public cuda::CudaProgram {
 public:
  EmulatorProgram(EmulatedMachine& machine, const Graph& graph, std::unique_ptr<cuda::CudaExecutor> executor)
      : CudaProgram(graph, std::move(executor)), machine_(machine) {}
  RunResult repeat(const TensorMap& inputs, int64_t times) override {
    machine_.forget_records();
    RunResult result = CudaProgram::repeat(inputs, times);
    result.device_us = 0;  // the host's clock tells nothing of a device
    return result;
  }

 private:
  EmulatedMachine& machine_;
};

}  // namespace

std::unique_ptr<EmulatorDevice> EmulatorDevice::open(llvm::StringRef architecture) {
  auto machine =
      std::make_shared<EmulatedMachine>(find_architecture(architecture), options_from_environment());
  return std::make_unique<EmulatorDevice>(std::move(machine), ptx_compiler());
}

EmulatorDevice::EmulatorDevice(std::shared_ptr<EmulatedMachine> machine, cuda::KernelCompiler compiler)
    : CudaDevice(make_context(machine, std::move(compiler))), machine_(std::move(machine)) {}

std::string EmulatorDevice::description() const {
  return "emulator (" + machine_->architecture().name.str() + ")";
}

Card EmulatorDevice::card() const { return machine_->architecture().card(); }

std::unique_ptr<tenon::Program> EmulatorDevice::prepare(const Graph& graph, const Plan* plan,
                                                        std::shared_ptr<Residents> residents) {
  assert(plan && "needs_plan() says so");
  for (const Kernel& kernel : plan->kernels) machine_->set_equation(kernel.emitted.name, equation_of(kernel));
  auto store = std::dynamic_pointer_cast<cuda::DeviceStore>(std::move(residents));
  assert(store && "residents of another device");
  return std::make_unique<EmulatorProgram>(
      *machine_, graph, std::make_unique<cuda::CudaExecutor>(gpu(), std::move(store), *plan));
}

std::string equation_of(const Kernel& kernel) {
  std::string text;
  for (const std::string& op : kernel.ops) text += (text.empty() ? "" : " ") + op;
  for (const Location& place : kernel.lines) {
    if (!place.known()) continue;
    llvm::SmallVector<llvm::StringRef, 0> lines;
    llvm::StringRef(place.file->text).split(lines, '\n');
    const std::string line =
        place.line <= static_cast<int>(lines.size()) ? lines[place.line - 1].trim(" \t\r,").str() : "";
    text += "\n    " + place.file->name + ":" + std::to_string(place.line) + ": " + line;
  }
  return text;
}

std::vector<const LaunchRecord*> records_of(const Plan& plan, const EmulatedMachine& machine) {
  std::vector<const LaunchRecord*> first(plan.kernels.size(), nullptr);
  for (const LaunchRecord& record : machine.records())
    for (size_t i = 0; i < plan.kernels.size(); ++i)
      if (!first[i] && plan.kernels[i].emitted.name == record.kernel) first[i] = &record;
  return first;
}

std::string findings_text(const EmulatedMachine& machine) {
  constexpr size_t kMostTold = 10;
  std::string text;
  std::set<std::tuple<std::string, FindingKind, int>> told;
  size_t left_out = 0;
  for (const LaunchRecord& record : machine.records())
    for (const Finding& finding : record.result.findings) {
      const auto key = std::tuple(record.kernel, finding.kind, finding.op);
      if (told.count(key) || (told.size() == kMostTold && ++left_out)) continue;
      told.insert(key);
      text += finding.text();
    }
  if (left_out)
    text += "and " + tell_count(static_cast<int64_t>(left_out), "more", "more") + ": --json has all\n";
  return text;
}

void require_no_findings(const EmulatedMachine& machine) {
  if (!machine.has_findings()) return;
  size_t count = 0;
  for (const LaunchRecord& record : machine.records()) count += record.result.findings.size();
  throw Error("the emulator found " + (count == 1 ? "a fault" : std::to_string(count) + " faults") +
                  " in the kernels\n" + findings_text(machine),
              {}, "", Status::kCheckFailed);
}

}  // namespace tenon::emulator
