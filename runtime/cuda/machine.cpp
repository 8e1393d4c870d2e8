// Asks loader and driver what this machine has.
#include "runtime/cuda/machine.h"

#include "ir/diagnostics.h"

namespace tenon::cuda {

std::string Gpu::arch() const {
  const std::string number = std::to_string(compute_major) + std::to_string(compute_minor);
  const bool has_variant = compute_major == 9 || compute_major == 10;
  return "sm_" + number + (has_variant ? "a" : "");
}

Gpu describe_gpu(const DriverApi& api, int ordinal) {
  DeviceOrdinal device = 0;
  TENON_CUDA(api, cuDeviceGet, &device, ordinal);
  const auto attribute = [&](DeviceAttribute which) {
    int value = 0;
    TENON_CUDA(api, cuDeviceGetAttribute, &value, which, device);
    return value;
  };
  Gpu gpu;
  gpu.ordinal = ordinal;
  char name[256] = {};
  TENON_CUDA(api, cuDeviceGetName, name, sizeof name - 1, device);
  gpu.name = name;
  size_t bytes = 0;
  TENON_CUDA(api, cuDeviceTotalMem_v2, &bytes, device);
  gpu.memory_bytes = static_cast<int64_t>(bytes);
  gpu.compute_major = attribute(kComputeCapabilityMajor);
  gpu.compute_minor = attribute(kComputeCapabilityMinor);
  gpu.multiprocessors = attribute(kMultiprocessorCount);
  gpu.l2_bytes = attribute(kL2CacheSize);
  gpu.shared_bytes_per_block = attribute(kSharedMemoryPerBlockOptin);
  return gpu;
}

Machine describe_gpus() {
  Machine machine;
  machine.driver = find_driver();
  try {
    machine.api = load_driver_api(machine.driver);
    int count = 0;
    TENON_CUDA(*machine.api, cuDeviceGetCount, &count);
    for (int i = 0; i < count; ++i) machine.gpus.push_back(describe_gpu(*machine.api, i));
    if (count == 0) machine.driver_problem = "the driver finds no GPU";
  } catch (const Error& error) {
    machine.driver_problem = error.diagnostics().front().message;
  }
  return machine;
}

Machine describe_machine() {
  Machine machine = describe_gpus();
  const int version = machine.api ? machine.api->version : 0;
  machine.nvrtc = find_nvrtc(version);
  machine.cublaslt = find_cublaslt(version);
  return machine;
}

}  // namespace tenon::cuda
