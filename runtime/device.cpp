// device.cpp: devices by name.
#include "runtime/device.h"

#include "ir/diagnostics.h"
#include "runtime/cpu/cpu_device.h"
#include "runtime/cuda/cuda_device.h"
#include "runtime/cuda/machine.h"
#include "runtime/emulator/device/emulator_device.h"

namespace tenon {

RunResult Program::repeat(const TensorMap& inputs, int64_t times) {
  RunResult all = run(inputs);
  for (int64_t i = 1; i < times; ++i) {
    RunResult next = run(inputs);
    next.wall_us += all.wall_us;
    next.device_us += all.device_us;
    all = std::move(next);
  }
  return all;
}

std::unique_ptr<Device> make_device(llvm::StringRef name) {
  auto [kind, detail] = name.split(':');
  bool bare = !name.contains(':');
  if (kind == "cpu" && bare) return cpu::make_cpu_device();
  if (kind == "auto" && bare) {
    if (!cuda::describe_machine().can_run_kernels()) return cpu::make_cpu_device();
    return cuda::CudaDevice::open(0);
  }
  int ordinal = 0;
  if (kind == "cuda" && (bare || (!detail.getAsInteger(10, ordinal) && ordinal >= 0)))
    return cuda::CudaDevice::open(ordinal);
  if (kind == "emulator" && (bare || !detail.empty())) return emulator::EmulatorDevice::open(detail);
  throw Error("no device '" + name.str() + "'", {}, "auto, cpu, cuda[:N] or emulator[:ARCH]");
}

}  // namespace tenon
