// device.cpp: devices by name.
#include "runtime/device.h"

#include "ir/diagnostics.h"
#include "runtime/cpu/cpu_device.h"
#include "runtime/cuda/cuda_device.h"
#include "runtime/cuda/machine.h"

namespace tenon {

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
  if (kind == "emulator")
    throw Error("the device 'emulator' is not there yet", {}, "--device cpu runs the model without kernels",
                Status::kMachineCannot);
  throw Error("no device '" + name.str() + "'", {}, "auto, cpu, cuda or cuda:N");
}

}  // namespace tenon
