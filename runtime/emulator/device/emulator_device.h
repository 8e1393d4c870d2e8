// emulator_device.h: the emulator as one of Tenon's devices: generated kernels through NVRTC to PTX, executed here.
#pragma once
#include <memory>
#include <string>

#include "codegen/plan.h"
#include "runtime/cuda/cuda_device.h"
#include "runtime/emulator/device/emulated_machine.h"

namespace tenon::emulator {

class EmulatorDevice : public cuda::CudaDevice {
 public:
  /// `architecture` as find_architecture() takes it; options from the environment. Throws Error: an unknown architecture,
  /// and (the machine cannot) no NVRTC.
  static std::unique_ptr<EmulatorDevice> open(llvm::StringRef architecture);
  /// With a compiler of the caller's, which gives PTX.
  EmulatorDevice(std::shared_ptr<EmulatedMachine> machine, cuda::KernelCompiler compiler);

  std::string description() const override;
  /// The architecture's reference card: plans are those of the card that the emulator stands in for.
  Card card() const override;
  /// Runs forget the launches before them; the findings of their kernels name the plan's equations.
  std::unique_ptr<tenon::Program> prepare(const Graph& graph, const Plan* plan,
                                          std::shared_ptr<Residents> residents) override;
  EmulatedMachine& machine() const { return *machine_; }

 private:
  std::shared_ptr<EmulatedMachine> machine_;
};

/// What a kernel computes: its operations, then a line for each equation, "ffn.toml:31: h = gelu(x @ w1)".
std::string equation_of(const Kernel& kernel);
/// By kernel of the plan: its first launch among the records; null where it was not launched.
std::vector<const LaunchRecord*> records_of(const Plan& plan, const EmulatedMachine& machine);
/// The first findings of the recorded launches, one for an op however often its kernel was launched, ready to print; ""
/// where there are none.
std::string findings_text(const EmulatedMachine& machine);
/// Throws Error (a check failed) with the findings' text where there are any.
void require_no_findings(const EmulatedMachine& machine);

}  // namespace tenon::emulator
