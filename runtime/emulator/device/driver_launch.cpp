// driver_launch.cpp: the emulated driver's modules, kernels and launches.
#include <algorithm>
#include <cstring>

#include "runtime/emulator/device/driver_state.h"
#include "runtime/emulator/device/loaded_module.h"

namespace tenon::emulator {
namespace {

using cuda::DriverStatus;

/// What the driver allows a kernel without being asked.
constexpr int kDefaultDynamicShared = 48 * 1024;
constexpr int kReservedShared = 1024;  ///< of each block, by the system

struct Kernel {
  std::shared_ptr<const Program> program;
  int max_dynamic_shared = kDefaultDynamicShared;
  bool large_clusters = false;  ///< of more than 8 blocks
};
struct ModuleObject {
  LoadedModule loaded;
  std::map<std::string, Kernel> kernels;
};

Kernel* kernel_of(cuda::Function function) { return reinterpret_cast<Kernel*>(function); }

DriverStatus load_module(cuda::Module* module, const void* image) {
  if (!module || !image) return fail(kInvalidValue, "no image");
  return with_machine(kInvalidPtx, [&](EmulatedMachine& machine) {
    *module = reinterpret_cast<cuda::Module>(
        new ModuleObject{{machine.memory(), static_cast<const char*>(image), "module.ptx"}, {}});
    return kSuccess;
  });
}

DriverStatus unload_module(cuda::Module module) {
  if (!module) return fail(kInvalidHandle, "no module");
  return with_machine(kInvalidHandle, [&](EmulatedMachine&) {
    delete reinterpret_cast<ModuleObject*>(module);
    return kSuccess;
  });
}

DriverStatus get_function(cuda::Function* function, cuda::Module module, const char* name) {
  if (!module) return fail(kInvalidHandle, "no module");
  ModuleObject& object = *reinterpret_cast<ModuleObject*>(module);
  const std::vector<std::string> entries = object.loaded.entries();
  if (std::find(entries.begin(), entries.end(), name) == entries.end())
    return fail(kNotFound, std::string("the module has no kernel ") + name);
  return with_machine(kInvalidPtx, [&](EmulatedMachine&) {
    Kernel& kernel = object.kernels[name];
    kernel.program = object.loaded.program(name);
    *function = reinterpret_cast<cuda::Function>(&kernel);
    return kSuccess;
  });
}

DriverStatus get_attribute(int* value, cuda::FunctionAttribute attribute, cuda::Function function) {
  if (!function) return fail(kInvalidHandle, "no function");
  const Kernel& kernel = *kernel_of(function);
  switch (attribute) {
    case cuda::kLocalBytes: *value = static_cast<int>(kernel.program->local_bytes); return kSuccess;
    case cuda::kRegisters: *value = kernel.program->registers_live; return kSuccess;
    case cuda::kMaxDynamicSharedBytes: *value = kernel.max_dynamic_shared; return kSuccess;
    case cuda::kNonPortableClusterAllowed: *value = kernel.large_clusters; return kSuccess;
  }
  return fail(kInvalidValue, "an attribute that the emulator does not know");
}

DriverStatus set_attribute(cuda::Function function, cuda::FunctionAttribute attribute, int value) {
  if (!function) return fail(kInvalidHandle, "no function");
  return with_machine(kInvalidValue, [&](EmulatedMachine& machine) -> DriverStatus {
    Kernel& kernel = *kernel_of(function);
    const int64_t limit = machine.architecture().card().shared_bytes_per_block;
    if (attribute == cuda::kNonPortableClusterAllowed) {
      kernel.large_clusters = value != 0;
    } else if (attribute != cuda::kMaxDynamicSharedBytes) {
      return fail(kInvalidValue, "an attribute that cannot be set");
    } else if (value < 0 || value + kernel.program->static_shared_bytes > limit) {
      return fail(kInvalidValue, std::to_string(value) + " bytes of dynamic shared memory beside " +
                                     std::to_string(kernel.program->static_shared_bytes) +
                                     " static ones; a block has " + std::to_string(limit));
    } else {
      kernel.max_dynamic_shared = value;
    }
    return kSuccess;
  });
}

void apply_attribute(LaunchRequest& request, const cuda::LaunchAttribute& attribute) {
  switch (attribute.id) {
    case cuda::kCooperative: request.cooperative = attribute.value.flag != 0; return;
    case cuda::kClusterDimension:
      request.cluster[0] = static_cast<int>(attribute.value.cluster.x);
      request.cluster[1] = static_cast<int>(attribute.value.cluster.y);
      request.cluster[2] = static_cast<int>(attribute.value.cluster.z);
      return;
    case cuda::kProgrammaticSerialization: return;  // launches run one after the other anyway
  }
  throw Error("a launch attribute that the emulator does not know: " + std::to_string(attribute.id));
}

LaunchRequest request_of(const cuda::LaunchConfig& config, const Kernel& kernel, void** parameters) {
  LaunchRequest request;
  request.program = kernel.program;
  const unsigned grid[] = {config.grid_x, config.grid_y, config.grid_z};
  const unsigned block[] = {config.block_x, config.block_y, config.block_z};
  for (int axis = 0; axis < 3; ++axis) {
    if (grid[axis] == 0 || grid[axis] > 0x7fffffffu || block[axis] == 0 || block[axis] > 1024)
      throw Error("a grid or block without threads, or beyond all limits");
    request.grid[axis] = static_cast<int>(grid[axis]);
    request.block[axis] = static_cast<int>(block[axis]);
    if (kernel.program->cluster[axis] > 0) request.cluster[axis] = kernel.program->cluster[axis];
  }
  for (unsigned i = 0; i < config.attribute_count; ++i) apply_attribute(request, config.attributes[i]);
  request.dynamic_shared_bytes = config.shared_bytes;
  if (request.dynamic_shared_bytes > kernel.max_dynamic_shared)
    throw Error(std::to_string(config.shared_bytes) +
                " bytes of dynamic shared memory; the kernel was allowed " +
                std::to_string(kernel.max_dynamic_shared));
  constexpr int kPortableCluster = 8;
  if (!kernel.large_clusters &&
      request.cluster[0] * request.cluster[1] * request.cluster[2] > kPortableCluster)
    throw Error("a cluster of more than 8 blocks; the kernel was not allowed one");
  request.parameters.resize(kernel.program->parameter_bytes);
  for (size_t i = 0; i < kernel.program->parameters.size(); ++i) {
    const Parameter& parameter = kernel.program->parameters[i];
    std::memcpy(request.parameters.data() + parameter.offset, parameters[i], parameter.bytes);
  }
  return request;
}

DriverStatus launch(const cuda::LaunchConfig* config, cuda::Function function, void** parameters,
                    void** extra) {
  if (!config || !function) return fail(kInvalidHandle, "no function");
  if (extra || (!parameters && !kernel_of(function)->program->parameters.empty()))
    return fail(kInvalidValue, "parameters are taken as an array of pointers");
  try {
    LaunchRequest request = request_of(*config, *kernel_of(function), parameters);
    return submit(config->stream,
                  [request = std::move(request)](EmulatedMachine& machine) { machine.launch(request); });
  } catch (const Error& error) {
    return fail(kInvalidValue, error.what());
  }
}

DriverStatus occupancy(int* blocks, cuda::Function function, int threads, size_t shared) {
  if (!function) return fail(kInvalidHandle, "no function");
  if (threads <= 0) return fail(kInvalidValue, "a block without threads");
  return with_machine(kInvalidValue, [&](EmulatedMachine& machine) {
    const Card& card = machine.architecture().card();
    const Program& program = *kernel_of(function)->program;
    const int64_t used = program.static_shared_bytes + static_cast<int64_t>(shared) + kReservedShared;
    const int64_t registers = std::max(16, program.registers_live) * int64_t{threads};
    constexpr int64_t kMostBlocks = 32;
    *blocks =
        static_cast<int>(std::min({kMostBlocks, int64_t{card.threads_per_sm} / threads,
                                   card.shared_bytes_per_sm / used, card.registers_per_sm / registers}));
    return kSuccess;
  });
}

}  // namespace

void fill_launch_functions(cuda::DriverApi& api) {
  api.cuModuleLoadData = load_module;
  api.cuModuleUnload = unload_module;
  api.cuModuleGetFunction = get_function;
  api.cuFuncGetAttribute = get_attribute;
  api.cuFuncSetAttribute = set_attribute;
  api.cuLaunchKernelEx = launch;
  api.cuOccupancyMaxActiveBlocksPerMultiprocessor = occupancy;
}

}  // namespace tenon::emulator
